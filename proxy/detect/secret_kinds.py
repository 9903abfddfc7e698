"""The kinds of credential that `secrets` knows, by the formats that their issuers publish.

Each form is an RE2 pattern and a check. Where a pattern has a group, that is the value, and what stands
before it is its context; else all of the match is. A value begins and ends where no letter or digit runs on
beside it. Kinds stand in the order in which their names win where findings overlap. Formats: the issuers'
own pages, as collected in GitHub's list of supported secret-scanning patterns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.detect import secret_checks as check
from proxy.detect.base import HELD_CHARS_MAX

TOKEN_CHARS_MAX: Final = 1024
"""The most characters of a match of one line, context included."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a kind is written. `length` is the most characters of a match."""

    kind: str
    pattern: str
    check: check.Check
    length: int = TOKEN_CHARS_MAX


_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

# A fixed prefix and random letters behind it.
_RANDOM: Final[Mapping[str, str | tuple[str, ...]]] = {
    # Model vendors.
    "ANTHROPIC_API_KEY": r"sk-ant-[a-z]{3,8}[0-9]{2}-[\w-]{20,250}",
    "OPENROUTER_API_KEY": "sk-or-v1-[0-9a-f]{64}",
    "OPENAI_API_KEY": (
        r"sk-(?:proj|svcacct|admin|None)-[\w-]{20,250}",
        "sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}",
        "sk-[A-Za-z0-9]{32,100}",
    ),
    "HUGGING_FACE_TOKEN": "(?:hf_[A-Za-z0-9]{30,64}|api_org_[A-Za-z0-9]{34})",
    "REPLICATE_API_TOKEN": "r8_[A-Za-z0-9]{37,40}",
    "GROQ_API_KEY": "gsk_[A-Za-z0-9]{48,56}",
    "XAI_API_KEY": "xai-[A-Za-z0-9]{70,90}",
    "PERPLEXITY_API_KEY": "pplx-[A-Za-z0-9]{40,64}",
    "NVIDIA_API_KEY": r"nvapi-[\w-]{60,72}",
    "FIREWORKS_API_KEY": "fw_[A-Za-z0-9]{22,26}",
    "CEREBRAS_API_KEY": "csk-[a-z0-9]{44,52}",
    "LANGSMITH_API_KEY": "lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}",
    "PINECONE_API_KEY": r"pcsk_\w{50,90}",
    "TAVILY_API_KEY": r"tvly-[\w-]{30,60}",
    # Clouds.
    "GOOGLE_API_KEY": r"AIza[\w-]{35}",
    "GOOGLE_OAUTH_SECRET": r"GOCSPX-[\w-]{28}",
    "GOOGLE_OAUTH_TOKEN": (r"ya29\.[\w.-]{30,500}[\w-]", r"1//0[\w-]{40,120}"),
    "AZURE_CLIENT_SECRET": r"[\w.~]{3}[0-9]Q~[\w.~-]{31,34}",
    "DIGITALOCEAN_TOKEN": "do[oprt]_v1_[0-9a-f]{64}",
    "ALIBABA_ACCESS_KEY": "LTAI[A-Za-z0-9]{12,26}",
    "TENCENT_SECRET_ID": "AKID[A-Za-z0-9]{28,36}",
    "HEROKU_API_KEY": r"HRKU-[\w-]{36,64}",
    "FLY_IO_TOKEN": (r"fo1_[\w-]{43}", r"FlyV1 fm[0-9][a-z]?_[A-Za-z0-9+/=,_-]{60,800}[A-Za-z0-9+/=_-]"),
    "NETLIFY_TOKEN": "nfp_[A-Za-z0-9]{36,40}",
    "CLOUDFLARE_ORIGIN_CA_KEY": r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}",
    "DATABRICKS_TOKEN": "dapi[0-9a-f]{32}(?:-[0-9])?",
    "HASHICORP_VAULT_TOKEN": r"hv[sbr]\.[\w-]{24,300}",
    "TERRAFORM_CLOUD_TOKEN": r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,70}",
    "PULUMI_TOKEN": "pul-[0-9a-f]{40}",
    "DOPPLER_TOKEN": r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}",
    "PLANETSCALE_TOKEN": r"pscale_(?:tkn|pw|oauth)_[\w.=-]{31,63}[\w=-]",
    "SUPABASE_KEY": r"(?:sbp_[0-9a-f]{40}|sb_secret_[\w-]{22,50})",
    "TAILSCALE_KEY": r"tskey-[a-z]{3,10}-[A-Za-z0-9]{8,32}(?:-[A-Za-z0-9]{16,64})?",
    # Git hosts and builds.
    "GITHUB_FINE_GRAINED_TOKEN": r"github_pat_\w{60,255}",
    "GITLAB_TOKEN": (
        r"gl(?:pat|ptt|rt|dt|cbt|oas|ft|soat|imt|agent|ffct)-[\w-]{20,100}(?:\.[0-9a-z]{2}\.[0-9a-z]{9})?",
        "GR1348941[A-Za-z0-9_-]{20}",
    ),
    "BITBUCKET_TOKEN": r"ATBB[\w=-]{24,40}",
    "ATLASSIAN_TOKEN": r"AT[AC]TT3[\w=-]{50,250}",
    "CIRCLECI_TOKEN": "CCI(?:PAT|PRJ)_[A-Za-z0-9]{22}_[0-9a-f]{40}",
    "BUILDKITE_TOKEN": "bkua_[0-9a-f]{40}",
    "SOURCEGRAPH_TOKEN": "sgp_(?:[0-9a-fA-F]{16}_|local_)?[0-9a-fA-F]{40}",
    # Chat.
    "SLACK_TOKEN": (
        r"(?:xoxe\.)?xox[abeoprs]-[A-Za-z0-9-]{10,250}",
        r"xapp-[0-9]-[A-Za-z0-9]{6,20}-[0-9]{6,20}-[A-Za-z0-9]{32,100}",
    ),
    "TELEGRAM_BOT_TOKEN": r"[0-9]{8,10}:A[\w-]{34}",
    # Payment.
    "STRIPE_API_KEY": r"[rs]k_(?:live|test|prod)_[0-9A-Za-z]{16,250}",
    "STRIPE_WEBHOOK_SECRET": "whsec_[A-Za-z0-9+/]{32,64}={0,2}",
    "SQUARE_TOKEN": (r"EAAA[\w-]{60}", r"sq0[a-z]{3}-[\w-]{22,43}"),
    "BRAINTREE_TOKEN": r"access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[0-9a-f]{32}",
    "PLAID_TOKEN": f"access-(?:sandbox|development|production)-{_UUID}",
    "RAZORPAY_KEY": "rzp_(?:live|test)_[A-Za-z0-9]{14,24}",
    "FLUTTERWAVE_KEY": "FLWSECK(?:_TEST)?-[A-Za-z0-9]{12,32}-X",
    "SHIPPO_TOKEN": "shippo_(?:live|test)_[0-9a-f]{40}",
    "EASYPOST_KEY": "EZ[AT]K[A-Za-z0-9]{54}",
    # Mail and messages.
    "SENDGRID_API_KEY": r"SG\.[\w-]{16,32}\.[\w-]{32,64}",
    "MAILGUN_API_KEY": "key-[0-9a-f]{32}",
    "MAILCHIMP_API_KEY": "[0-9a-f]{32}-us[0-9]{1,2}",
    "BREVO_API_KEY": "xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}",
    "RESEND_API_KEY": r"re_[A-Za-z0-9]{6,10}_[A-Za-z0-9]{20,32}",
    "TWILIO_API_KEY": "SK[0-9a-f]{32}",
    # Package registries.
    "PYPI_TOKEN": r"pypi-[\w-]{50,512}",
    "RUBYGEMS_TOKEN": "rubygems_[0-9a-f]{48}",
    "CRATES_IO_TOKEN": "cio[A-Za-z0-9]{32}",
    "NUGET_API_KEY": "oy2[a-z0-9]{43}",
    "DOCKER_HUB_TOKEN": r"dckr_[op]at_[\w-]{24,44}",
    "CLOJARS_TOKEN": "CLOJARS_[0-9a-f]{60}",
    "ARTIFACTORY_TOKEN": "AKCp[A-Za-z0-9]{64,72}",
    # Watching, working together, shops.
    "NEW_RELIC_KEY": r"NR(?:AK-[A-Z0-9]{27}|I[IQ]-[\w-]{32}|JS-[0-9a-f]{19})",
    "SENTRY_TOKEN": ("sntryu_[0-9a-f]{64}", "sntrys_[A-Za-z0-9+/=_]{60,500}"),
    "GRAFANA_TOKEN": ("glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}", "glc_[A-Za-z0-9+/]{32,400}={0,3}"),
    "DYNATRACE_TOKEN": r"dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}",
    "LINEAR_API_KEY": "lin_(?:api|oauth)_[A-Za-z0-9]{40,64}",
    "NOTION_TOKEN": ("ntn_[A-Za-z0-9]{40,50}", "secret_[A-Za-z0-9]{43}"),
    "AIRTABLE_TOKEN": r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
    "FIGMA_TOKEN": r"fig[dour]_?[\w-]{40,44}",
    "POSTMAN_API_KEY": "PMAK-[0-9a-f]{24}-[0-9a-f]{34}",
    "HUBSPOT_TOKEN": f"pat-[a-z]{{2}}[0-9]-{_UUID}",
    "DROPBOX_TOKEN": r"sl\.(?:u\.)?[\w-]{100,900}",
    "FACEBOOK_TOKEN": "EAA[A-Za-z]{2}[A-Za-z0-9]{80,300}",
    "CONTENTFUL_TOKEN": r"CFPAT-[\w-]{43}",
    "TYPEFORM_TOKEN": r"tfp_[\w.=-]{39,63}[\w=-]",
    "PREFECT_TOKEN": "pn[ub]_[A-Za-z0-9]{36}",
    "README_TOKEN": "rdme_[a-z0-9]{70}",
    "ONEPASSWORD_TOKEN": r"ops_eyJ[\w+/=-]{200,1000}",
    "LAUNCHDARKLY_KEY": f"(?:sdk|api)-{_UUID}",
    "SHOPIFY_TOKEN": "shp(?:at|ca|pa|ss|tka)_[0-9a-fA-F]{32}",
    "MAPBOX_TOKEN": r"sk\.eyJ[\w-]{40,120}\.[\w-]{20,30}",
}

