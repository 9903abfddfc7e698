"""What a string, a key or a number holds when it is no text: the words, ids and figures of APIs.

What is plain in this sense is not judged, wherever a wire expects such: a name could at most be a word, and judging
every id as a text would cost more than the reply's own. So a name with the digits of a card is none.
"""

from __future__ import annotations

import re

from proxy.model.record import Json

NAME_CHARS_MAX = 64
"""Up to this length a string can be a name of the wire's."""

NUMBER_MAX = 100_000_000
"""From here on a number has the digits of a telephone number."""

_NAME = re.compile(r"[\w.:/-]*", re.ASCII)
_DIGITS = re.compile(r"[0-9](?:[.:/_-]*[0-9]){8,}")
_CAPITALS = re.compile(r"(?<![A-Za-z0-9])(?=[A-Z]*[0-9])[A-Z0-9]{12,}(?![A-Za-z0-9])")  # accounts, keys
_MAY_BE_OWNED = re.compile(r"[0-9](?:[.:/_-]*[0-9]){8}|[A-Z0-9]{12}")  # a quick look for both
_WORD = re.compile(r"[a-z_]{1,64}")  # as nearly all are
_UUID = re.compile(r"(?![0-9-]{15})[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[089ab][0-9a-f]{3}-[0-9a-f]{12}")
_SECONDS = re.compile(r"1[0-9]{9}")
# In any of the ways in which names are written; or the number of an entry or a token.
_KEY = re.compile(
    r"(?![^0-9]*(?:[0-9][^0-9]*){5})(?!.*[A-Z0-9]{12})[A-Za-z_$][\w.:/$-]{0,63}|[0-9]{1,8}", re.ASCII
)
_TIMES = (10**9, 10**12, 10**15, 10**18)  # seconds of these days, thousandths of them, and so on
_PADDING = re.compile(r"(?!.*(?:[0-9]{5}|[a-z]{5}|[A-Z]{5}|[A-Z0-9]{10}|[a-z0-9]{10}))[A-Za-z0-9]{0,32}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]+")
_EXACT_MAX = 1e25  # beyond it a float's digits are none of anyone's


def is_name(value: str) -> bool:
    """Whether it can be an id, a type, a model's name: no blank, and no digits in a row as cards, telephone numbers
    or accounts have them."""
    if len(value) > NAME_CHARS_MAX or _NAME.fullmatch(value) is None:
        return False
    if _MAY_BE_OWNED.search(value) is None:
        return True
    rest = _UUID.sub("", value)
    runs = _DIGITS.findall(rest)
    return _CAPITALS.search(rest) is None and all(map(_SECONDS.fullmatch, runs))


def is_key(key: str) -> bool:
    """Whether a key is a word as APIs name things, or a short number."""
    return _WORD.fullmatch(key) is not None or _KEY.fullmatch(key) is not None


def is_figure(value: Json) -> bool:
    """Whether a value is a count, a measure or a time of these days; True for truth values and null."""
    if not isinstance(value, int | float):
        return value is None
    if -NUMBER_MAX < value < NUMBER_MAX or _TIMES[0] <= value < 2 * _TIMES[0]:
        return True
    return any(unit <= value < 2 * unit for unit in _TIMES)


def is_padding(value: Json) -> bool:
    """Whether `obfuscation` is what the API fills its frames with: a few letters and digits at random, no word."""
    return isinstance(value, str) and _PADDING.fullmatch(value) is not None


def is_base64(value: str) -> bool:
    """Whether it has base64's letters only, of either alphabet."""
    return _BASE64.fullmatch(value) is not None


def digits_of(number: Json) -> str:
    """A number as a reader writes it, without an exponent as far as that makes sense."""
    if isinstance(number, float) and number.is_integer() and abs(number) < _EXACT_MAX:
        return str(int(number))
    return str(number)
