"""Judging whole texts: in one go where they are small, in slices where they are not, with a yield to the event
loop whenever a few milliseconds have gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from proxy.model.level import Direction
from proxy.model.text import Channel, Text
from proxy.request.exchange import Exchange, Ports
from proxy.request.judged import JudgedText

SLICE_CHARS = 1024
"""How much of a text is judged before the clock is looked at. Ordinary text takes a fraction of a millisecond
for that, lists of numbers (each may be a telephone number) up to twenty."""

YIELD_S = 0.005
"""How long judging may keep the event loop before others have their turn."""

LARGE_CHARS = 131_072
"""Bodies with more text than this wait for their turn: only a few are judged at once."""


async def judge_texts(
    x: Exchange, ports: Ports, direction: Direction, texts: Iterable[Text]
) -> tuple[JudgedText, ...]:
    """Every text with what was found in it, complete."""
    pairs = [(text, new_judged(x, direction, text.channel)) for text in texts]
    if sum(len(text.value) for text, _ in pairs) <= LARGE_CHARS:
        await _judge(ports, pairs)
    else:
        async with ports.large_scans:
            await _judge(ports, pairs)
    return tuple(judged for _, judged in pairs)


def new_judged(x: Exchange, direction: Direction, channel: Channel) -> JudgedText:
    """A text of the exchange, to be judged under its policy as it stands now."""
    return JudgedText(
        channel,
        lambda: x.policy.judge(direction, x.selection, channel.field, x.context),
        x.pseudonyms,
        restore=direction is Direction.OUTPUT,
    )


async def _judge(ports: Ports, pairs: list[tuple[Text, JudgedText]]) -> None:
    clock = ports.clock
    since = clock.monotonic()
    for text, judged in pairs:
        value = text.value
        if len(value) <= SLICE_CHARS:
            judged.read(value)
        else:
            for at in range(0, len(value), SLICE_CHARS):
                judged.grow(value[at : at + SLICE_CHARS])
                if clock.monotonic() - since > YIELD_S:
                    await asyncio.sleep(0)
                    since = clock.monotonic()
            judged.close()
        if clock.monotonic() - since > YIELD_S:
            await asyncio.sleep(0)
            since = clock.monotonic()
