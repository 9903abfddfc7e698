"""The dial rises between any two steps of a long frame, or while a thread renders it: what goes out after that is
held to the stricter plan."""

from __future__ import annotations

import pytest

from proxy.model.level import Direction
from proxy.request.judged import JudgedText
from proxy.request.stream_gate import StreamGate
from proxy.request.turn import READ_INLINE_BYTES_MAX, Job
from tests.policy.test_tighten import LAX, POLICIES, STRICT
from tests.wire import replies
from tests.wire.drive import reader_of

LONG = "so it goes on. " * (READ_INLINE_BYTES_MAX // 15 + 1) + "The grey falcon flies. "


def gone_after(stricter: str, on_error: str, turned: int) -> tuple[bytes, bool]:
    """What goes out after the plan became stricter before step `turned` goes on; and whether it came to that."""
    rules = POLICIES[stricter, on_error]
    sample = replies.chat([LONG, "Bye."])
    selection = LAX
    gate = StreamGate(
        reader_of(sample),
        1,
        lambda channel: JudgedText(
            channel, lambda _: rules.judge(Direction.OUTPUT, selection, channel.field)
        ),
    )
    number, before = 0, 0

    def step(job: object) -> None:
        nonlocal number, before, selection
        if isinstance(job, Job):
            job.do()
        if number == turned:
            before, selection = len(gate.out), STRICT
            gate.tighten(rules.plan(Direction.OUTPUT, STRICT))
        number += 1

    for reading in gate.read(sample.reply):
        if reading is not None:
            step(reading)
            continue
        for pumped in gate.pump(lambda: 4096):
            step(pumped)
    gate.end()
    for pumped in gate.pump(lambda: 4096):
        step(pumped)
    return bytes(gate.out[before:] + gate.tail), number > turned


@pytest.mark.parametrize("on_error", ["block", "allow"])
@pytest.mark.parametrize("stricter", ["redact", "block"])
def test_nothing_passes_by_the_plan_of_before(stricter: str, on_error: str) -> None:
    turned = 0
    while (found := gone_after(stricter, on_error, turned))[1]:
        assert b"falcon" not in found[0], turned
        turned += 1
    assert turned > 5
