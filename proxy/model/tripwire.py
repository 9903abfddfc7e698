"""A tripwire as the rule files write it: what to watch, when it is too much, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TypeAlias

from proxy.model.level import Level
from proxy.model.observation import Metric


class Stat(StrEnum):
    """What becomes of the samples in a window."""

    MEAN = "mean"
    P50 = "p50"
    P95 = "p95"
    MAX = "max"
    RATE = "rate"  # the share of exchanges


class Per(StrEnum):
    """Whose samples are taken together."""

    GLOBAL = "global"
    MODEL = "model"
    APP = "app"
    USER = "user"


class State(IntEnum):
    """Where a tripwire stands, as its metric says it."""

    OK = 0
    PENDING = 1  # too much, and not for long enough yet
    FIRING = 2
    COOLING = 3  # well again, and not for long enough yet

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Alert:
    """Tell somebody."""

    target: str


@dataclass(frozen=True, slots=True)
class TurnDial:
    """Set the group's scope to that level."""

    level: Level
    ttl_s: float | None


@dataclass(frozen=True, slots=True)
class BlockCaller:
    ttl_s: float | None


@dataclass(frozen=True, slots=True)
class LimitCaller:
    rate: str
    ttl_s: float | None


@dataclass(frozen=True, slots=True)
class RollBack:
    """Serve that version of the model."""

    version: str
    ttl_s: float | None


Reaction: TypeAlias = Alert | TurnDial | BlockCaller | LimitCaller | RollBack


@dataclass(frozen=True, slots=True)
class Tripwire:
    """One tripwire. At least one of `above` and `below` is set; times in seconds."""

    id: str
    metric: Metric
    stat: Stat
    per: Per
    window_s: float
    above: float | None = None
    below: float | None = None
    min_samples: int = 20
    min_subjects: int = 1
    for_s: float = 300.0
    keep_firing_s: float = 600.0
    severity: str = "high"
    then: tuple[Reaction, ...] = ()

    @property
    def threshold(self) -> float | None:
        """What is too much, as one number."""
        return self.below if self.above is None else self.above

    def beyond(self, value: float) -> bool:
        """Whether a value, of a sample or of a window, is too much."""
        return (self.above is not None and value > self.above) or (
            self.below is not None and value < self.below
        )
