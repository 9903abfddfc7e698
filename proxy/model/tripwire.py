"""A tripwire as the rule files write it: what to watch, when it is too much, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from proxy.model.level import Level
from proxy.model.observation import Metric

SERIES_NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""How the name of an external series is written."""


class Stat(StrEnum):
    """What becomes of the samples in a window."""

    MEAN = "mean"
    P50 = "p50"
    P95 = "p95"
    MAX = "max"
    RATE = "rate"  # the share of exchanges
    SUM = "sum"  # of all in the window


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
class Margin:
    """How far from what is normal is too much: of a window each time it is looked at, or as a `shift` that adds up
    over some."""

    sigmas: float
    min_samples: int  # that what is normal must have been learned from
    shift: bool = False

    @property
    def line(self) -> float:
        """The sigmas beyond which a window counts."""
        return self.sigmas / 2 if self.shift else self.sigmas


@dataclass(frozen=True, slots=True)
class Tripwire:
    """One tripwire. At least one of `above`, `below` and the two baselines is set, of a side one only; times in
    seconds."""

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
    above_baseline: Margin | None = None
    below_baseline: Margin | None = None
    name: str | None = None  # of an external series

    @property
    def series(self) -> str:
        """What its samples are found under in an observation."""
        return str(self.metric) if self.name is None else f"{self.metric}:{self.name}"

    @property
    def learns(self) -> bool:
        """Whether it compares with what is normal."""
        return self.above_baseline is not None or self.below_baseline is not None

    @property
    def adds_up(self) -> bool:
        """Whether it looks for a shift: then on every side that it watches."""
        margins = (self.above_baseline, self.below_baseline)
        return any(margin is not None and margin.shift for margin in margins)
