"""What tells a secret behind a name from a word, from code, and from talk about secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_STAND_IN: Final = re.compile(
    r"(?i)(?:my|the|your|user|db|some|a|test|example|db_?user)?[-_]?"
    r"(?:pass|passwd|password|pw|pwd|secret|token|api[-_]?key|key|credentials?|passphrase|string|none|null|true"
    r"|false|undefined|required|optional|example|test)[-_]?\d{0,3}"
    r"|[\[:].*|\$\w+|\$[{(].*|%[a-z]|%[({].*|%\w+%|@\w+@"
)
_UUID: Final = re.compile(r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
# Words, paths, addresses, variables, versions, dates, counts, hashes.
_PLAIN: Final = re.compile(
    r"(?i)\.{0,2}/.*/.*[^=]|[a-z]:\\.*|[a-z][a-z0-9+.-]*://.*|[$%&][a-z_{(].*[)}%]|\$[a-z_]\w*"
    r"|\d{4}-\d\d-\d\d.*|v?\d+(?:[.,]\d+)+|v?\d{1,5}"
    r"|_*[a-z]+\d?(?:[_-](?:[a-z]+\d?|\d{1,2}))*|_*[a-z]+(?:_[a-z]+)*=\w*|(?:%-?[a-z][-/:T ,.]?)+"
    r"|arn:.*|sha\d+[-:].*|[a-z]+:[a-z/].*"
    r"|\$[0-9a-z]+\$.*"
)
_ADDRESS: Final = re.compile("0x[0-9a-fA-F]{40}")  # of an Ethereum account or contract
# Calls, members and operators: what code writes without quotes behind such a name.
_CODE: Final = re.compile(
    r"(?i)[a-z_]+\d*[a-z_]*(?:[.!?]+[a-z_]+\d*[a-z_]*)+|[\w.]+[(\[].*|.*(?:===|!==|&&|\|\||=>|->|::).*|&\w+.*"
)


def is_mixed(value: str) -> bool:
    """Whether it has letters and digits or, like one random text in some, no digit but capitals all over."""
    return bool(_LETTER.search(value)) and (bool(_DIGIT.search(value)) or is_scrambled(value))


def is_scrambled(value: str) -> bool:
    """Whether its case changes as no words in camel case do."""
    letters = _NO_LETTERS.sub("", value)
    size, capitals = len(letters), len(_CAPITAL.findall(letters))
    return size >= 10 and 0.3 * size <= capitals <= 0.7 * size and len(_TURN.findall(letters)) >= 0.34 * size


_LETTER: Final = re.compile("[A-Za-z]")
_DIGIT: Final = re.compile("[0-9]")
_CAPITAL: Final = re.compile("[A-Z]")
_NO_LETTERS: Final = re.compile("[^A-Za-z]+")
_TURN: Final = re.compile("[a-z](?=[A-Z])|[A-Z](?=[a-z])")


def is_stand_in(value: str) -> bool:
    """Whether it stands for a secret: `password`, `$VARIABLE`."""
    return bool(_STAND_IN.fullmatch(value))


def is_plain(value: str, *, quoted: bool) -> bool:
    """Whether it is a word, a path, code or a stand-in. In quotes there is no code."""
    if (
        is_stand_in(value)
        or _ADDRESS.fullmatch(value)
        or (_PLAIN.fullmatch(value) and not is_scrambled(value))
    ):
        return True
    return not quoted and bool(_CODE.fullmatch(value))


def is_uuid(value: str) -> bool:
    return bool(_UUID.fullmatch(value))


PASSWORD_IN_OTHER_TONGUES: Final = (
    "kennwort|mot de passe|contrasena|senha|parola|haslo|heslo|jelszo|lozinka|sifre|wachtwoord|losenord|adgangskode"
    "|salasana"
)
"""Without accents, as the Latin view shows them. (German's and the Scandinavian ones begin like the English.)"""

_NAME: Final = re.compile(
    r"(?i)key|token|secret|credentials?|pass(?:w(?:or)?d|phrase|code|wort|ord)?|pwd|\bpw|mdp|login|log in|sign in"
    rf"|creds|user|napo[^a-z]b|{PASSWORD_IN_OTHER_TONGUES}"
)
_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_NO_SECRET: Final = re.compile(
    "hash(?:es|ed)?|count|types?|ur[li]|names?|path|files?|dir(?:ectory)?|len(?:gth)?|size|limits?|ttl|age|expir(?:es|y|ed?|ation)"
    "|izer|polic(?:y|ies)|reset|field|header|pattern|regex|prefix|suffix|version|usage|arn|ids?|scopes?|endpoint|hint|label"
    "|placeholder|rotation|digest|checksum|algorithm|created|updated|at|public|sha|md|index|timeout|rules|requirements|strength"
    "|manager|format|example|column|min(?:imum)?|max(?:imum)?|bits|characters|encoding|fingerprint|thumbprint|budget|ring|board|words"
)
_NO_SECRET_BEFORE: Final = re.compile(
    "(?i)public|primary|foreign|cache|sort|partition|object|idempotency|dedup|hash|index|publishable|pub|page|next|max|cursor"
    "|continuation|site|captcha|vapid|num|min|total|completion|prompt|input|output|row|map|dict|image|data|translation|i18n"
)
_IN_NO_DOUBT: Final = re.compile(
    r"(?i)api[_. -]?(?:key|token|secret)|secret|(?:access|auth|bearer|refresh|server)[_. -]?token|[a-z0-9][_-]token"
    r"|(?-i:[a-z]Token)|private[_. -]?key"
    "|heroku|snyk|postmark|squarespace|kucoin|sendbird|messagebird|railway|consul|nomad|vault|hubspot|datadog|pagerduty|okta"
    "|auth0|cloudflare|algolia|zendesk|intercom|segment|mixpanel|amplitude|fastly|linode|vultr|hetzner|ovh|paypal|coinbase"
    "|binance|infura|alchemy|etherscan|trello|jira|twilio|azure|kraken|twitter|twitch|cohere|mistral|together|codecov|travis"
    "|firebase|vercel|alibaba|tencent|linkedin|stripe|openai|anthropic|deepgram|assemblyai|wandb|gitea|sumologic|logdna|splunk"
)
"""Names whose values are credentials even where they look like ids; with them, issuers of such credentials."""
_TELLING: Final = re.compile(
    r"(?i)(?:api|access|secret|auth|private|signing|encryption|master|account|app|application|service|webhook|storage"
    r"|session|shared|admin|server|client|deploy|write|read|subscription|consumer|integration|ingest|merchant|project"
    r"|function|primary|secondary|user|personal|security|hmac|aes|jwt|root|unseal|recovery|ssl|tls|ssh|rest|license"
    r"|(?-i:[A-Z0-9]_))[_. -]?\Z"
)
_ACCOUNT: Final = re.compile(r":\d{12}:\Z")  # Amazon's names of resources
_HEX: Final = re.compile("(?:0x)?[0-9a-fA-F]+")
_FOREIGN: Final = re.compile(
    r"(?:密码|密碼|口令|パスワード|暗証番号|비밀번호|암호|كلمة المرور|كلمة السر|סיסמה|รหัสผ่าน)"
    r"\s*(?:[:=]|是|为|為|は|는|:)?[\s\"'`*]*\Z"
)
_ABOUT: Final = re.compile(r"(?:type|description|sensitive)\b[^\n]*\n")  # what else is said of a variable
_WORD_BEFORE: Final = re.compile(r"([A-Za-z0-9]+)[_. -]?\Z")
_SIGN: Final = re.compile(r"[:=|<>]")
_QUOTE_END: Final = re.compile(r"[\"'`]\Z")


@dataclass(frozen=True, slots=True)
class Name:
    """What stands before a value: a name, and how the value is given to it."""

    is_secret: bool
    """Whether it names a secret itself, not its length, file, hash."""
    is_said: bool
    """Whether a sentence gives the value, not a sign right behind the name."""
    is_beside: bool
    """Whether the value stands right behind the name."""
    leaves_no_doubt: bool
    is_any_key: bool
    """Whether it says no more than `key`: tables, caches and maps have such."""
    quoted: bool


def name_in(before: str) -> Name:
    """The last name of a secret in the text before a value, with a few characters of what precedes it."""
    at = end = len(before)
    for found in _NAME.finditer(before):
        at, end = found.span()
    parts = [part.lower() for part in _PART.findall(_ABOUT.sub("", before[at:]))]
    word = _WORD_BEFORE.search(before[:at])
    left = _PART.findall(word[1])[-2:] if word else []
    is_secret = not any(map(_NO_SECRET.fullmatch, parts)) and not any(map(_NO_SECRET_BEFORE.fullmatch, left))
    is_secret = is_secret and not _ACCOUNT.search(before[:at])
    given = before[end:]
    signed = _SIGN.search(given)
    return Name(
        is_secret=is_secret,
        is_said=signed is None or " " in given[: signed.start()].rstrip(),
        is_beside=not any(char.isalnum() or char in ":=|<>" for char in given),
        leaves_no_doubt=bool(_IN_NO_DOUBT.search(before)),
        is_any_key=before[at:end].lower() == "key" and not _TELLING.search(before[:at]),
        quoted=bool(_QUOTE_END.search(before)),
    )


_KINDS_OF_CHARACTER: Final = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9]", r"[^\w\s]")))
_AROUND: Final = "*_`~"
_SENTENCE_END: Final = "!?.,;:)"
_STRONG_SIGN: Final = re.compile(r"[!@#$%^&*?+=~]")
_TECHNICAL: Final = re.compile(
    r"(?i)(?:sha|md|base|utf|oauth|aes|rsa|https?|ipv|win|windows|python|java|php|v|version|rfc|iso|pbkdf|argon|bcrypt"
    r"|pkcs|ed|es|hs|rs|tls|ssl|wpa|ec|level|step|chapter|page|line|option|rule|type|phase|week|day|part|tier|api|id"
    r"|no|gpt|node|erc|top|web|x|h|c|s)[-_/]?\d{1,4}(?:[-_/.]\w+)*"
    r"|[a-z][a-z0-9._-]*:\d[\w.]*|\d{1,4}(?:[-.,/:x]\d{1,4})*(?:-?[a-z%]+)*|\d+(?:st|nd|rd|th)|\w+\d*/\w+[\w.]*"
)
_WORD_AND_NUMBER: Final = re.compile(r"[A-Za-z]+[-/.]?\d+(?:\.\d+)*")
_WORDS: Final = re.compile(r"(?i)(?:[a-z]+|\d{1,4})(?:[-_./]+(?:[a-z]+|\d{1,4}))*")


