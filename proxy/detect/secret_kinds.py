"""The kinds of credential that `secrets` knows, by the formats that their issuers publish.

Each form is an RE2 pattern and a check. Where a pattern has a group, that is the value, and what stands
before it is its context; else all of the match is. A value begins and ends where no letter or digit runs on
beside it. Kinds stand in the order in which their names win where findings overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.detect import secret_checks as check
from proxy.detect import secret_context as context
from proxy.detect.base import HELD_CHARS_MAX
from proxy.detect.secret_context import GIVEN, PASSWORD_IN_URL, QUOTE
from proxy.detect.secret_issuers import EXACT, ISSUED

TOKEN_CHARS_MAX: Final = 1024
"""The most characters of a match of one line, context included."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a kind is written. `length` is the most characters of a match."""

    kind: str
    pattern: str
    check: check.Check
    length: int = TOKEN_CHARS_MAX
    spaced: bool = False
    """Whether the value may hold blanks."""


_HEAD: Final = r"(?i:-----BEGIN {kind}-----)"
# Lines of base64, of a length that no word has; real or escaped line ends, quotes and signs of code between.
_BETWEEN: Final = r"""(?:\\[nrt]|[\s"'+\\,;>|#*-])"""
_LINE: Final = "[A-Za-z0-9+/]{16,}={0,3}"
_BODY: Final = (
    rf"(?:{_BETWEEN}|[A-Z][A-Za-z-]{{2,20}}: [^\n\\]{{1,120}}(?:\n|\\))*"
    rf"(?:{_LINE}(?:{_BETWEEN}+{_LINE})*)?"
    # The last line may be short: before the end line, or where the text breaks off.
    rf"(?:{_BETWEEN}*[A-Za-z0-9+/]{{0,16}}={{0,3}}{_BETWEEN}*=?[A-Za-z0-9+/]{{0,5}}{_BETWEEN}*"
    r"(?i:-----END [A-Z0-9 ]{0,40}-----)|(?:\n|\\n)[A-Za-z0-9+/]{0,16}={0,3}\z)?"
)


def _block(kind: str) -> str:
    return _HEAD.replace("{kind}", kind) + _BODY


def _issued(kind: str, pattern: str) -> Form:
    """In any case: an issuer's prefix in capitals is a key all the same."""
    return Form(kind, pattern if kind in EXACT else f"(?i:{pattern})", check.random)


