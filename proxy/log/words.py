"""Words of stored text: how a search finds them, and as what the index holds them.

A word is a run of letters and digits, in any case. Scripts that set no spaces (Chinese, Japanese, Thai …) come as
pairs of neighbouring characters, so that any two or more of them in a row are found. The index never holds a word,
only a keyed hash of it: from the file alone nobody reads what was said.
"""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from proxy.log.encode import decode
from proxy.model.record import Json

WORDED_CHARS_MAX: Final = 256 * 1024
"""Of one part so much text is indexed; what is longer is found by its beginning, or read as a whole."""
LONG: Final = "long"
"""The token of such a part: a search looks into each of them."""
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_LETTER: Final = rf"[^\W_{_UNSPACED}]"
_ASCII_APART: Final = dict.fromkeys(set(range(128)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789"), " ")
_RUN: Final = re.compile(rf"([{_UNSPACED}]+)|{_LETTER}+")
_LABELS: Final = frozenset({"role", "type", "id", "tool_call_id", "tool_use_id", "call_id"})
"""Keys whose values are the wire's, not anybody's words."""
_TOKEN_BYTES: Final = 5
_CACHED_MAX: Final = 65_536


def said(content: bytes) -> str:
    """The text that a part's content holds, in one case. Raises Damaged."""
    return "\n".join(_strings(decode(content))).casefold()


class Sought:
    """A word that a search asks for."""

    def __init__(self, word: str) -> None:
        self.word = word.casefold()
        before = rf"(?<!{_LETTER})" if re.match(_LETTER, self.word) else ""
        after = rf"(?!{_LETTER})" if re.match(_LETTER, self.word[-1:]) else ""
        self._pattern = re.compile(f"{before}{re.escape(self.word)}{after}")

    def stands_in(self, text: str) -> bool:
        """Whether it is in a text that `said` gave."""
        return self._pattern.search(text) is not None


class Words:
    """The index's tokens, keyed with the store's key."""

    def __init__(self, store_key: bytes) -> None:
        self._key = store_key
        self._known: dict[str, str] = {}

    def of_part(self, content: bytes) -> str:
        """What is indexed of a part. Raises Damaged."""
        whole = said(content)
        text = whole[:WORDED_CHARS_MAX]
        pieces = set(text.translate(_ASCII_APART).split() if text.isascii() else _pieces(text, alone=True))
        known = self._known
        tokens = [known.get(piece) or self._token(piece) for piece in pieces]
        if len(whole) > WORDED_CHARS_MAX:
            tokens.append(LONG)
        return " ".join(tokens)

    def asked(self, sought: Sought) -> str | None:
        """The query that finds the parts that may hold the word; None where the index cannot tell."""
        tokens = {self._token(piece) for piece in _pieces(sought.word, alone=False)}
        if not tokens:
            return None
        every = " AND ".join(f'"{token}"' for token in sorted(tokens))
        return f'({every}) OR "{LONG}"'

    def _token(self, piece: str) -> str:
        known = self._known.get(piece)
        if known is None:
            text = piece.encode("utf-8", "surrogatepass")
            hashed = blake2b(
                text, digest_size=_TOKEN_BYTES, key=self._key, person=b"guardrail.words"
            ).digest()
            if len(self._known) >= _CACHED_MAX:
                self._known.clear()
            known = self._known[piece] = b32encode(hashed).decode().lower()
        return known


def _pieces(text: str, *, alone: bool) -> Iterator[str]:
    """Words and pairs; with `alone` also a character of an unspaced script that stands by itself."""
    for match in _RUN.finditer(text):
        run = match[0]
        if match[1] is None or (alone and len(run) == 1):
            yield run
        else:
            for at in range(len(run) - 1):
                yield run[at : at + 2]


def _strings(value: Json) -> Iterator[str]:
    stack: list[Json] = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            stack.extend(child for key, child in node.items() if key not in _LABELS)
        elif isinstance(node, list):
            stack.extend(node)
