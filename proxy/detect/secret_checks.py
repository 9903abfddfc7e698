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
from hashlib import sha256
from typing import Final, TypeAlias
from zlib import crc32

import orjson

from proxy.detect import secret_words

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


def entropic(before: str, value: str) -> float:
    """For formats that hold any sign."""
    return LIKELY if entropy(value) >= 3.5 else 0.0


def random(before: str, value: str) -> float:
    """For a prefix with random letters behind: words in snake case or CSS classes are none."""
    if is_placeholder(value) or entropy(value) < 2.8:
        return 0.0
    return LIKELY if secret_words.is_mixed(value) or _LONG_RUN.search(value) else 0.0


_LONG_RUN: Final = re.compile("(?=.*[a-z].*[A-Z].*[a-z].*[A-Z])[A-Za-z]{30}")


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


_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(before: str, value: str) -> float:
    """A Bitcoin key in wallet import format: a version, 32 bytes, and the head of their double SHA-256
    (https://en.bitcoin.it/wiki/Wallet_import_format)."""
    number = 0
    for char in value:
        number = number * 58 + _BASE58.index(char)
    raw = number.to_bytes(40, "big").lstrip(b"\0")
    digest = sha256(sha256(raw[:-4]).digest()).digest()
    return CERTAIN if raw[:1] in (b"\x80", b"\xef") and digest[:4] == raw[-4:] else 0.0


def key_number(before: str, value: str) -> float:
    """RFC 7517: the private or symmetric part of a JSON web key."""
    return random(before, value) if entropy(value) >= 3.5 else 0.0


def seed_phrase(before: str, value: str) -> float:
    """BIP 39: words of a list that holds none of these."""
    return BY_CONTEXT if _SENTENCE.isdisjoint(value.split()) else 0.0


_SENTENCE: Final = frozenset(
    ["the", "and", "for", "with", "your", "are", "has", "was", "from", "because", "whoever", "can", "its"]
)

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


def encoded_key_block(before: str, value: str) -> float:
    """The base64 of a private key's block; that of a certificate is none."""
    start = value.rstrip("=")[:120]
    return CERTAIN if b"PRIVATE KEY" in base64.b64decode(start[: len(start) // 4 * 4]) else 0.0


_KEY_HEADER: Final = re.compile(r"-----[A-Za-z0-9 ]+-----|[A-Z][A-Za-z-]{2,20}: [^\n\\]{1,120}")
_KEY_LINE: Final = re.compile("[A-Za-z0-9+/]{16,}")


def url_password(before: str, value: str) -> float:
    """The password in a URL; any that is no obvious stand-in."""
    return 0.0 if is_placeholder(value) or secret_words.is_stand_in(value) else LIKELY


def kept(before: str, value: str) -> float:
    """A password in a file of passwords: any that is no word."""
    plain = is_placeholder(value) or secret_words.is_plain(value, quoted=False)
    return 0.0 if plain or secret_words.kinds_of_character(value) < 2 else BY_CONTEXT


def assigned(before: str, value: str) -> float:
    """A value given to a name such as `api_key`: random enough, and not code, a path or a word. A UUID counts
    where the name leaves no doubt."""
    # The cheap questions first: a text made of names and values must not keep the others waiting.
    if len(value) < 16 or not secret_words.is_mixed(value) or entropy(value) < 3.0:
        return 0.0
    name = secret_words.name_in(before)
    if not name.is_secret or is_placeholder(value) or secret_words.is_plain(value, quoted=name.quoted):
        return 0.0
    if secret_words.is_uuid(value) and not name.leaves_no_doubt:
        return 0.0
    if name.is_any_key and not name.leaves_no_doubt and not secret_words.is_no_digest(value):
        return 0.0
    return 0.0 if name.is_said and secret_words.reads_as_words(value) else BY_CONTEXT


def bearer(before: str, value: str) -> float:
    """RFC 6750: what stands behind the word in a header. (A JWT that does not decode may be cut short.)"""
    plain = secret_words.is_plain(value, quoted=False)
    return BY_CONTEXT if random(before, value) and not plain and entropy(value) >= 3.0 else 0.0


def password(before: str, value: str) -> float:
    """A value given to a name such as `password`: no word, no code; short ones need more than one kind of
    character. What a sentence gives needs a digit or a sign within."""
    if before.endswith("*"):  # emphasis
        value = value.rstrip("*")
    if entropy(value) < 2.0 or is_placeholder(value):
        return 0.0
    name = secret_words.name_in(before)
    if not name.is_secret or secret_words.is_plain(value, quoted=name.quoted):
        return 0.0
    if name.is_said:
        return BY_CONTEXT if secret_words.is_said_password(value, beside=name.is_beside) else 0.0
    return BY_CONTEXT if secret_words.kinds_of_character(value) >= 2 else 0.0


def foreign_password(before: str, value: str) -> float:
    """As `password`, behind the word in a script that patterns do not know."""
    said = secret_words.is_foreign_password(before, value) and not is_placeholder(value)
    plain = secret_words.is_plain(value, quoted=False)
    return BY_CONTEXT if said and not plain and secret_words.is_said_password(value, beside=False) else 0.0
