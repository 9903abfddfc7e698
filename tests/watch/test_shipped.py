"""The tripwires that ship tell an attacker from a broken model, and leave ordinary traffic alone."""

from __future__ import annotations

import pytest

from proxy.policy.reading import read_folder
from proxy.policy.schema import read
from proxy.shipped import shipped_rules
from tests.watch.support import MIDNIGHT, drive, watch
from tests.watch.traffic import BEGINS_S, HOUR_S, Kind, traffic

SHIPPED = read(read_folder(shipped_rules())).tripwires


def fired(kind: Kind, seed: int) -> dict[str, float]:
    """What fired, as `tripwire group`, and after how many seconds."""
    running = watch(*SHIPPED)
    turned = drive(running, traffic(kind, seed), MIDNIGHT + HOUR_S, MIDNIGHT)
    return {f"{one.tripwire.id} {one.group}": one.at - MIDNIGHT - BEGINS_S for one in turned if one.fires}


def test_what_ships_turns_nothing_by_itself() -> None:
    assert len(SHIPPED) >= 5
    assert all(one.then == () for one in SHIPPED)
    assert all(one.min_subjects >= 5 for one in SHIPPED if one.per == "model" and one.metric != "error_rate")


@pytest.mark.parametrize("seed", range(8))
def test_attacker_broken_model_and_ordinary_hour_are_told_apart(seed: int) -> None:
    assert fired("ordinary", seed) == {}
    attacker = fired("attacker", seed)
    assert attacker.keys() == {"caller-blocked user:mallory"}
    assert attacker["caller-blocked user:mallory"] < 600
    broken = fired("broken", seed)
    assert broken["model-blocked model:support-bot"] < 1200