FORMS: Final = (
    Form("OPENSSH_PRIVATE_KEY", _block("OPENSSH PRIVATE KEY"), check.key_block, HELD_CHARS_MAX),
    Form("PGP_PRIVATE_KEY", _block("PGP PRIVATE KEY BLOCK"), check.key_block, HELD_CHARS_MAX),
    Form("PRIVATE_KEY", _block("(?:[A-NP-Z][A-Z0-9]{0,20} )?PRIVATE KEY"), check.key_block, HELD_CHARS_MAX),
    # The base64 of such a block, as Kubernetes keeps it.
    Form("PRIVATE_KEY", "LS0tLS1CRUdJTi[A-Za-z0-9+/]{40,}={0,2}", check.encoded_key_block, HELD_CHARS_MAX),
    Form("PUTTY_PRIVATE_KEY", rf"Private-Lines: [0-9]{{1,3}}{_BODY}", check.key_block, HELD_CHARS_MAX),
    Form("AGE_SECRET_KEY", "(?i:AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58})", check.age),
    Form("JSON_WEB_KEY", rf"""{QUOTE}[dk]{QUOTE}[ ]?:[ ]?{QUOTE}([\w-]{{22,700}})["'\\]""", check.key_number),
    Form("BITCOIN_PRIVATE_KEY", "[5KL9c][1-9A-HJ-NP-Za-km-z]{50,51}", check.base58),
    Form("EXTENDED_PRIVATE_KEY", "[xyzt]prv[1-9A-HJ-NP-Za-km-z]{107,108}", check.random),
    Form("SEED_PHRASE", context.SEED_PHRASE, check.seed_phrase, spaced=True),
    Form("AWS_ACCESS_KEY_ID", "(?i:(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})", check.shaped),
    Form(
        "AWS_SECRET_ACCESS_KEY",
        rf"(?i:secret[_. -]?(?:access[_. -]?)?key|secretaccesskey){GIVEN}(?:{QUOTE})?([A-Za-z0-9/+]{{40}})",
        check.random,
    ),
    Form(
        "AWS_SESSION_TOKEN",
        rf"(?i:session[_. -]?token){GIVEN}(?:{QUOTE})?([A-Za-z0-9/+=]{{100,900}})",
        check.random,
    ),
    Form("AZURE_STORAGE_KEY", r"(?i:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{43,86}={1,2})", check.random),
    Form("AZURE_SAS_SIGNATURE", r"[?&]sig=([A-Za-z0-9%+/]{40,120}(?:=|%3[Dd]))", check.random),
    Form("GITHUB_TOKEN", "(?i:gh[pousr]_[A-Za-z0-9]{36,255})", check.crc_base62),
    Form("NPM_TOKEN", "(?i:npm_[A-Za-z0-9]{36})", check.crc_base62),
    *(
        _issued(kind, pattern)
        for kind, patterns in ISSUED.items()
        for pattern in ((patterns,) if isinstance(patterns, str) else patterns)
    ),
    Form("DJANGO_SECRET_KEY", r"django-insecure-[a-z0-9!@#$%^&*(=+)_-]{30,80}", check.entropic),
    Form("DISCORD_BOT_TOKEN", r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}", check.discord),
    Form(
        "SLACK_WEBHOOK",
        r"(?i:https://hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[\w/]{20,150})",
        check.shaped,
    ),
    Form(
        "DISCORD_WEBHOOK",
        r"(?i:https://(?:\w{2,8}\.)?discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks/[0-9]{16,20}/[\w-]{60,80})",
        check.shaped,
    ),
    Form(
        "TEAMS_WEBHOOK",
        r"(?i:https://[\w-]{1,60}\.webhook\.office\.com/webhookb2/[\w@/-]{60,250})",
        check.shaped,
    ),
    Form(
        "ZAPIER_WEBHOOK", r"(?i:https://hooks\.zapier\.com/hooks/catch/[0-9]{3,12}/[\w/]{5,40})", check.shaped
    ),
    Form(
        "JSON_WEB_TOKEN",
        r"ey[IJ][\w-]{10,}\.[\w-]{4,}\.[\w-]{10,}(?:\.[\w-]{10,}\.[\w-]{10,})?",
        check.jwt,
        HELD_CHARS_MAX,
    ),
    Form("CONNECTION_STRING_PASSWORD", context.SCHEMES + PASSWORD_IN_URL, check.url_password),
    Form("CONNECTION_STRING_PASSWORD", context.ORACLE, check.url_password),
    Form("CONNECTION_STRING_PASSWORD", context.PGPASS, check.kept),
    Form(
        "BASIC_AUTH_URL",
        r"(?i:https?|s?ftps?|ssh|git|svn|smtps?|imaps?|wss?|socks5?h?)" + PASSWORD_IN_URL,
        check.url_password,
    ),
    Form(
        "BASIC_AUTHORIZATION",
        rf"(?i:authorization){GIVEN}(?:{QUOTE})?(?i:basic) ([A-Za-z0-9+/]{{6,300}}={{0,2}})",
        check.basic,
    ),
    # As docker's config.json and .npmrc keep it.
    Form(
        "BASIC_AUTHORIZATION",
        rf"(?:{QUOTE}auth{QUOTE}[ ]?:[ ]?{QUOTE}|\b_auth[ ]?=[ ]?{QUOTE}?)([A-Za-z0-9+/]{{6,300}}={{0,2}})",
        check.basic,
    ),
    Form("NPM_TOKEN", rf"_authToken[ ]?=[ ]?(?:{QUOTE})?([\w-]{{20,100}})", check.random),
    Form("PASSWORD_HASH", context.PASSWORD_HASH, check.shaped),
    Form("SESSION_COOKIE", context.SESSION_COOKIE, check.random),
    Form("BEARER_TOKEN", r"(?i:bearer) ([A-Za-z0-9._~+/-]{15,900}[A-Za-z0-9_~+/-]={0,2})", check.bearer),
    *(Form("SECRET_ASSIGNMENT", pattern, check.assigned) for pattern in context.SECRETS),
    *(Form("PASSWORD_ASSIGNMENT", pattern, check.password) for pattern in context.PASSWORDS),
    Form("PASSWORD_ASSIGNMENT", context.PASSWORD_IN_OTHER_SCRIPTS, check.foreign_password),
    Form("PASSWORD_ASSIGNMENT", context.DATABASE, check.kept),
    Form("PASSWORD_ASSIGNMENT", context.NETRC, check.url_password),
)

KINDS: Final = tuple(dict.fromkeys(form.kind for form in FORMS))
"""Every kind, in the order in which they win."""
