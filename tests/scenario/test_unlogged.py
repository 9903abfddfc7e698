"""What a rule with `log: redacted` found is nowhere in the log's files, while its findings tell what was there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.log.query import LogReader
from proxy.log.schema import FILE_NAME
from proxy.log.verify import verify
from tests.fakes import Json as JsonReply
from tests.fakes import ReceivedRequest, ScriptedBackend, Sse
from tests.scenario.harness import post, proxy_for
from tests.scenario.test_no_leak import anthropic_frames, chat_frames

JANE, JOE = "jane.doe@example.com", "joe.bloggs@example.org"
NOBODY = "nobody@example.net"  # in both
SIZE = "  - {id: size, on: input, detect: {size: {max_characters: 9}}, action: block}\n"
BLOCKS = "  - {{id: word, on: {on}, detect: {{phrases: [the word, the end]}}, action: block}}\n"


def rules(action: str, mode: str) -> str:
    return f"""\
rules:
  - id: in
    on: input
    detect: {{pii: {{entities: [EMAIL_ADDRESS], min_score: 0.4}}}}
    action: {action}
    mode: {mode}
    log: redacted
  - id: out
    on: output
    detect: {{pii: {{entities: [EMAIL_ADDRESS], min_score: 0.4}}}}
    action: {action if action != "pseudonymize" else "flag"}
    mode: {mode}
    log: redacted
  - id: behind
    on: output
    detect: {{phrases: [the end]}}
    action: flag
"""


ARGUMENTS = json.dumps({"to": JANE, "note": 'say "hi"'}).replace("@", "\\u0040")
QUESTION = f"Write to {JANE}, and to {NOBODY}, please"
REPLY = f'Mail "{JOE}" or {NOBODY}. This is the end.'


def chat(*, stream: bool) -> dict[str, Any]:
    call = {"id": "t1", "type": "function", "function": {"name": "mail", "arguments": ARGUMENTS}}
    return {
        "model": "m",
        "stream": stream,
        "metadata": {"ticket": f"from {JANE}"},
        "messages": [
            {"role": "system", "content": f"You work for {JANE}"},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "t1", "content": "sent"},
        ],
    }


def claude(*, stream: bool) -> dict[str, Any]:
    return {
        "model": "m",
        "stream": stream,
        "max_tokens": 50,
        "system": f"You work for {JANE}",
        "messages": [{"role": "user", "content": QUESTION}],
    }


def in_whole(wire: str) -> JsonReply:
    if wire == "claude":
        content = [{"type": "text", "text": REPLY}]
        usage = {"input_tokens": 1, "output_tokens": 1}
        said = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": content}
        return JsonReply({**said, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage})
    tokens = [{"token": REPLY, "logprob": -0.1, "bytes": None, "top_logprobs": []}]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": REPLY},
        "logprobs": {"content": tokens, "refusal": None},
        "finish_reason": "stop",
    }
    return JsonReply(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )


def on_the_log(folder: Path) -> tuple[dict[str, Any], str]:
    """The one record, and every content that the store holds."""
    with LogReader(folder / "data" / FILE_NAME) as reader:
        assert verify(reader).fault is None
        (identity,) = reader.db.execute("SELECT id FROM exchange").fetchone()
        record = reader.show(identity)
        assert record is not None
        parts = [reader.fetch.content(row[0]) for row in reader.db.execute("SELECT id FROM part").fetchall()]
        names = [str(row[0]) for row in reader.db.execute("SELECT text FROM name").fetchall()]
        return record, "\n".join((*(part.decode() for part in parts), *names, json.dumps(record)))


def placed(record: dict[str, Any], rule: str) -> list[str]:
    """What stands on the log where the rule's findings in the reply are said to be."""
    received = record["response"]["received"]
    text = received if isinstance(received, str) else received[0]["text"]
    return [text[found["start"] : found["end"]] for found in record["findings"] if found["rule"] == rule]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", ["chat", "claude"])
