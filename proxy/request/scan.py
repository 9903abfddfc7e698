"""Judging whole texts: by slices, with a turn for others whenever a few milliseconds have gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from proxy.detect.base import Bank, Glancing
from proxy.model.level import Direction
from proxy.model.text import Channel, Text
from proxy.policy.match import Judge, Plan
from proxy.policy.memory import NOTHING, Recall
from proxy.request.exchange import Exchange, Ports
from proxy.request.inflow import Answers
from proxy.request.judged import JudgedText
from proxy.request.order import Order
from proxy.request.pieces import readable
from proxy.request.turn import LOOKED_AT_ONCE, SLICE_CHARS_MAX, TEXTS_AT_ONCE, Turn

LARGE_CHARS = 131_072
"""Bodies with more text than this wait for their turn: only a few are judged at once."""

GLANCE_CHARS_MAX: Final = 128 * 1024
"""A longer text is judged by slices alone: of so much, a glance of one bank takes a few milliseconds."""

ASKING_TEXTS_MAX = 4
"""How many texts of one body have questions with scorers at the same time."""


def new_text(x: Exchange, direction: Direction, channel: Channel, recall: Recall | None = None) -> JudgedText:
    """A text of the exchange, to be judged under its policy as it stands now. `recall` is what is known of it,
    where it is there as a whole."""
    policy, context = x.policy, x.context

    def judge(whole: str | None) -> Judge:
        known = None if whole is None else recall
        return policy.judge(direction, x.selection, channel.field, context, known)

    return JudgedText(channel, judge, x.pseudonyms, restore=direction is Direction.OUTPUT)


async def judge_texts(
    x: Exchange, ports: Ports, direction: Direction, texts: Sequence[Text], judged: list[JudgedText]
) -> None:
    """Judge whole texts; each joins `judged` as it is begun. Raises Killed while it waits: for its turn, or for a
    scorer's answer."""
    if sum(len(text.value) for text in texts) <= LARGE_CHARS:
        await _judge(x, ports, direction, texts, judged)
        return
    await x.on_backend(ports.large_scans.acquire())
    try:
        await _judge(x, ports, direction, texts, judged)
    finally:
        ports.large_scans.release()


async def _judge(
    x: Exchange, ports: Ports, direction: Direction, texts: Sequence[Text], judged: list[JudgedText]
) -> None:
    turn, answers, order = Turn(ports.clock), Answers(), Order()
    asking: list[JudgedText] = []
    plan = x.policy.plan(direction, x.selection)
    for source in texts:
        recall = x.policy.memory.of(source.value, unescaped=source.channel.json)
        text = new_text(x, direction, source.channel, recall)
        judged.append(text)
        # One of a chain is read for the sake of what may follow it, though nothing is said of it alone.
        alone = None if source.channel.chain else plan.quiet
        known = alone is not None and recall is not None and alone.holds(recall)
        if not known:
            try:
                known = await _glance(x, plan, source, recall, turn) and not source.channel.chain
            except Exception:  # noqa: BLE001 - it is read: where that fails too, its rules' `on_error` decides
                known = False
        over = text.read(source.value, quiet=known)
        order.opened(text)
        if len(judged) == len(texts):
            order.ended()
        if over:
            if text.length > SLICE_CHARS_MAX or len(judged) % TEXTS_AT_ONCE == 0:
                await turn.done()
            continue
        while done := text.work(turn.chars):
            await turn.done(done)
        if alone is not None and recall is not None and not known and text.closed and not text.findings:
            alone.note(recall)
        await turn.done()
        if text.waiting:
            asking.append(text)
        while len(asking) >= ASKING_TEXTS_MAX:
            asking = await _answered(x, turn, answers, asking)
    asking = []
    for number, text in enumerate(judged, start=1):
        if text.waiting:
            asking.append(text)
        if number % TEXTS_AT_ONCE == 0:
            await turn.done()
    while asking:
        asking = await _answered(x, turn, answers, asking)


async def _glance(x: Exchange, plan: Plan, source: Text, recall: Recall | None, turn: Turn) -> bool:
    """Whether no bank has anything to say of a text. The memory is told which have nothing, so that they need not
    read it."""
    text, context = readable(source.value), x.context
    if source.channel.json or len(text) > GLANCE_CHARS_MAX:
        return False
    if recall is None:
        # Too short to be remembered: a glance spares something where it spares all.
        return plan.all_glance and all(all(bank.glance(text)) for bank in plan.glancing)
    quiet = plan.all_glance
    silent: list[Bank] = []
    for bank in plan.glancing:
        known = recall.known(bank, context)
        if known is None and await _silent(bank, text, turn):
            silent.append(bank)
        elif known is not NOTHING:
            quiet = False
    if quiet and plan.quiet is not None and not source.channel.chain:
        plan.quiet.add(recall)
    else:
        for one in silent:
            recall.keep(one, context, (), {})
    return quiet


async def _silent(bank: Glancing, text: str, turn: Turn) -> bool:
    """Whether the bank has nothing to say of it."""
    for nothing in bank.glance(text):
        if len(text) > LOOKED_AT_ONCE:
            await turn.done()
        if not nothing:
            return False
    return True


async def _answered(x: Exchange, turn: Turn, answers: Answers, asking: list[JudgedText]) -> list[JudgedText]:
    """Those that still wait after the next answer."""
    turn.wait()
    try:
        await x.on_backend(answers.first([ticket for text in asking for ticket in text.waiting]))
    except TimeoutError:
        for text in asking:
            text.poll(last=True)
    turn.start()
    for text in asking:
        text.poll()
        while judged := text.work(turn.chars):
            await turn.done(judged)
    return [text for text in asking if text.waiting]
