"""Observations and a watch whose time the test turns."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from proxy import jsonio
from proxy.model.observation import Metric, Observation
from proxy.model.record import Json
from proxy.model.tripwire import Per, Stat, State, Tripwire
from proxy.watch.watch import Watch
from proxy.watch.wire import Turned

LOOK_S = 5.0
MIDNIGHT = 1_800_057_600.0
"""2027-01-16, 00:00 UTC."""


def at(text: str) -> float:
    """The Unix second of `03:02` or `03:02:30`."""
    hours, minutes, *seconds = (int(part) for part in text.split(":"))
    return MIDNIGHT + hours * 3600 + minutes * 60 + (seconds[0] if seconds else 0)


def clock(seconds: float) -> str:
    """The other way round."""
    minutes, second = divmod(int(seconds - MIDNIGHT), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


class Uncarded:
    def __init__(self) -> None:
        self.models: list[str | None] = []

    def on_uncarded(self, model: str | None) -> None:
        self.models.append(model)


def tripwire(**changes: object) -> Tripwire:
    """The one of the contract's example, with changes."""
    fields: dict[str, object] = {
        "id": "toxicity-sustained",
        "metric": Metric.TOXICITY,
        "stat": Stat.P95,
        "per": Per.MODEL,
        "window_s": 900.0,
        "above": 0.5,
        "min_samples": 20,
        "for_s": 900.0,
        "keep_firing_s": 600.0,
        **changes,
    }
    return Tripwire(**fields)  # type: ignore[arg-type]


def seen(
    now: float, caller: str = "user:u1", model: str = "support-bot", app: str | None = "shop", **values: float
) -> Observation:
    return Observation(
        at=now,
        exchange=f"x{now:.3f}",
        model=model,
        names=frozenset((model,)),
        version="v2",
        sent="gpt-2",
        served="gpt-2",
        app=app,
        caller=caller,
        values={Metric(name): value for name, value in values.items()},
    )


def watch(*tripwires: Tripwire, now: float = MIDNIGHT) -> Watch:
    made = Watch(Uncarded())
    made.take((), tripwires, now)
    return made


def look(one: Watch, now: float) -> list[Turned]:
    return [turned for many in one.look(now) for turned in many]


def drive(one: Watch, observations: Iterable[Observation], until: float, start: float) -> list[Turned]:
    """Exchanges as they end, and a look every five seconds."""
    turned: list[Turned] = []
    coming = iter(observations)
    following = next(coming, None)
    now = start
    while now <= until:
        while following is not None and following.at <= now:
            one.observe(following)
            following = next(coming, None)
        turned += look(one, now)
        now += LOOK_S
    return turned


def state(one: Watch, now: float, group: str = "model:support-bot") -> State:
    return next(standing.state for standing in one.standings(now) if standing.group == group)


def kept(one: Watch, *, everything: bool) -> Json:
    """What a later process gets of it, by way of the file's JSON."""
    return collected(one.as_json(everything=everything))


def collected(steps: Generator[None, None, dict[str, Json]]) -> Json:
    """What such steps come to, by way of JSON."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return jsonio.loads(jsonio.dumps(end.value))
