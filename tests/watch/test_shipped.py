"""The tripwires that ship tell an attacker from a broken model, and leave ordinary traffic alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.policy.reading import read_folder
from proxy.policy.schema import read
from proxy.respond.attribution import looks
from proxy.shipped import shipped_rules
from proxy.watch.wire import Turned
from tests.watch.support import MIDNIGHT, drive, seen, watch
from tests.watch.traffic import BEGINS_S, HOUR_S, Kind, traffic

SHIPPED = read(read_folder(shipped_rules())).tripwires


def fired(kind: Kind, seed: int) -> list[Turned]:
    """What fires."""
    running = watch(*SHIPPED)
    turned = drive(running, traffic(kind, seed), MIDNIGHT + HOUR_S, MIDNIGHT)
    return [one for one in turned if one.fires]


def told(alarms: list[Turned]) -> str:
    """What an hour looks like to whoever reads its alerts."""
    kinds = {looks(one).like for one in alarms}
    if "broken_model" in kinds:
        return "broken_model"
    return "nothing" if not kinds else "attack" if kinds == {"attack"} else "unclear"


def test_what_ships_turns_nothing_by_itself() -> None:
    assert len(SHIPPED) >= 10
    assert all(one.then == () for one in SHIPPED)
    assert all(one.min_subjects >= 5 for one in SHIPPED if one.per == "model" and one.metric != "error_rate")


@pytest.mark.parametrize("seed", range(4))
def test_attacker_broken_model_and_noisy_night_are_told_apart(seed: int) -> None:
    assert fired("ordinary", seed) == []
    assert fired("noisy night", seed) == []
    attacker = fired("attacker", seed)
    assert {(one.tripwire.id, one.group) for one in attacker} == {
        ("caller-blocked", "user:mallory"),
        ("caller-probes", "user:mallory"),
    }
    assert told(attacker) == "attack"
    broken = fired("broken", seed)
    assert told(broken) == "broken_model"
    assert min(one.at for one in broken if one.tripwire.id == "model-blocked") - MIDNIGHT - BEGINS_S < 1200


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
