"""What goes to the log's writer and comes back from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from proxy.log.fault import Fault
from proxy.log.prepare import Entry


@dataclass(slots=True)
class Item:
    """One record on its way. `weight` estimates its bytes."""

    entry: Entry
    weight: int
    since: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody wants to read what was handed in before; `answer` is called once that can be, or cannot be had."""

    answer: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a batch. `fault` failed it whole; `refused` says by place what could not be written."""

    items: Sequence[Item]
    seconds: float
    fault: Fault | None = None
    refused: dict[int, str] = field(default_factory=dict)
    dropped: int = 0
