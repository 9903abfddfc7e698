"""JSON text of which only the beginning is there, read as far as it goes. Pure."""

from __future__ import annotations

import re
from typing import TypeAlias

from proxy import jsonio
from proxy.jsonio import InvalidJson
from proxy.model.record import Json

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|"(?:[^"\\]|\\.)*\\?\Z|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
# An escape that was cut, and the first half of a pair whose second one was.
_CUT_ESCAPE = re.compile(r"(?:\\u[dD][89abAB][0-9a-fA-F]{2})?(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")
_Open: TypeAlias = "tuple[str, _Open] | None"
"""The ends of what is open, the innermost first."""


def cut_short(raw: bytes) -> Json:
    """The value of a JSON document, or of the beginning of one: what is cut in two (but for a string) is left out,
    and what is open is closed. None where nothing of it can be read."""
    text = raw.decode("utf-8", "ignore").strip()
    for candidate in (text, *_closed(text)):
        try:
            return jsonio.loads(candidate.encode())
        except InvalidJson:
            continue
    return None


def _closed(text: str) -> tuple[str, ...]:
    """The text with an open string at its end kept, and without what was cut there; both closed."""
    open_: _Open = None
    safe, safe_open = 0, open_  # up to here, with these ends, it is whole
    before = ""
    kept: tuple[str, ...] = ()
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in "{[":
            open_ = ("}" if token == "{" else "]", open_)
            safe, safe_open = found.end(), open_
        elif token in "}]":
            open_ = open_[1] if open_ is not None else None
            safe, safe_open = found.end(), open_
        elif token == ",":
            safe, safe_open = found.start(), open_
        elif token[0] == '"' and found.end() == len(text) and open_ is not None:
            is_value = before == ":" or (before in "[," and open_[0] == "]")
            if is_value:
                kept = (_CUT_ESCAPE.sub("", text) + '"' + _ends(open_),)
        before = token
    return (*kept, text[:safe] + _ends(safe_open))


def _ends(open_: _Open) -> str:
    ends: list[str] = []
    while open_ is not None:
        ends.append(open_[0])
        open_ = open_[1]
    return "".join(ends)
