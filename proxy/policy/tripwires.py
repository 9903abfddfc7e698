"""The `tripwires` of the rule files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.errors import Invalid, Problem
from proxy.model.level import Level
from proxy.model.observation import PROBED, Metric
from proxy.model.text import Path
from proxy.model.tripwire import (
    SERIES_NAME,
    Alert,
    BlockCaller,
    LimitCaller,
    Margin,
    Per,
    Reaction,
    RollBack,
    Stat,
    Tripwire,
    TurnDial,
)
from proxy.policy.duration import duration_s
from proxy.subjects import Rate
from proxy.yaml_model import FileModel, validate
from proxy.yaml_source import Document

TRIPWIRES_MAX: Final = 200
LEARNING_MAX: Final = 20
WINDOW_S_MIN: Final = 60.0
HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
KEEP_FIRING_S_MAX: Final = 4 * 3600.0
TTL_S_MAX: Final = 366 * DAY_S
SUBJECTS_MAX: Final = 50
SAMPLES_MIN: Final = 20
"""Of a window that is said nothing else about."""

Duration = Annotated[str, Field(max_length=16)]
Word = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
SeriesName = Annotated[str, Field(pattern=SERIES_NAME)]
Number = Annotated[float, Field(ge=-1e12, le=1e12)]


class TtlFile(FileModel):
    ttl: Duration | None = None


class DialFile(TtlFile):
    level: Literal["degraded", "restricted", "killed"]


class LimitFile(TtlFile):
    rate: Annotated[str, Field(max_length=64)]


class RollBackFile(TtlFile):
    version: Annotated[str, Field(min_length=1, max_length=256)]


class ThenFile(FileModel):
    alert: Word | None = None
    dial: DialFile | None = None
    block: TtlFile | None = None
    limit: LimitFile | None = None
    rollback: RollBackFile | None = None


class BaselineFile(FileModel):
    sigmas: Annotated[float, Field(ge=1, le=20)] | None = None
    shift: Annotated[float, Field(ge=2, le=20)] | None = None
    min_samples: Annotated[int, Field(ge=1, le=1_000_000)] = 200


class TripwireFile(FileModel):
    id: Word
    metric: Literal[
        "toxicity", "sentiment", "blocked_rate", "redacted_rate", "reply_length", "latency_s", "error_rate",
        "tokens", "pii_rate", "secret_rate", "unscanned_rate", "refusal_rate", "flagged_rate", "first_byte_s",
        "new_prompts", "external", "probe_pass_rate", "probe_bias_rate",
    ]  # fmt: skip
    name: SeriesName | None = None
    stat: Literal["mean", "p50", "p95", "max", "rate", "sum"] | None = None
    per: Literal["global", "model", "app", "user"] = "global"
    window: Duration = "15m"
    above: Number | None = None
    below: Number | None = None
    above_baseline: BaselineFile | None = None
    below_baseline: BaselineFile | None = None
    min_samples: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    min_subjects: Annotated[int, Field(ge=1, le=SUBJECTS_MAX)] = 1
    for_: Annotated[Duration, Field(alias="for")] = "5m"
    keep_firing_for: Duration = "10m"
    severity: Literal["low", "medium", "high", "critical"] = "high"
    then: Annotated[tuple[ThenFile, ...], Field(max_length=10)] = ()


@dataclass(slots=True)
class TripwiresReader:
    """Takes the tripwires of one file after another."""

    problems: list[Problem]
    warnings: list[Problem]
    targets: frozenset[str] | None  # of alerts; None where no settings are known
    tripwires: list[Tripwire] = field(default_factory=list)
    _places: dict[str, str] = field(default_factory=dict)

    def take(self, document: Document, count: int) -> None:
        """The tripwires of this file; what it says wrongly joins the problems."""
        for index in range(count):
            at: Path = ("tripwires", index)
            file = validate(TripwireFile, document, self.problems, at)
            if file is not None:
                _OneReader(self, document, at).read(file)

    def add(self, document: Document, at: Path, one: Tripwire) -> None:
        line, column = document.mark((*at, "id"))
        place = f"{document.file}:{line}:{column}"
        before = self._places.setdefault(one.id, place)
        if before is not place:
            message = f"the tripwire id `{one.id}` stands twice; also in {before}"
            self.problems.append(document.problem((*at, "id"), message))
        elif one.learns and sum(other.learns for other in self.tripwires) >= LEARNING_MAX:
            message = f"a policy holds at most {LEARNING_MAX} tripwires with a baseline"
            self.problems.append(document.problem((*at, "id"), message))
        elif len(self.tripwires) >= TRIPWIRES_MAX:
            message = f"a policy holds at most {TRIPWIRES_MAX} tripwires"
            self.problems.append(document.problem((*at, "id"), message))
        else:
            self.tripwires.append(one)


@dataclass(slots=True)
class _OneReader:
    """Reads one tripwire: what the file's shape cannot say."""

    out: TripwiresReader
    document: Document
    at: Path

    def read(self, file: TripwireFile) -> None:
        metric, per = Metric(file.metric), Per(file.per)
        stat = self._stat(metric, file.stat)
        if metric is Metric.EXTERNAL:
            if file.name is None:
                self._fault(("metric",), "`external` needs the `name` of its series", key=True)
            if per is Per.USER:
                self._fault(("per",), "what is posted is about a model, an app or all: no user", key=True)
            if file.min_subjects > 1:
                self._fault(("min_subjects",), "what is posted has no subjects", key=True)
        elif file.name is not None:
            self._fault(("name",), "only `external` series have a name", key=True)
        self._limits(file, metric)
        if per is Per.USER and file.min_subjects > 1:
            self._fault(("min_subjects",), "with `per: user` every group is one subject")
        one = Tripwire(
            id=file.id,
            metric=metric,
            name=file.name,
            stat=stat,
            per=per,
            window_s=self._window(file),
            above=file.above,
            below=file.below,
            above_baseline=_margin(file.above_baseline),
            below_baseline=_margin(file.below_baseline),
            min_samples=file.min_samples or (1 if stat is Stat.SUM else SAMPLES_MIN),
            min_subjects=file.min_subjects,
            for_s=self._duration(("for",), file.for_, 0, DAY_S),
            keep_firing_s=self._duration(("keep_firing_for",), file.keep_firing_for, 0, KEEP_FIRING_S_MAX),
            severity=file.severity,
            then=tuple(
                reaction
                for index, then in enumerate(file.then)
                if (reaction := self._reaction(("then", index), then, per)) is not None
            ),
        )
        self.out.add(self.document, self.at, one)

    def _window(self, file: TripwireFile) -> float:
        window_s = self._duration(("window",), file.window, WINDOW_S_MIN, DAY_S)
        if (file.above_baseline or file.below_baseline) and window_s > HOUR_S:
            self._fault(("window",), "is at most 1h beside a baseline, which is learned by the hour")
        return window_s

    def _stat(self, metric: Metric, word: str | None) -> Stat:
        rate = metric.endswith("_rate")
        if word is None:
            if not rate:
                self._fault(("metric",), f"`{metric}` needs a `stat`: mean, p50, p95, max or sum", key=True)
            return Stat.RATE
        stat = Stat(word)
        if rate and stat not in (Stat.RATE, Stat.MEAN):
            self._fault(("stat",), f"`{metric}` is a share of exchanges: its stat is `rate`")
        if not rate and stat is Stat.RATE:
            self._fault(("stat",), f"`{metric}` is no share of exchanges: use mean, p50, p95, max or sum")
        return stat

    def _limits(self, file: TripwireFile, metric: Metric) -> None:
        if metric in PROBED and file.per in ("app", "user"):
            self._fault(("per",), "probes are nobody's: use global or model")
        above, below = file.above, file.below
        baselines = [name for name in ("above_baseline", "below_baseline") if getattr(file, name) is not None]
        if above is None and below is None and not baselines:
            self._fault(("id",), "says neither `above` nor `below`, nor a baseline")
        if file.stat == "sum" and (below is not None or file.below_baseline is not None):
            self._fault(("stat",), "a sum is watched from above: a window without samples has none")
        for name in baselines:
            side = name.removesuffix("_baseline")
            if getattr(file, side) is not None:
                self._fault((name,), f"stands beside `{side}`: use two tripwires", key=True)
        self._margins(file, baselines)
        if baselines and file.per == "user":
            message = (
                "needs `per` global, model or app: callers come and go too fast to be learned by the hour"
            )
            self._fault((baselines[0],), message, key=True)
        if above is not None and below is not None and below >= above:
            self._fault(
                ("below",), f"must be less than `above`, which is {above:g}: every value is beyond one"
            )
        if metric.endswith("_rate") or metric is Metric.TOXICITY:
            if above is not None and not 0 <= above < 1:
                self._fault(("above",), f"`{metric}` goes from 0 to 1: nothing is above {above:g}")
            if below is not None and not 0 < below <= 1:
                self._fault(("below",), f"`{metric}` goes from 0 to 1: nothing is below {below:g}")
        if metric is Metric.SENTIMENT and file.stat != "sum":
            if above is not None and not -1 <= above < 1:
                self._fault(("above",), f"`{metric}` goes from -1 to 1: nothing is above {above:g}")
            if below is not None and not -1 < below <= 1:
                self._fault(("below",), f"`{metric}` goes from -1 to 1: nothing is below {below:g}")

    def _margins(self, file: TripwireFile, names: list[str]) -> None:
        shifts = 0
        for name in names:
            margin: BaselineFile = getattr(file, name)
            if (margin.sigmas is None) == (margin.shift is None):
                self._fault((name,), "says either `sigmas` or `shift`")
            shifts += margin.shift is not None
        sides = len(names) + (file.above is not None) + (file.below is not None)
        if 0 < shifts < sides:
            self._fault((names[0],), "a `shift` is looked for on every side, or on none: use two tripwires")

    def _reaction(self, at: Path, file: ThenFile, per: Per) -> Reaction | None:
        said = [name for name in ThenFile.model_fields if getattr(file, name) is not None]
        if len(said) != 1:
            self._fault(at, f"is one of {', '.join(ThenFile.model_fields)}; several are several entries")
            return None
        if file.alert is not None:
            self._target((*at, "alert"), file.alert)
            return Alert(file.alert)
        if file.dial is not None:
            if per is Per.USER:
                self._fault((*at, "dial"), "a user has no dial: use block or limit", key=True)
            return TurnDial(Level.parse(file.dial.level), self._ttl((*at, "dial"), file.dial))
        if file.rollback is not None:
            if per is not Per.MODEL:
                self._fault((*at, "rollback"), "needs `per: model`", key=True)
            return RollBack(file.rollback.version, self._ttl((*at, "rollback"), file.rollback))
        if per is not Per.USER:
            self._fault((*at, said[0]), "needs `per: user`", key=True)
        if file.limit is not None:
            try:
                Rate.parse(file.limit.rate)
            except Invalid as error:
                self._fault((*at, "limit", "rate"), str(error))
            return LimitCaller(file.limit.rate, self._ttl((*at, "limit"), file.limit))
        return BlockCaller(self._ttl((*at, "block"), file.block) if file.block is not None else None)

    def _target(self, at: Path, name: str) -> None:
        """A name that the settings do not have only warns: for a mistyped alert, the rest must not stay behind."""
        known = self.out.targets
        if known is not None and name not in known:
            message = f"the settings have no alert target `{name}`, so nobody is told; `alerts` has: "
            message += ", ".join(sorted(known)) or "none"
            self.out.warnings.append(self.document.problem((*self.at, *at), message))

    def _ttl(self, at: Path, file: TtlFile) -> float | None:
        return None if file.ttl is None else self._duration((*at, "ttl"), file.ttl, 1, TTL_S_MAX)

    def _duration(self, at: Path, text: str, least_s: float, most_s: float) -> float:
        try:
            return duration_s(text, least_s, most_s)
        except ValueError as error:
            self._fault(at, str(error))
            return least_s

    def _fault(self, at: Path, message: str, *, key: bool = False) -> None:
        self.out.problems.append(self.document.problem((*self.at, *at), message, key=key))


def _margin(file: BaselineFile | None) -> Margin | None:
    if file is None:
        return None
    sigmas = file.sigmas if file.shift is None else file.shift
    return Margin(sigmas or 0.0, file.min_samples, file.shift is not None)
