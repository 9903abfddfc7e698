"""Every sample stream, edited and blocked at every word, interrupted and failed after every frame, as the official
clients read it."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest

from proxy.model.level import Action
from proxy.wire.sse import FrameDecoder
from tests.wire.catalogue import STREAMS, WHOLES
from tests.wire.clients import anthropic_client, openai_client
from tests.wire.drive import failed_after, interrupted_after, view_of, wire_of
from tests.wire.samples import Sample
from tests.wire.test_anthropic_client import read as read_message
from tests.wire.test_anthropic_client import well_formed
from tests.wire.test_openai_clients import chat, finishes, in_order, responses
from tests.wire.test_through_the_gate import CASES, MESSAGE, seeker, through


def read(sample: Sample, body: bytes) -> str:
    """What the client has at the end, printed; the shape of all that it read on the way is checked."""
    if "/responses" in sample.path:
        events, final = responses(body)
        assert in_order(events)
        assert final.status in ("completed", "incomplete")
        return str([final, events])
    if "/messages" in sample.path:
        assert well_formed(body)
        message = read_message(body)
        assert message.stop_reason is not None
        return str(message)
    if "/chat/" in sample.path:
        chunks = chat(body)
    else:
        client = openai_client(body)
        chunks = list(client.completions.create(model="m", prompt="Tell", stream=True))
    assert body.endswith((b"data: [DONE]\n\n", b"data:[DONE]\r\n\r\n"))
    for index in range(view_of(sample).choices):
        assert len(finishes(chunks, index)) == 1
    return str(chunks)


@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK])
@pytest.mark.parametrize(("sample", "word"), CASES, ids=[f"{sample.name}-{word}" for sample, word in CASES])
def test_a_client_reads_what_was_edited_or_blocked(sample: Sample, word: str, action: Action) -> None:
    """That the word is gone is shown in `test_through_the_gate`."""
    text = read(sample, through(sample, [sample.reply], seeker(word, action)))
    assert action is Action.REDACT or MESSAGE in text


FRAMES = [
    (sample, number) for sample in STREAMS for number in range(len(list(FrameDecoder().feed(sample.reply))))
]


@pytest.mark.parametrize(("sample", "frames"), FRAMES, ids=[f"{sample.name}-{n}" for sample, n in FRAMES])
def test_a_client_reads_what_was_interrupted(sample: Sample, frames: int) -> None:
    assert "Back soon." in read(sample, interrupted_after(sample, frames, "Back soon.")) or frames > 2


@pytest.mark.parametrize(("sample", "frames"), FRAMES, ids=[f"{sample.name}-{n}" for sample, n in FRAMES])
def test_a_client_hears_of_a_failure(sample: Sample, frames: int) -> None:
    body = failed_after(sample, frames)
    if "/responses" in sample.path:
        events, final = responses(body)
        assert (events[-1].type, final.status, final.error.code) == (
            "response.failed",
            "failed",
            "backend_error",
        )
        return
    if sample.is_anthropic:
        client = anthropic_client(body)
        with pytest.raises(anthropic.APIError, match="went away"):
            list(client.messages.create(model="m", max_tokens=9, messages=[], stream=True))
    else:
        with pytest.raises(openai.APIError, match="went away"):
            chat(body)


@pytest.mark.parametrize("sample", [s for s in WHOLES if s.method == "POST"], ids=lambda sample: sample.name)
def test_a_client_reads_a_whole_reply_that_was_blocked(sample: Sample) -> None:
    wire = wire_of(sample)
    if not wire.speaks:
        return
    for index in range(view_of(sample).choices):
        body = wire.block_reply(sample.reply, json.loads(sample.reply), {index: MESSAGE})
        assert MESSAGE in str(whole(sample, body))


def whole(sample: Sample, body: bytes) -> Any:
    if sample.is_anthropic:
        return anthropic_client(body).messages.create(model="m", max_tokens=9, messages=[])
    client = openai_client(body)
    if "/responses" in sample.path:
        return client.responses.create(model="m", input="Hello?")
    if "/chat/" in sample.path:
        return client.chat.completions.create(model="m", messages=[])
    return client.completions.create(model="m", prompt="Tell")