_HEAD: Final = r"-----BEGIN {kind}-----"
# Lines of base64, of a length that no word has; real or escaped line ends, quotes and signs of code between.
_BETWEEN: Final = r"""[\s"'+\\,;>|#*]"""
_LINE: Final = "[A-Za-z0-9+/]{16,}={0,3}"
_BODY: Final = (
    rf"(?:{_BETWEEN}|[A-Z][A-Za-z-]{{2,20}}: [^\n\\]{{1,120}}(?:\n|\\))*"
    rf"(?:{_LINE}(?:{_BETWEEN}+{_LINE})*)?"
    # The last line may be short: before the end line, or where the text breaks off.
    rf"(?:{_BETWEEN}*[A-Za-z0-9+/]{{0,16}}={{0,3}}{_BETWEEN}*=?[A-Za-z0-9+/]{{0,4}}{_BETWEEN}*"
    r"-----END [A-Z0-9 ]{0,40}-----|(?:\n|\\n)[A-Za-z0-9+/]{0,16}={0,3}\z)?"
)


def _block(kind: str) -> str:
    return _HEAD.replace("{kind}", kind) + _BODY


_BLANKS: Final = r"[ \t]{0,4}"
_QUOTE: Final = r"""\\{0,3}["'`]"""
_GIVEN: Final = rf"""{_QUOTE}?\]?{_BLANKS}(?:[:=]{{1,2}}>?|=>){_BLANKS}"""  # between a name and its value
_SECRET_NAME: Final = (
    r"(?i:api[_. -]?(?:key|secret|token)|access[_. -]?(?:key|token)|secret|token|auth[_. -]?key|private[_-]?key"
    r"|signing[_-]?key|encryption[_-]?key|master[_-]?key|account[_-]?key|credentials?|license[_-]?key|app[_-]?key"
    r"|service[_-]?key|webhook[_-]?key|storage[_-]?key|session[_-]?key)[A-Za-z0-9_-]{0,24}"
)
_PASSWORD_NAME: Final = r"(?i:passw(?:or)?d|passwd|passphrase|pwd|db_?pass|_pass)[A-Za-z0-9_-]{0,24}"
_QUOTED: Final = rf"""{_QUOTE}([^\s"'`\\]{{6,512}})["'`\\]"""
# No value holds what stands before another: names in a row would be read again and again.
_BARE: Final = r"""([^\s"'`\\,;<>(){}\[\]:=]{5,511}[^\s"'`\\,;<>(){}\[\].:=]={0,2})"""
_BARE_WORD: Final = r"""([^\s"'`\\,;<>(){}\[\]]{5,127}[^\s"'`\\,;<>(){}\[\].:])"""
_SCHEMES: Final = (
    r"(?i:postgres(?:ql)?|mysql|mariadb|mongodb|redis|rediss|amqps?|mssql|sqlserver|oracle|cockroachdb|clickhouse"
    r"|snowflake|cassandra|neo4j|bolt|ldaps?|nats|mqtts?|kafka|couchbase)(?i:\+[a-z0-9]{1,12})?"
)
_PASSWORD_IN_URL: Final = (
    r"""://[^\s:/@"'<>,]{0,100}:([^\s/@"'<>,]{3,200}(?:@[^\s/@"'<>:.]{1,60})?)@[\w.\[-]"""
)


