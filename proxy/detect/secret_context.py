"""Patterns of credentials that their place tells: behind a name, in a URL, in a file of known form.

The one group of each is the value; the rest is context. A value holds no blank, so that a stream holds back a
value at most, never the words before it.
"""

from __future__ import annotations

from typing import Final

from proxy.detect.secret_words import PASSWORD_IN_OTHER_TONGUES

BLANKS: Final = r"[ \t]{0,4}"
QUOTE: Final = r"""\\{0,3}["'`]"""
_CLOSE: Final = r"""(?:\\{0,3}["'`]|[*)\]]){0,3}"""  # what may end a name: quotes, emphasis, brackets
_OPEN: Final = r"""(?:\\{0,3}["'`]|\*|!![a-z]{1,8} ){0,4}"""
_WORDS: Final = r"(?:[ \t][\w@'./()-]{1,20}){0,5}"
_SIGN: Final = r"(?:[:=]{1,2}>?|[=-]>|\|{1,2}[ \t])"
_VERB: Final = r"(?i:is|was|are|be|to|ist|lautet|war|est|es|e|era|jest|on|er|ar|=)"

GIVEN: Final = rf"{_CLOSE}{BLANKS}{_SIGN}{BLANKS}"
"""Between a name and its value in code and settings."""

_ASSIGNED: Final = rf"{_CLOSE}(?:{_WORDS}{_CLOSE})?{BLANKS}{_SIGN}{BLANKS}(?:[|>]-?\n[ \t]{{1,12}})?{_OPEN}"
_TOLD: Final = rf"{_CLOSE}{_WORDS}[ \t]{_VERB}(?: (?i:now|still))?:?[ \t]{_OPEN}"
_BESIDE: Final = rf"{_CLOSE}[ \t]{_OPEN}"
_ARGUMENT: Final = rf"{QUOTE}{BLANKS},{BLANKS}"

_ARGUMENTS: Final = r"(?:[ \t][^\s|;]+){0,8}"

# An entry of a list that has the value beside the name: Kubernetes' env, Terraform's variables, app.config.
_ENTRY: Final = (
    rf"{_CLOSE}[ ]?[,{{]?\s{{1,12}}(?:(?:type|description|sensitive)[^\n]{{0,80}}\n\s{{0,8}}){{0,3}}"
    rf"(?:{QUOTE})?(?i:value|default)(?:{QUOTE})?[ ]{{0,4}}[:=][ ]{{0,4}}{_OPEN}"
)

SECRET_NAME: Final = (
    r"(?i:api[_. -]?(?:key|secret|token)|access[_. -]?(?:key|token)|secret|token|credentials?|license[_. -]?key"
    r"|(?:auth|private|signing|encryption|master|account|app|application|service|webhook|storage|session|shared"
    r"|preshared|admin|server|client|deploy|write|read|subscription|consumer|integration|ingest|merchant|project"
    r"|function|primary|secondary|user|personal|security|hmac|aes|jwt|root|unseal|recovery|ssl|tls|ssh"
    r"|rest)[_. -]?key|[_-]key|\bkey)[A-Za-z0-9_-]{0,24}"
)
# The Russian word, as ASCII: what no reader of patterns knows stands as a question mark.
PASSWORD_NAME: Final = (
    r"(?i:(?:passw(?:or)?[dt]|passord|passwd|passphrase|passcode|pwd|napo\?b"
    rf"|{PASSWORD_IN_OTHER_TONGUES})[A-Za-z0-9_-]{{0,24}}|(?:\b|_|db)(?:pass|pw|mdp)[0-9]?)"
)

_QUOTED: Final = rf"""{QUOTE}([^\s"'`\\]{{6,512}})["'`\\]"""
# No value holds what stands before another: names in a row would be read again and again.
_BARE: Final = r"""([^\s"'`\\,;<>(){}\[\]:=|*]{5,511}[^\s"'`\\,;<>(){}\[\].:=|*]={0,2})"""
_BARE_WORD: Final = r"""([^\s"'`\\,;<>(){}\[\]]{5,127}[^\s"'`\\,;<>(){}\[\].:])"""


def assigned(name: str, bare: str) -> tuple[str, ...]:
    """The ways in which a value is given to a name."""
    return (
        rf"{name}{_ASSIGNED}{_QUOTED}",
        rf"{name}{_ASSIGNED}{bare}",
        rf"{name}{_TOLD}{bare}",
        rf"{name}{_BESIDE}{bare}",
        rf"{name}(?:{_ARGUMENT}|\(){_QUOTED}",
        rf"{name}(?: [^<>\n]{{0,16}})?>([^<>\s]{{6,512}})</",
        rf"{name}{_ENTRY}{bare}",
    )


