"""How long ordinary prose waits, and what it costs. It waits for a word or two under the shipped rules, for its
sentence under a sentence scorer."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from proxy.detect.base import Context
from proxy.model.level import Direction
from proxy.model.text import Channel
from proxy.policy.compile import Policy, compile_policy
from proxy.policy.match import Judge, plan
from proxy.policy.reading import read_folder
from proxy.request.judged import JudgedText
from proxy.request.stream_gate import StreamGate
from tests.policy.banks import ANY, rule
from tests.policy.late import Desk, LateBank
from tests.policy.shipped import RULES
from tests.wire import replies
from tests.wire.drive import reader_of
from tests.wire.samples import Sample

PROSE = (
    "The parcel left our warehouse on Monday morning, and it should reach you within three days. If it does not, "
    "please write to us and we will send another one at once. Most customers in the north wait a little longer "
    "because the ferry runs only twice a week. Thank you for your patience! Is there anything else that we can do? "
    "The garden behind the old house was full of apples when the children came home from school in September. "
)


@pytest.fixture(scope="module")
def shipped() -> Policy:
    return compile_policy(read_folder(RULES))


def held(sample: Sample, words: list[str], judge: Callable[[Channel], Judge], desk: Desk | None) -> list[int]:
    """After each word: how many words are held."""
    gate = StreamGate(reader_of(sample), 1, lambda channel: JudgedText(channel, lambda _: judge(channel)))
    waiting: list[int] = []
    for number, frame in enumerate(sample.reply.split(b"\n\n")[1 : len(words) + 1], start=1):
        for _ in gate.read(frame + b"\n\n"):
            assert list(gate.pump(lambda: 1000)) is not None
        if desk is not None:
            desk.answer_all()
            assert list(gate.pump(lambda: 1000)) is not None
        waiting.append(number - gate.out.count(b'"content": "') - gate.tail.count(b'"content": "'))
    return waiting


@pytest.mark.parametrize(
    ("detectors", "most"),
    [
        (("phrases", "pii", "secrets", "prompt_leak", "obfuscation"), 2),
        # A sentence that begins as an insult may: "You within three …".
        (("phrases", "pii", "secrets", "prompt_leak", "obfuscation", "regex", "size", "toxicity"), 3),
    ],
)
def test_a_word_is_delayed_by_a_few_words_at_most(
    detectors: tuple[str, ...], most: int, shipped: Policy
) -> None:
    words = [word + " " for word in PROSE.split()]
    banks = [built.bank for built in shipped.built if built.direction is Direction.OUTPUT]
    assert {bank.detector for bank in banks} <= {*detectors, "regex", "size", "toxicity"}
    chosen = plan(shipped.rules, [b for b in banks if b.detector in detectors], Direction.OUTPUT, ANY)
    waiting = held(replies.chat(words), words, lambda channel: Judge(chosen, channel.field), None)
    assert max(waiting) <= most


WITHOUT_BLANKS = {
    "Japanese": "こんにちは、ようこそ。今日は天気がとても良く、私たちは市場に行くところです。"
    "口座番号を教えてください。",
    "Chinese": "您好，欢迎光临。今天天气很好，我们正要去市场。请告诉我您的账号，谢谢。",
    "Thai": "สวัสดีครับ ยินดีต้อนรับ วันนี้อากาศดีมากและเรากำลังจะไปตลาด กรุณาแจ้งหมายเลขบัญชีของคุณ ",
}
PHRASE_CHARS = 40


@pytest.mark.parametrize("language", WITHOUT_BLANKS)
def test_prose_without_blanks_is_delayed_by_a_phrase_at_most(language: str, shipped: Policy) -> None:
    pieces = list(WITHOUT_BLANKS[language] * 3)
    sample = replies.chat(pieces)
    waiting = held(sample, pieces, lambda channel: shipped.judge(Direction.OUTPUT, ANY, channel.field), None)
    assert max(waiting) <= PHRASE_CHARS


def test_under_a_sentence_scorer_a_word_waits_for_the_end_of_its_sentence() -> None:
    words = [" " + word for word in PROSE.split()]
    desk = Desk()
    chosen = plan((rule(),), (LateBank(desk),), Direction.OUTPUT, ANY)
    waiting = held(replies.chat(words), words, lambda channel: Judge(chosen, channel.field), desk)
    for word, count in zip(words, waiting, strict=True):
        assert (count == 0) is word.endswith(".")


FRAME_CALLS_MAX = 500
"""Calls of functions, Python's own among them, for a frame of prose: read, judged by every shipped rule, let out.
A count, since seconds differ from machine to machine. It was 572 before it was looked at. What a call costs is not
in it: how much a search in new text reads is counted in tests/detect/test_hold.py."""


def test_what_the_shipped_rules_cost_a_frame_of_prose(shipped: Policy) -> None:
    words = [word + " " for word in PROSE.split()]
    context = Context(
        ("You are a helpful assistant of a bookshop. Never tell the purchase price of a book.",)
    )

    def calls(frames: int) -> int:
        """Of a stream of so many words, opened and read."""
        sample = replies.chat((words * 2)[:frames])
        gate = StreamGate(
            reader_of(sample),
            1,
            lambda channel: JudgedText(
                channel, lambda _: shipped.judge(Direction.OUTPUT, ANY, channel.field, context)
            ),
        )
        count = 0

        def note(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            for data in sample.reply.split(b"\n\n")[: frames + 1]:
                for _ in gate.read(data + b"\n\n"):
                    for _ in gate.pump(lambda: 1000):
                        pass
        finally:
            sys.setprofile(before)
        assert not any(text.errors for text in gate.judged())
        return count

    calls(10)  # what is worked out once is no frame's cost
    once, twice = calls(len(words)), calls(2 * len(words))
    assert (twice - once) / len(words) <= FRAME_CALLS_MAX
