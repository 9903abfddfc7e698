"""Values get pseudonyms before the backend sees them, and come back in that exchange's reply alone."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.clients import anthropic_client, openai_client
from tests.fakes import Json as JsonReply
from tests.fakes import ReceivedRequest, ScriptedBackend, Sse, sse
from tests.fakes.actions import Action
from tests.scenario.harness import post, proxy_for
from tests.scenario.test_no_leak import anthropic_frames, chat_frames

RULES = """\
rules:
  - id: values-stay-here
    on: input
    detect: {pii: {entities: [EMAIL_ADDRESS, CREDIT_CARD], min_score: 0.4}}
    action: pseudonymize
  - id: no-addresses
    on: output
    detect: {pii: {entities: [EMAIL_ADDRESS], min_score: 0.4}}
    action: redact
"""
JANE, CARD = "jane.doe@example.com", "4111 1111 1111 1111"
PSEUDONYM = re.compile(r"<(?:EMAIL_ADDRESS|CREDIT_CARD)_[0-9a-f]{6}>")


def said(request: ReceivedRequest) -> str:
    """The last message's text, as the backend got it."""
    body: Any = request.json
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def whole(text: str, *, arguments: str | None = None) -> JsonReply:
    message: dict[str, object] = {"role": "assistant", "content": text}
    if arguments is not None:
        call = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": arguments}}
        message["tool_calls"] = [call]
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return JsonReply(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )


def parrot(request: ReceivedRequest) -> Sequence[Action]:
    """A backend that says what it was told; streamed, a character at a time."""
    body: Any = request.json
    text = said(request)
    if not body.get("stream"):
        return [whole(text)]
    frames = anthropic_frames if request.path == "/v1/messages" else chat_frames
    return [Sse(list(frames(list(text))))]


def ask(text: str, **more: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


QUESTION = f"Write to {JANE} or {JANE}, card {CARD}."


async def test_the_backend_sees_pseudonyms_and_the_client_its_values(tmp_path: Path) -> None:
    async with ScriptedBackend(parrot) as backend, proxy_for(tmp_path, backend.url, rules=RULES) as proxy:
        async with openai_client(proxy.url, max_retries=0) as client:
            reply = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": QUESTION}]
            )
        assert reply.choices[0].message.content == QUESTION
        sent = said(await backend.received(1))
        first, second, card = PSEUDONYM.findall(sent)
        assert first == second
        assert sent == f"Write to {first} or {first}, card {card}."
        record = await proxy.finished()
        assert record["outcome"] == "released"
        assert record["request"]["body"]["messages"][0]["content"] == QUESTION
        assert record["request"]["sent"]["messages"][0]["content"] == sent
        assert record["response"]["received"] == sent
        assert record["response"]["delivered"] == QUESTION
        assert {finding["action"] for finding in record["findings"]} == {"pseudonymize"}


@pytest.mark.parametrize("wire", ["chat", "anthropic"])
async def test_a_stream_brings_them_back_wherever_it_is_cut(wire: str, tmp_path: Path) -> None:
    async with ScriptedBackend(parrot) as backend, proxy_for(tmp_path, backend.url, rules=RULES) as proxy:
        if wire == "chat":
            async with openai_client(proxy.url, max_retries=0) as client:
                stream = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": QUESTION}], stream=True
                )
                text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        else:
            async with anthropic_client(proxy.url, max_retries=0) as claude:
                async with claude.messages.stream(
                    model="m", max_tokens=50, messages=[{"role": "user", "content": QUESTION}]
                ) as events:
                    text = await events.get_final_text()
        assert text == QUESTION
        assert JANE not in said(await backend.received(1))
        record = await proxy.finished()
        assert (record["outcome"], record["response"]["delivered"]) == ("released", QUESTION)


