"""Server-sent events as bytes: cut a byte stream into frames that keep their bytes.

Source: WHATWG HTML, section 9.2 "Server-sent events". Lines end with LF, CRLF or CR; a blank line ends an
event; one leading BOM is skipped; `data:` may lack its space and may stand several times.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """One event with everything up to and including its blank line."""

    raw: bytes
    event: str | None = None
    data: bytes | None = None  # the data lines joined by LF; None where there was none (a comment)
    id_seen: bool = False  # an `id:` field stands in it
