"""Spans of time as rule files write them: a whole number and s, m, h or d."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

_DURATION: Final = re.compile(r"(0|[1-9][0-9]{0,8})([smhd])")
_UNIT_S: Final = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86_400})


def duration_s(text: str, least_s: float, most_s: float) -> float:
    """In seconds. Raises ValueError, in words for whoever wrote it."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("is a whole number and s, m, h or d, as `15m`")
    seconds = float(int(found[1]) * _UNIT_S[found[2]])
    if not least_s <= seconds <= most_s:
        raise ValueError(f"is from {span(least_s)} to {span(most_s)}")
    return seconds


def span(seconds: float) -> str:
    """As it is written."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