def _assigned(kind: str, name: str, bare: str, judged: check.Check) -> tuple[Form, ...]:
    return (
        Form(kind, rf"{name}{_GIVEN}{_QUOTED}", judged),
        Form(kind, rf"{name}{_GIVEN}{bare}", judged),
        Form(kind, rf"<{name}>([^<>\s]{{6,512}})</", judged),
    )


FORMS: Final = (
    Form("OPENSSH_PRIVATE_KEY", _block("OPENSSH PRIVATE KEY"), check.key_block, HELD_CHARS_MAX),
    Form("PGP_PRIVATE_KEY", _block("PGP PRIVATE KEY BLOCK"), check.key_block, HELD_CHARS_MAX),
    Form("PRIVATE_KEY", _block("(?:[A-NP-Z][A-Z0-9]{0,20} )?PRIVATE KEY"), check.key_block, HELD_CHARS_MAX),
    Form("PUTTY_PRIVATE_KEY", rf"Private-Lines: [0-9]{{1,3}}{_BODY}", check.key_block, HELD_CHARS_MAX),
    Form("AGE_SECRET_KEY", "AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}", check.age),
    Form("AWS_ACCESS_KEY_ID", "(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}", check.shaped),
    Form(
        "AWS_SECRET_ACCESS_KEY",
        rf"(?i:secret[_ -]?(?:access[_ -]?)?key|secretaccesskey){_GIVEN}(?:{_QUOTE})?([A-Za-z0-9/+]{{40}})",
        check.random,
    ),
    Form(
        "AWS_SESSION_TOKEN",
        rf"(?i:session[_ -]?token){_GIVEN}(?:{_QUOTE})?([A-Za-z0-9/+=]{{100,900}})",
        check.random,
    ),
    Form("AZURE_STORAGE_KEY", r"(?i:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{43,86}={1,2})", check.random),
    Form("AZURE_SAS_SIGNATURE", r"[?&]sig=([A-Za-z0-9%+/]{40,120}(?:=|%3[Dd]))", check.random),
    Form("GITHUB_TOKEN", "gh[pousr]_[A-Za-z0-9]{36,255}", check.crc_base62),
    Form("NPM_TOKEN", "npm_[A-Za-z0-9]{36}", check.crc_base62),
    *(
        Form(kind, pattern, check.random)
        for kind, patterns in _RANDOM.items()
        for pattern in ((patterns,) if isinstance(patterns, str) else patterns)
    ),
    Form("DISCORD_BOT_TOKEN", r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}", check.discord),
    Form(
        "SLACK_WEBHOOK",
        r"https://hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[\w/]{20,150}",
        check.shaped,
    ),
    Form(
        "DISCORD_WEBHOOK",
        r"https://(?:\w{2,8}\.)?discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks/[0-9]{16,20}/[\w-]{60,80}",
        check.shaped,
    ),
    Form(
        "TEAMS_WEBHOOK",
        r"https://[\w-]{1,60}\.webhook\.office\.com/webhookb2/[\w@/-]{60,250}",
        check.shaped,
    ),
    Form("ZAPIER_WEBHOOK", r"https://hooks\.zapier\.com/hooks/catch/[0-9]{3,12}/[\w/]{5,40}", check.shaped),
    Form(
        "JSON_WEB_TOKEN",
        r"ey[IJ][\w-]{10,}\.[\w-]{4,}\.[\w-]{10,}(?:\.[\w-]{10,}\.[\w-]{10,})?",
        check.jwt,
        HELD_CHARS_MAX,
    ),
    Form("CONNECTION_STRING_PASSWORD", _SCHEMES + _PASSWORD_IN_URL, check.url_password),
    Form(
        "BASIC_AUTH_URL",
        r"(?i:https?|s?ftps?|ssh|git|svn|smtps?|imaps?|wss?|socks5?h?)" + _PASSWORD_IN_URL,
        check.url_password,
    ),
    Form(
        "BASIC_AUTHORIZATION",
        rf"(?i:authorization){_GIVEN}(?:{_QUOTE})?(?i:basic) ([A-Za-z0-9+/]{{6,300}}={{0,2}})",
        check.basic,
    ),
    Form("BEARER_TOKEN", r"(?i:bearer) ([A-Za-z0-9._~+/-]{15,900}[A-Za-z0-9_~+/-]={0,2})", check.bearer),
    *_assigned("SECRET_ASSIGNMENT", _SECRET_NAME, _BARE, check.assigned),
    *_assigned("PASSWORD_ASSIGNMENT", _PASSWORD_NAME, _BARE_WORD, check.password),
)

KINDS: Final = tuple(dict.fromkeys(form.kind for form in FORMS))
"""Every kind, in the order in which they win."""