async def test_rules_judge_the_reply_before_it_is_restored(tmp_path: Path) -> None:
    """The user's own address comes back; one that the model knows itself does not go out."""

    def answer(request: ReceivedRequest) -> Sequence[Action]:
        return [whole(f"Not boss@example.org but {said(request)}")]

    async with ScriptedBackend(answer) as backend, proxy_for(tmp_path, backend.url, rules=RULES) as proxy:
        reply = await post(f"{proxy.url}/v1/chat/completions", ask(JANE))
        assert reply.json["choices"][0]["message"]["content"] == f"Not <EMAIL_ADDRESS> but {JANE}"
        assert (await proxy.finished())["outcome"] == "redacted"


async def test_nobody_gets_the_values_of_another_exchange(tmp_path: Path) -> None:
    """A backend that mixes its callers up gives away pseudonyms and nothing else."""
    heard: list[str] = []

    def mixed_up(request: ReceivedRequest) -> Sequence[Action]:
        heard.append(said(request))
        return [whole(heard[0])]

    async with ScriptedBackend(mixed_up) as backend, proxy_for(tmp_path, backend.url, rules=RULES) as proxy:
        url = f"{proxy.url}/v1/chat/completions"
        assert (await post(url, ask(f"I am {JANE}"))).json["choices"][0]["message"][
            "content"
        ] == f"I am {JANE}"
        other = await post(url, ask("I am bob@example.com"))
        assert other.json["choices"][0]["message"]["content"] == heard[0]
        assert JANE not in heard[0]


async def test_a_value_keeps_its_pseudonym_over_turns_and_users_do_not_share_one(tmp_path: Path) -> None:
    async with ScriptedBackend(parrot) as backend, proxy_for(tmp_path, backend.url, rules=RULES) as proxy:
        url = f"{proxy.url}/v1/chat/completions"
        for number, user in enumerate(("ann", "ann", "bob")):
            await post(url, ask(f"{number}: {JANE}", user=user))
        turns = [PSEUDONYM.findall(said(await backend.received(number)))[0] for number in (1, 2, 3)]
        assert turns[0] == turns[1] != turns[2]


async def test_what_a_user_spells_like_a_pseudonym_stays_as_it_is(tmp_path: Path) -> None:
    async with ScriptedBackend(parrot) as backend, proxy_for(tmp_path, backend.url, rules=RULES) as proxy:
        url = f"{proxy.url}/v1/chat/completions"
        await post(url, ask(JANE))
        guessed = said(await backend.received(1))
        question = f"What is {guessed}? I am {JANE}."
        reply = await post(url, ask(question))
        assert reply.json["choices"][0]["message"]["content"] == question
        assert said(await backend.received(2)).count(guessed) == 1


