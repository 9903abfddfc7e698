"""What a pattern cannot say of a credential: checksums, encodings, and that a value is no placeholder.

A check is given what stands before the value within its match, and the value. It answers with a score from 0
to 1; 0 is no finding. A checksum that holds makes a finding certain. One that does not hold takes nothing
away but that: a token with one letter wrong is still a leak of all the others.
"""

from __future__ import annotations

import base64
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeAlias
from zlib import crc32

import orjson

Check: TypeAlias = Callable[[str, str], float]

CERTAIN: Final = 1.0
LIKELY: Final = 0.9
BY_CONTEXT: Final = 0.7

_PLACEHOLDER: Final = re.compile(
    r"(?i)x{4}|\*{3}|\.{3}|…|_{4}|-{6}|[<>{}]|\$\(|%\(|placeholder|change[-_ ]?(?:me|it|this)|redacted"
    r"|your[-_ ]|[-_]here\b|insert[-_]|replace[-_ ]?(?:me|with|this)|dummy|goes[-_]here|fake[-_]|not[-_]?a[-_]?real"
)
_SAME_RUN: Final = re.compile(r"([A-Za-z0-9])\1{7}")
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def entropy(text: str) -> float:
    """Shannon's, in bits per character, of the text's own letters."""
    length = len(text)
    return -sum(n / length * math.log2(n / length) for n in Counter(text).values()) if length else 0.0


def is_placeholder(value: str) -> bool:
    """Whether a person wrote it to stand for a secret."""
    return bool(_PLACEHOLDER.search(value) or _SAME_RUN.search(value))


def shaped(before: str, value: str) -> float:
    """For formats that say enough by themselves."""
    return 0.0 if is_placeholder(value) else LIKELY


def random(before: str, value: str) -> float:
    """For a prefix with random letters behind: words in snake case or CSS classes are none."""
    if is_placeholder(value) or entropy(value) < 2.8:
        return 0.0
    return LIKELY if _has_digit(value) and _has_letter(value) else 0.0


def crc_base62(before: str, value: str) -> float:
    """GitHub's and npm's tokens: the last six letters are the CRC-32 of the random part, in base 62.

    https://github.blog/engineering/behind-githubs-new-authentication-token-formats/"""
    score = random(before, value)
    body = value.split("_", 1)[-1]
    return CERTAIN if score and base62(crc32(body[:-6].encode())) == body[-6:] else score


def base62(number: int) -> str:
    """Six digits, zeros first."""
    digits = ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


def jwt(before: str, value: str) -> float:
    """RFC 7519: the header and, unless encrypted, the claims are JSON objects in base64url."""
    parts = value.split(".")
    header = _object(parts[0])
    if header is None or not ({"alg", "enc", "typ"} & header.keys()):
        return 0.0
    return CERTAIN if len(parts) == 5 or _object(parts[1]) is not None else 0.0


def _object(part: str) -> dict[str, object] | None:
    try:
        value = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:  # binascii's and orjson's errors are such
        return None
    return dict(value) if isinstance(value, dict) else None


def discord(before: str, value: str) -> float:
    """The first part is the bot's number, in base64."""
    part = value.split(".")[0]
    try:
        number = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return 0.0
    return CERTAIN if number.isdigit() else 0.0


def basic(before: str, value: str) -> float:
    """RFC 7617: a name, a colon and a password, in base64."""
    try:
        pair = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except ValueError:
        return 0.0
    return LIKELY if b":" in pair.strip(b":") and all(0x20 <= byte != 0x7F for byte in pair) else 0.0


_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def age(before: str, value: str) -> float:
    """BIP 173's checksum, as age uses it (https://age-encryption.org/v1)."""
    name, _, data = value.lower().rpartition("1")
    values = [ord(char) >> 5 for char in name] + [0] + [ord(char) & 31 for char in name]
    state = 1
    for item in values + [_BECH32.index(char) for char in data]:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ item
        for bit, factor in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= factor if top >> bit & 1 else 0
    return CERTAIN if state == 1 else LIKELY


def key_block(before: str, value: str) -> float:
    """A private key's first line alone is talk about keys; with letters of a key behind it, it is one."""
    lines = _KEY_LINE.findall(_KEY_HEADER.sub("", value))
    return CERTAIN if lines and not any(_SAME_RUN.match(line) for line in lines) else 0.0


