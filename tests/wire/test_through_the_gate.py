"""Every sample stream through the proxy's gate, under a policy that looks for one word.

What a client reads, and that it never reads the word, must not depend on how the backend cut its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.level import Action, Direction, Level
from proxy.model.text import Channel
from proxy.policy.compile import Policy, compile_policy
from proxy.policy.match import Judge, Selection
from proxy.request.judged import JudgedText
from proxy.request.stream_gate import StreamGate
from tests.policy.folders import folder
from tests.wire.catalogue import STREAMS
from tests.wire.drive import hear, reader_of, through_gate, view_of
from tests.wire.samples import Sample

MESSAGE = "No."


@lru_cache(maxsize=512)
def policy(word: str, action: Action) -> Policy:
    return compile_policy(
        folder(
            "rules:\n"
            f"  - {{id: seek, on: output, action: {action.value}, message: {MESSAGE!r},\n"
            f"     detect: {{regex: ['{word}']}}}}\n"
        )
    )


def seeker(word: str, action: Action) -> Callable[[Channel], Judge]:
    """Judges under a policy that acts on one word, wherever it stands."""
    found = policy(word, action)
    selection = Selection(Level.GUARDED, frozenset(), None)
    return lambda channel: found.judge(Direction.OUTPUT, selection, channel.field)


def through(sample: Sample, cuts: list[bytes], judge: Callable[[Channel], Judge]) -> bytes:
    gate = StreamGate(
        reader_of(sample),
        view_of(sample).choices,
        lambda channel: JudgedText(channel, lambda _: judge(channel)),
    )
    return through_gate(gate, cuts)[0]


def cases() -> list[tuple[Sample, str]]:
    """Words of each sample that the wire itself has no use for, inside a word as well."""
    found: list[tuple[Sample, str]] = []
    for sample in STREAMS:
        said = [text for field, text in sample.texts.items() if not field.startswith(("stream.", "usage."))]
        words = sorted({word for text in said for word in re.findall(r"\w{4,}", text)})
        known = [word for word in words if not re.search("u00|web_search|ash_code_exec", word)]
        found += [(sample, word) for word in known]
        found += [(sample, word[1:-1]) for word in known if len(word) > 5]
    return found


CASES = cases()


@pytest.mark.parametrize("sample", STREAMS, ids=lambda sample: sample.name)
def test_where_nothing_is_found_the_client_gets_the_backends_bytes(sample: Sample) -> None:
    cuts = [sample.reply[at : at + 1] for at in range(len(sample.reply))]
    assert through(sample, cuts, seeker("absent", Action.BLOCK)) == sample.reply
    assert through(sample, [sample.reply], seeker("absent", Action.REDACT)) == sample.reply


@settings(deadline=None, max_examples=120)
@given(st.sampled_from(CASES), st.sampled_from([Action.REDACT, Action.BLOCK]), st.data())
def test_what_the_client_reads_does_not_depend_on_the_cuts(
    case: tuple[Sample, str], action: Action, data: st.DataObject
) -> None:
    sample, word = case
    at = sorted(data.draw(st.lists(st.integers(0, len(sample.reply)), max_size=10)))
    cuts = [sample.reply[a:b] for a, b in zip([0, *at], [*at, len(sample.reply)], strict=True)]
    whole = hear(sample, [through(sample, [sample.reply], seeker(word, action))])
    heard = hear(sample, [through(sample, cuts, seeker(word, action))])
    assert heard.texts == whole.texts
    assert heard.differing == [], "every copy repeats the text as it was delivered"
    assert heard.ended
    assert not any(word in text for text in heard.texts.values())


def test_what_stands_behind_a_block_in_its_frame_does_not_depend_on_the_cuts() -> None:
    sample = next(sample for sample in STREAMS if sample.name == "chat_parallel")
    judge = seeker("ind_hote", Action.BLOCK)
    whole = hear(sample, [through(sample, [sample.reply], judge)]).texts
    assert whole["choices[0].message.tool_calls[0].function.name"] == "f"
    assert "choices[0].message.tool_calls[1].function.name" not in whole
    for at in range(len(sample.reply)):
        out = through(sample, [sample.reply[:at], sample.reply[at:]], judge)
        assert hear(sample, [out]).texts == whole, at


@pytest.mark.parametrize(("sample", "word"), CASES, ids=[f"{sample.name}-{word}" for sample, word in CASES])
@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK])
def test_the_word_stands_nowhere_in_the_bytes(sample: Sample, word: str, action: Action) -> None:
    out = through(sample, [sample.reply], seeker(word, action))
    texts = hear(sample, [out]).texts.values()
    assert word.encode() not in out
    assert any("<PATTERN>" in text or MESSAGE in text for text in texts)
