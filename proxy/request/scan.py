"""Judging whole texts: in one go where they are small, in slices with a yield between where they are not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from proxy.model.level import Direction
from proxy.model.text import Text
from proxy.request.exchange import Exchange, Ports
from proxy.request.judged import JudgedText

SLICE_CHARS = 16_384
"""How much is judged between two yields to the event loop."""

LARGE_CHARS = 131_072
"""Bodies with more text than this are judged in slices, and only a few of them at once."""


async def judge_texts(
    x: Exchange, ports: Ports, direction: Direction, texts: Iterable[Text]
) -> tuple[JudgedText, ...]:
    """Every text with what was found in it, complete."""
    pairs = [(text, new_judged(x, direction, text)) for text in texts]
    if sum(len(text.value) for text, _ in pairs) <= LARGE_CHARS:
        for text, judged in pairs:
            judged.grow(text.value)
            judged.close()
    else:
        async with ports.large_scans:
            for text, judged in pairs:
                for at in range(0, len(text.value), SLICE_CHARS):
                    judged.grow(text.value[at : at + SLICE_CHARS])
                    await asyncio.sleep(0)
                judged.close()
    return tuple(judged for _, judged in pairs)


def new_judged(x: Exchange, direction: Direction, text: Text) -> JudgedText:
    channel = text.channel
    return JudgedText(channel, lambda: x.policy.judge(direction, x.selection, channel.field))
