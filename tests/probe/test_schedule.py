"""When which probe is due."""

from __future__ import annotations

from proxy.model.card import Card
from proxy.model.probe import Expect, Message, Probe
from proxy.policy.probes import MODELS_MAX
from proxy.probe.schedule import Schedule, models_of


def probe(id: str, every_s: float = 100.0, models: tuple[str, ...] | None = ("bot",)) -> Probe:
    return Probe(id, (Message("user", "?"),), every_s, 30, 10, models, expect=Expect(exact="!"))


def test_the_first_run_is_not_at_once_and_the_next_not_in_step() -> None:
    chances = iter((0.0, 1.0, 0.0, 1.0))
    schedule = Schedule(lambda: next(chances))
    schedule.take((probe("soon"), probe("late")), (), 0.0)
    assert schedule.ready(9.9) == []
    assert schedule.ready(10.0) == [("soon", "bot")]
    assert schedule.ready(100.0) == [("soon", "bot"), ("late", "bot")]
    schedule.ran(("soon", "bot"), 100.0)
    schedule.ran(("late", "bot"), 100.0)
    assert schedule.ready(189.9) == []
    assert schedule.ready(190.0) == [("soon", "bot")]
    assert schedule.ready(210.0) == [("soon", "bot"), ("late", "bot")]


def test_a_reload_keeps_the_turn_of_what_did_not_change() -> None:
    schedule = Schedule(lambda: 0.0)
    schedule.take((probe("a"), probe("b")), (), 0.0)
    schedule.take((probe("a"), probe("b", 200.0), probe("c")), (), 9.0)
    assert schedule.ready(10.0) == [("a", "bot")]
    assert schedule.ready(19.0) == [("a", "bot"), ("c", "bot")]
    assert schedule.ready(29.0) == [("a", "bot"), ("c", "bot"), ("b", "bot")]
    schedule.take((), (), 30.0)
    assert schedule.ready(1e9) == []
    schedule.ran(("a", "bot"), 31.0)  # it ran while it was taken out
    assert schedule.ready(1e9) == []


def test_what_is_put_off_comes_soon_again() -> None:
    schedule = Schedule(lambda: 0.0)
    schedule.take((probe("daily", 86_400.0), probe("often", 60.0)), (), 0.0)
    for id in ("daily", "often"):
        schedule.put_off((id, "bot"), 8640.0)
    assert schedule.ready(8699.0) == []
    assert len(schedule.ready(8700.0)) == 2


def test_without_models_it_is_put_to_all_that_have_a_card() -> None:
    cards = (Card("bot", "v1"), Card("bot", "v2"), Card("search"))
    assert models_of(probe("a", models=None), cards) == ("bot", "search")
    assert models_of(probe("a"), cards) == ("bot",)
    assert len(models_of(probe("a", models=None), tuple(Card(f"m{n}") for n in range(99)))) == MODELS_MAX