_KEY_HEADER: Final = re.compile(r"-----[A-Z0-9 ]+-----|[A-Z][A-Za-z-]{2,20}: [^\n\\]{1,120}")
_KEY_LINE: Final = re.compile("[A-Za-z0-9+/]{16,}")


def url_password(before: str, value: str) -> float:
    """The password in a URL; any that is no obvious stand-in."""
    return 0.0 if is_placeholder(value) or _STAND_IN.fullmatch(value) else LIKELY


_STAND_IN: Final = re.compile(
    r"(?i)(?:my|the|your|user|db|some|a|test|example|db_?user)?[-_]?"
    r"(?:pass|passwd|password|pw|pwd|secret|token|api[-_]?key|key|credentials?|passphrase|string|none|null|true"
    r"|false|undefined|required|optional|example|test)[-_]?\d{0,3}|[\[:$].*|%[a-z].*"
)
_UUID: Final = re.compile(r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
# Names, calls, paths, addresses, variables, versions, dates, counts: what code writes behind such a key.
_CODE: Final = re.compile(
    r"(?i)[a-z_]+\d*[a-z_]*(?:[.!?]+[a-z_]+\d*[a-z_]*)+|[\w.]+[(\[].*|\.{0,2}/.*/.*|[a-z]:\\.*|[a-z][a-z0-9+.-]*://.*|[$%&].*"
    r"|\d{4}-\d\d-\d\d.*|v?\d+(?:[.,]\d+)*|_*[A-Za-z]+(?:[_-][A-Za-z]+)*\d?|arn:.*|sha\d+[-:].*|[a-z]+:[a-z/].*"
    r"|\$[0-9a-z]+\$.*|.*(?:===|!==|&&|\|\||=>|->).*"
)
_NO_SECRET_NAME: Final = re.compile(
    r"(?i)(?:hash|count|type|url|uri|name|path|file|dir|len|length|size|limit|expir\w*|ttl|age|izer\w*|ized|izing"
    r"|ization|policy|reset|field|header|pattern|regex|prefix|version|usage|arn|id|ids|scope|scopes|endpoint|hint"
    r"|label|placeholder|rotation|digest|checksum|algorithm|created|updated|at|public|sha\d*|md5)$"
)
_NAME_END: Final = re.compile(r"[\s\"'`\]:=>\\]+$")


def assigned(before: str, value: str) -> float:
    """A value given to a name such as `api_key`: random enough, and not code, a path, a UUID or a word."""
    # The cheap questions first: a text made of names and values must not keep the others waiting.
    if len(value) < 16 or not _has_letter(value) or not _has_digit(value) or not _named(before):
        return 0.0
    if entropy(value) < 3.0 or _UUID.fullmatch(value) or is_placeholder(value) or _plain(value):
        return 0.0
    return BY_CONTEXT


def bearer(before: str, value: str) -> float:
    """RFC 6750: what stands behind the word in a header. (A JWT that does not decode may be cut short.)"""
    return BY_CONTEXT if random(before, value) and not _plain(value) and entropy(value) >= 3.0 else 0.0


def password(before: str, value: str) -> float:
    """A value given to a name such as `password`: no word, no code; short ones need more than one kind of
    character."""
    kinds = sum(bool(kind.search(value)) for kind in _KINDS_OF_CHARACTER)
    if kinds < 2 or not _named(before) or entropy(value) < 2.0 or is_placeholder(value) or _plain(value):
        return 0.0
    return BY_CONTEXT


_KINDS_OF_CHARACTER: Final = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9]", r"[^\w\s]")))


def _named(before: str) -> bool:
    return not _NO_SECRET_NAME.search(_NAME_END.sub("", before))


def _plain(value: str) -> bool:
    return bool(_CODE.fullmatch(value) or _STAND_IN.fullmatch(value))


_DIGIT: Final = re.compile("[0-9]")
_LETTER: Final = re.compile("[A-Za-z]")


def _has_digit(text: str) -> bool:
    return bool(_DIGIT.search(text))


def _has_letter(text: str) -> bool:
    return bool(_LETTER.search(text))