def kinds_of_character(value: str) -> int:
    """Of small letters, capitals, digits and signs."""
    return sum(bool(kind.search(value)) for kind in _KINDS_OF_CHARACTER)


def is_no_digest(value: str) -> bool:
    """Whether it is of more than the digits of a hash."""
    return len(value) >= 20 and not _HEX.fullmatch(value) and kinds_of_character(value) >= 3


def is_foreign_password(before: str, value: str) -> bool:
    """Whether the word stands at the end of what is before, in its own script, and letters of ASCII behind it."""
    return bool(_FOREIGN.search(before) and value[:5].isascii())


def reads_as_words(value: str) -> bool:
    """Whether it is words and small numbers, joined: `us-east-1-prod-cluster`."""
    return bool(_WORDS.fullmatch(value)) and not is_scrambled(value)


def is_said_password(value: str, *, beside: bool) -> bool:
    """Whether what a sentence gives as a password is one: `hunter2!`, not `required`, `SHA-256`, `12-character`."""
    core = value.strip(_AROUND).rstrip(_SENTENCE_END)
    if len(core) < 5 or _TECHNICAL.fullmatch(core):
        return False
    digit = any(char.isdigit() for char in core)
    sign = bool(_STRONG_SIGN.search(core)) or (digit and bool(re.search(r"[!?]+\Z", value.strip(_AROUND))))
    letter = any(char.isalpha() for char in core)
    if not beside:
        return (letter and (digit or sign)) or (digit and len(core) >= 6)
    if _WORD_AND_NUMBER.fullmatch(core):
        return sign or len(_DIGIT.findall(core)) >= 3 or is_scrambled(core)
    return letter and digit and (sign or kinds_of_character(core) >= 3)
