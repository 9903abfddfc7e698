"""Why the log cannot be written, in a word for metrics and in words for people."""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass
from typing import Final

from proxy.log.encode import Damaged
from proxy.log.seal import StoreUnusable


@dataclass(frozen=True, slots=True)
class Fault:
    """Why writing fails: a word of a closed set for metrics, and words for people."""

    reason: str
    text: str
    way: tuple[str, ...] = ()  # through the code, of a mistake of ours


def reason_of(error: Exception) -> str:
    """A word of a closed set."""
    if isinstance(error, StoreUnusable):
        return "unusable"
    if isinstance(error, Damaged):
        return "corrupt"
    if isinstance(error, sqlite3.Error):
        # Errors of the Python module itself (a closed connection) carry no name.
        name = getattr(error, "sqlite_errorname", "")
        for word, reason in _REASONS:
            if word in name:
                return reason
        return "io"
    if isinstance(error, OSError):
        return _BY_NUMBER.get(error.errno or 0, "io")
    return "bug"


_REASONS: Final = (
    ("FULL", "full"),
    ("BUSY", "locked"),
    ("LOCKED", "locked"),
    ("READONLY", "readonly"),
    ("CANTOPEN", "readonly"),
    ("PERM", "readonly"),
    ("CORRUPT", "corrupt"),
    ("NOTADB", "corrupt"),
)
_BY_NUMBER: Final = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EFBIG: "full",
    errno.EACCES: "readonly",
    errno.EPERM: "readonly",
    errno.EROFS: "readonly",
}
