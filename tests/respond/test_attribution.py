"""Who is behind a breach, by whose samples are beyond the limit and by what changed before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.model.observation import Metric, Observation
from proxy.model.tripwire import Per
from proxy.respond.attribution import looks
from proxy.watch.wire import Turned
from tests.watch.support import MIDNIGHT, seen, tripwire, watch

CHANGE = ("the policy 1234 came into force, 5 min before it began",)


@pytest.mark.parametrize(
    ("callers", "count", "beyond", "changes", "like"),
    [
        ((("user:a", 30),), 1, 30, (), "attack"),
        ((("user:a", 30),), 1, 30, CHANGE, "attack"),
        ((("user:a", 30), ("user:b", 2)), 2, 32, (), "attack"),
        ((("user:a", 90), ("user:b", 1), ("user:c", 1)), 9, 98, (), "attack"),
        ((("user:a", 9), ("user:b", 8), ("user:c", 8)), 20, 100, (), "broken_model"),
        ((("user:a", 9), ("user:b", 8), ("user:c", 8)), 20, 100, CHANGE, "changed_model"),
        ((("user:a", 9), ("user:b", 8), ("user:c", 8)), 3, 25, (), "unclear"),
        ((), 0, 0, (), "unclear"),
        ((), 0, 0, CHANGE, "changed_model"),
    ],
)
def test_what_it_looks_like(
    callers: tuple[tuple[str, int], ...], count: int, beyond: int, changes: tuple[str, ...], like: str
) -> None:
    turned = Turned(
        tripwire(), "model:bot", True, MIDNIGHT, MIDNIGHT, callers=callers, callers_count=count, beyond=beyond
    )
    found = looks(turned, changes)
    assert found.like == like
    assert all(one in found.text for one in changes)


def test_what_no_caller_does() -> None:
    slow = tripwire(metric=Metric.LATENCY_S, per=Per.MODEL)
    turned = Turned(slow, "model:bot", True, MIDNIGHT, MIDNIGHT, callers=(("user:a", 9),), callers_count=1)
    assert looks(turned).like == "unclear"


def test_changes_of_a_model_and_of_the_policy_are_remembered() -> None:
    one = watch(tripwire())
    one.take((), (tripwire(),), MIDNIGHT, "aaaa")
    for n in range(10):
        one.observe(seen(MIDNIGHT + n))
    assert one.changes("support-bot", 0, MIDNIGHT + 10) == ()  # its first version is no change
    one.observe(replace_version(MIDNIGHT + 20, "v3"))
    one.observe(replace_version(MIDNIGHT + 21, "v3"))
    one.observe(seen(MIDNIGHT + 22))
    one.take((), (tripwire(),), MIDNIGHT + 30, "bbbb")
    assert one.changes("support-bot", 0, MIDNIGHT + 60) == (
        (MIDNIGHT + 30, "the policy bbbb came into force"),
        (MIDNIGHT + 20, "support-bot was served as v3 anew"),
    )
    assert one.changes("other", MIDNIGHT, MIDNIGHT + 60) == (
        (MIDNIGHT + 30, "the policy bbbb came into force"),
    )
    one.observe(replace_version(MIDNIGHT + 7200, "v3"))
    assert one.changes("support-bot", MIDNIGHT + 60, MIDNIGHT + 8000) == (
        (MIDNIGHT + 7200, "support-bot was served as v3 anew"),
    )


def replace_version(at: float, version: str) -> Observation:
    return replace(seen(at), version=version)
