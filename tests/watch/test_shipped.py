"""The tripwires that ship tell an attacker from a broken model, and leave ordinary traffic alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.watch_hours import ATTACKER, BEGINS_S, HOUR_S, SHIPPED, START, fired, told
from proxy.respond.attribution import looks
from tests.watch.support import MIDNIGHT, drive, seen, watch


def test_what_ships_turns_nothing_by_itself() -> None:
    assert len(SHIPPED) >= 10
    assert all(one.then == () for one in SHIPPED)
    assert all(one.min_subjects >= 5 for one in SHIPPED if one.per == "model" and one.metric != "error_rate")


@pytest.mark.parametrize("seed", range(4))
def test_attacker_broken_model_and_noisy_night_are_told_apart(seed: int) -> None:
    assert fired("ordinary", seed) == []
    assert fired("noisy night", seed) == []
    attacker = fired("attacker", seed)
    by = {one.tripwire.id: one.group for one in attacker}
    assert by["caller-blocked"] == by["caller-probes"] == ATTACKER
    assert told(attacker) == "attack"
    broken = fired("broken", seed)
    assert told(broken) == "broken_model"
    assert min(one.at for one in broken if one.tripwire.id == "model-blocked") - START - BEGINS_S < 1200


def test_a_few_large_exchanges_are_as_dear_as_many() -> None:
    running = watch(*SHIPPED)
    many = [seen(MIDNIGHT + n * 60, "user:reads-books", tokens=400_000.0) for n in range(9)]
    (found,) = drive(running, many, MIDNIGHT + 600, MIDNIGHT)
    assert (found.tripwire.id, found.group, found.value) == (
        "caller-uses-much",
        "user:reads-books",
        3_200_000,
    )


def test_who_copies_a_model_is_noticed_and_who_asks_again_is_not() -> None:
    """One prompt a second from one caller, each another; beside an application that asks the same all the time."""
    running = watch(*SHIPPED)
    many = []
    for n in range(3600):
        for caller, prompt in (("user:copies", n), ("user:polls", 1)):
            one = seen(MIDNIGHT + n, caller, tokens=900.0 if prompt == n else 20.0)
            many.append(replace(one, prompt=hash(prompt)))
    found = [one for one in drive(running, many, MIDNIGHT + HOUR_S, MIDNIGHT) if one.fires]
    assert {(one.tripwire.id, one.group) for one in found} == {
        ("caller-extracts", "user:copies"),
        ("caller-uses-much", "user:copies"),
    }
    assert looks(found[0]).like == "attack"