SECRETS: Final = assigned(SECRET_NAME, _BARE)
PASSWORDS: Final = (
    *assigned(PASSWORD_NAME, _BARE_WORD),
    # On a command line, in a netrc, behind a name: `mysql -pX`, `login joe password X`, `admin / X`.
    rf"(?i:mysql|mysqldump|mysqladmin|mariadb|sshpass){_ARGUMENTS} -p ?{_OPEN}{_BARE_WORD}",
    rf"(?i:curl|wget|http){_ARGUMENTS} (?:-u|--user)[ =]{_OPEN}[^\s:'\"]{{1,64}}:{_BARE_WORD}",
    rf"(?i:credentials|creds|log ?in|sign ?in|username|user)(?:{_CLOSE}{_WORDS}{BLANKS}[:=]|[ \t]with|[ \t]as)"
    rf"[ \t]{_OPEN}[\w.@+-]{{2,40}}{_CLOSE} ?[/:] ?{_OPEN}{_BARE_WORD}",
)
# In scripts that patterns do not know: two of their letters, and what may give a value. The check reads the word.
# It asks for ASCII behind that: text without a blank would be one long value else, held back and read for each
# letter.
PASSWORD_IN_OTHER_SCRIPTS: Final = (
    rf"\?\?{BLANKS}(?:[:=]|\?){BLANKS}{_OPEN}"
    r"""([^\s"'`\\,;<>(){}\[\]?][^\s"'`\\,;<>(){}\[\]]{4,126}[^\s"'`\\,;<>(){}\[\].:])"""
)
DATABASE: Final = rf"(?i:identified by|requirepass|masterauth)[ \t]{{1,4}}{_OPEN}{_BARE_WORD}"
NETRC: Final = r"login[ \t\n]{1,8}\S{1,64}[ \t\n]{1,8}password[ \t\n]{1,8}(\S{4,128})"
PGPASS: Final = r"[\w.*-]{1,60}:(?:[0-9]{4,5}|\*):[\w*-]{1,40}:[\w*-]{1,40}:([^\s:]{6,128})"
PASSWORD_HASH: Final = (
    r"[a-z_][\w.-]{0,31}:"
    r"(\$(?:apr1|2[aby]|[1567y]|argon2id?|scrypt)\$[\w./$,=+-]{20,200}|\{(?:SHA|SSHA)\}[A-Za-z0-9+/]{27,60}={0,2})"
)

SCHEMES: Final = (
    r"(?i:postgres(?:ql)?|mysql|mariadb|mongodb|redis|rediss|amqps?|mssql|sqlserver|oracle|cockroachdb|clickhouse"
    r"|snowflake|cassandra|neo4j|bolt|ldaps?|nats|mqtts?|kafka|couchbase)(?i:\+[a-z0-9]{1,12})?"
)
PASSWORD_IN_URL: Final = (
    r"""://[^\s:/@"'<>,]{0,100}:([^\s/@"'<>,]{3,200}(?:@[^\s/@"'<>:.]{1,60})?)@[\w.\[-]"""
)
ORACLE: Final = r"(?i:jdbc:oracle:thin:|sqlplus )[\w$#-]{1,60}/([^\s/@\"'<>]{3,100})@"

_WORD: Final = "[a-z]{3,8}"
SEED_PHRASE: Final = (
    r"(?i:mnemonic|(?:seed|recovery|backup|wallet)[_ ](?:phrase|words|seed|mnemonic))"
    rf"{_CLOSE}{BLANKS}(?:[:=]| is){BLANKS}{_OPEN}\n{{0,2}}"
    rf"({_WORD}(?: {_WORD}){{11}}(?:(?: {_WORD}){{3}}){{0,4}})"
)
SESSION_COOKIE: Final = (
    r"(?i:cookie)[\"']?[:=]? ?[\"']?(?:[^\s;]+; ?){0,12}"
    r"(?i:[a-z_.-]{0,12}sess(?:ion)?[_.-]?(?:id|token)?|connect\.sid|sid|auth[_-]?token|remember[_-]?token|_gitlab_session|\.aspxauth"
    r"|laravel_session)=([\w.%~+/=-]{16,500})"
)
