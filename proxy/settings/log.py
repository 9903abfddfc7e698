"""The settings `log:`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from proxy.model.level import Outcome
from proxy.model.text import Path as At
from proxy.settings.file import LogFile
from proxy.settings.values import LogSettings
from proxy.yaml_source import nearest

OTHER: Final = "other"
"""In `log.keep`: every outcome that is not named."""
_AGE: Final = re.compile(r"([1-9][0-9]{0,5})([smhdy])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "y": 365 * 86_400}


def resolve_log(file: LogFile, fault: Callable[[At, str], None]) -> LogSettings:
    """The values; what cannot be read is a fault."""
    if file.request_logprobs:
        fault(("log", "request_logprobs"), "`request_logprobs` is not available in this version yet")
    keep = _keep(file.keep, fault)
    return LogSettings(file.durability, file.on_failure, keep, file.max_bytes, file.keep_media)


def _keep(ages: Mapping[str, str], fault: Callable[[At, str], None]) -> Mapping[str, float]:
    kept: dict[str, float] = {}
    names = [*(str(outcome) for outcome in Outcome), OTHER]
    for name, text in ages.items():
        at: At = ("log", "keep", name)
        age = _AGE.fullmatch(text)
        if name not in names:
            tail = nearest(name, names) or f"; there are {', '.join(names)}"
            fault(at, f"`{name}` is no outcome{tail}")
        elif age is None:
            fault(at, "an age is a whole number and s, m, h, d or y, as `30d`")
        else:
            kept[name] = float(int(age[1]) * _UNIT_S[age[2]])
    other = kept.pop(OTHER, None)
    if other is not None:
        kept = {name: kept.get(name, other) for name in names if name != OTHER}
    return MappingProxyType(kept)