@pytest.mark.parametrize(
    ("action", "mode"),
    [("flag", "enforce"), ("redact", "shadow"), ("redact", "enforce"), ("pseudonymize", "enforce")],
)
async def test_what_was_found_is_nowhere(
    action: str, mode: str, wire: str, streamed: bool, tmp_path: Path
) -> None:
    def answer(_: object) -> list[Any]:
        frames = anthropic_frames if wire == "claude" else chat_frames
        return [Sse(list(frames(list(REPLY))))] if streamed else [in_whole(wire)]

    body = (claude if wire == "claude" else chat)(stream=streamed)
    path = "/v1/messages" if wire == "claude" else "/v1/chat/completions"
    async with (
        ScriptedBackend(answer) as backend,
        proxy_for(tmp_path, backend.url, rules=rules(action, mode)) as proxy,
    ):
        reply = await post(f"{proxy.url}{path}", body, {"anthropic-version": "2023-06-01"})
        assert reply.status == 200, reply.body
        await proxy.finished()
    record, stored = on_the_log(tmp_path)
    for value in (JANE, JOE, NOBODY, "jane.doe", "nobody@", "joe.bloggs"):
        assert value not in stored
    assert record["outcome"] == ("redacted" if (action, mode) == ("redact", "enforce") else "released")
    assert {found["action"] for found in record["findings"] if found["rule"] == "in"} == {action}
    assert placed(record, "out") == ["<EMAIL_ADDRESS>"] * 2
    assert placed(record, "behind") == ["the end"]
    assert record["response"]["logprobs"] is None
    request = record["request"]
    if wire == "chat":
        call = request["body"]["messages"][2]["tool_calls"][0]["function"]["arguments"]
        assert json.loads(call) == {"to": "<EMAIL_ADDRESS>", "note": 'say "hi"'}
        assert request["body"]["metadata"]["ticket"] == "from <EMAIL_ADDRESS>"
        text = request["body"]["messages"][1]["content"][0]["text"]
    else:
        text = request["body"]["messages"][0]["content"]
    assert text == "Write to <EMAIL_ADDRESS>, and to <EMAIL_ADDRESS>, please"
    # What was changed on its way still shows as such, though the placeholder is the same.
    assert ("sent" in request) == (mode == "enforce" and action != "flag")
    assert ("delivered" in record["response"]) == (mode == "enforce" and action == "redact")


async def test_a_value_that_was_restored_is_not_in_what_was_delivered(tmp_path: Path) -> None:
    only_input = rules("pseudonymize", "enforce").split("  - id: out")[0]

    def parrot(request: ReceivedRequest) -> list[Any]:
        body: Any = request.json
        return [Sse(list(chat_frames(list(body["messages"][0]["content"]))))]

    async with (
        ScriptedBackend(parrot) as backend,
        proxy_for(tmp_path, backend.url, rules=only_input) as proxy,
    ):
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": f"I am {JANE}."}]}
        reply = await post(f"{proxy.url}/v1/chat/completions", body)
        assert b'"@"' in reply.body or JANE.encode() in reply.body  # the client has it
        await proxy.finished()
    record, stored = on_the_log(tmp_path)
    assert JANE not in stored
    assert record["response"]["delivered"] == "I am <EMAIL_ADDRESS>."
    assert record["request"]["body"]["messages"][0]["content"] == "I am <EMAIL_ADDRESS>."


@pytest.mark.parametrize(
    ("level", "more", "outcome"),
    [
        ("killed", "", "killed"),  # answered before it was judged
        ("guarded", BLOCKS.format(on="input"), "blocked_input"),
        ("guarded", BLOCKS.format(on="output"), "blocked_output"),
        (
            "guarded",
            SIZE,
            "blocked_input",
        ),
        ("degraded", "", "released"),  # what is cut off is not judged
    ],
)
async def test_nor_is_what_was_never_judged(level: str, more: str, outcome: str, tmp_path: Path) -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": f"First {JANE}"},
            *({"role": role, "content": word} for word in "ab" for role in ("assistant", "user")),
            {"role": "user", "content": f"the word, and {NOBODY}"},
        ],
    }
    async with (
        ScriptedBackend(lambda _: [in_whole("chat")]) as backend,
        proxy_for(tmp_path, backend.url, rules=rules("flag", "enforce") + more) as proxy,
    ):
        await proxy.dial(level)
        await post(f"{proxy.url}/v1/chat/completions", body)
        await proxy.finished()
    record, stored = on_the_log(tmp_path)
    assert record["outcome"] == outcome
    for value in (JANE, JOE, NOBODY):
        assert value not in stored


async def test_the_beginning_of_a_value_that_the_reply_ended_in_is_redacted_there_alone(
    tmp_path: Path,
) -> None:
    """The word blocks, and the rest of the value came with a frame that is no part of the reply any more."""
    words = ["The word", " refused share", "@example.org and more."]
    frames = list(chat_frames(words))
    more = BLOCKS.format(on="output").replace("phrases: [the word, the end]", "phrases: [word refused]")
    async with (
        ScriptedBackend(lambda _: [Sse([b"".join(frames)])]) as backend,
        proxy_for(tmp_path, backend.url, rules=rules("flag", "enforce") + more) as proxy,
    ):
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        await post(f"{proxy.url}/v1/chat/completions", body)
        await proxy.finished()
    record, stored = on_the_log(tmp_path)
    assert record["outcome"] == "blocked_output"
    assert "share@" not in stored
    assert record["response"]["received"] == "The word refused <EMAIL_ADDRESS>"
    assert record["response"]["delivered"] == "The I can't share that."


async def test_nor_what_was_not_read(tmp_path: Path) -> None:
    async with (
        ScriptedBackend(lambda _: [in_whole("chat")]) as backend,
        proxy_for(tmp_path, backend.url, rules=rules("flag", "enforce")) as proxy,
    ):
        reply = await post(f"{proxy.url}/v1/unknown", {"prompt": f"I am {JANE}"})
        assert reply.status == 404
        await proxy.finished()
    record, stored = on_the_log(tmp_path)
    assert JANE not in stored
    assert record["request"]["body"] == "<UNJUDGED>"