async def test_tool_arguments_lead_back_as_valid_json_both_ways(tmp_path: Path) -> None:
    def call(request: ReceivedRequest) -> Sequence[Action]:
        body: Any = request.json
        arguments = body["messages"][0]["tool_calls"][0]["function"]["arguments"]
        return [whole("done", arguments=arguments)]

    arguments = json.dumps({"to": JANE, "card": int(CARD.replace(" ", "")), "note": "a\u00e9\n"})
    arguments = arguments.replace("@", "\\u0040")
    messages = [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "t", "type": "function", "function": {"name": "f", "arguments": arguments}}
            ],
        },
        {"role": "tool", "tool_call_id": "t", "content": "sent"},
    ]
    async with ScriptedBackend(call) as backend, proxy_for(tmp_path, backend.url, rules=RULES) as proxy:
        reply = await post(f"{proxy.url}/v1/chat/completions", {"model": "m", "messages": messages})
        body: Any = (await backend.received(1)).json
        sent = json.loads(body["messages"][0]["tool_calls"][0]["function"]["arguments"])
        assert PSEUDONYM.fullmatch(sent["to"])
        assert PSEUDONYM.fullmatch(sent["card"])
        back = json.loads(reply.json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
        assert back == {"to": JANE, "card": CARD.replace(" ", ""), "note": "a\u00e9\n"}


async def test_every_copy_in_a_responses_stream_is_restored(tmp_path: Path) -> None:
    def answer(request: ReceivedRequest) -> Sequence[Action]:
        body: Any = request.json
        text = f"It is {body['input']}!"
        part = {"type": "output_text", "text": text, "annotations": []}
        item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [part]}
        at = {"item_id": "m1", "output_index": 0, "content_index": 0}
        done = {"id": "r1", "object": "response", "status": "completed", "model": "m", "output": [item]}
        events: list[dict[str, object]] = [
            {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
            {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
            *({"type": "response.output_text.delta", **at, "delta": char} for char in text),
            {"type": "response.output_text.done", **at, "text": text},
            {"type": "response.content_part.done", **at, "part": part},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": done},
        ]
        numbered = ({**event, "sequence_number": number} for number, event in enumerate(events))
        return [Sse([sse(event, str(event["type"])) for event in numbered])]

    async with ScriptedBackend(answer) as backend, proxy_for(tmp_path, backend.url, rules=RULES) as proxy:
        reply = await post(f"{proxy.url}/v1/responses", {"model": "m", "input": JANE, "stream": True})
        assert not PSEUDONYM.search(reply.body.decode())
        assert reply.body.decode().count(f"It is {JANE}!") == 4
        assert (await proxy.finished())["outcome"] == "released"


async def test_a_request_in_shadow_goes_on_as_it_is(tmp_path: Path) -> None:
    rules = RULES.replace("action: pseudonymize", "action: pseudonymize\n    mode: shadow")
    async with ScriptedBackend(parrot) as backend, proxy_for(tmp_path, backend.url, rules=rules) as proxy:
        await post(f"{proxy.url}/v1/chat/completions", ask(JANE))
        assert said(await backend.received(1)) == JANE


NAMED = """\
rules:
  - {id: names-stay-here, on: input, detect: {regex: ['Ann .Nan. Lee']}, action: pseudonymize}
"""


@pytest.mark.parametrize("begin", ['{"name": "', '```json\n{\n  "name": "', 'Said: "'])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_value_with_quotes_leaves_an_answer_in_json_valid(
    begin: str, streamed: bool, tmp_path: Path
) -> None:
    value = 'Ann "Nan" Lee'

    def answer(request: ReceivedRequest) -> Sequence[Action]:
        text = f'{begin}{said(request)}"}}'
        return [Sse(list(chat_frames(list(text))))] if streamed else [whole(text)]

    async with ScriptedBackend(answer) as backend, proxy_for(tmp_path, backend.url, rules=NAMED) as proxy:
        async with openai_client(proxy.url, max_retries=0) as client:
            if streamed:
                stream = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": value}], stream=True
                )
                text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            else:
                reply = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": value}]
                )
                text = reply.choices[0].message.content or ""
    if begin.startswith("Said"):
        assert text == f'{begin}{value}"}}', "prose has the value as it was"
    else:
        assert json.loads(text[text.index("{") :]) == {"name": value}


async def test_a_text_that_comes_twice_is_restored_both_times(tmp_path: Path) -> None:
    """Of the second it is known that no rule says anything; what stands for a value is in it all the same."""

    def answer(request: ReceivedRequest) -> Sequence[Action]:
        reply = whole(said(request))
        choices: Any = reply.body["choices"] if isinstance(reply.body, dict) else []
        choices.append({**choices[0], "index": 1})
        return [reply]

    async with ScriptedBackend(answer) as backend, proxy_for(tmp_path, backend.url, rules=RULES) as proxy:
        reply = await post(f"{proxy.url}/v1/chat/completions", ask(QUESTION, n=2))
        assert [choice["message"]["content"] for choice in reply.json["choices"]] == [QUESTION, QUESTION]
        assert (await proxy.finished())["outcome"] == "released"
