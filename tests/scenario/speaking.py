"""Every wire that speaks, as an application uses it: one conversation asked through the official client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import openai

from tests.clients import anthropic_client, openai_client
from tests.wire import replies

Heard = Callable[[str], Awaitable[None]]

HISTORY = [
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "1"},
    {"role": "user", "content": "two"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "three"},
]
SYSTEM = "You sell shoes."


@dataclass(frozen=True)
class Answer:
    """What a client has in the end."""

    text: str = ""
    finish: str | None = None
    status: int = 200
    code: str | None = None


@dataclass(frozen=True)
class Spoken:
    """One wire: how to ask on it, and what a backend says on it."""

    name: str
    path: str
    ask: Callable[[str, str, bool, Heard | None], Awaitable[Answer]]
    frames: Callable[[Sequence[str]], list[bytes]]
    whole: Callable[[str], Any]
    done: str  # how a whole reply ends, and one that was filtered
    filtered: str

    def __str__(self) -> str:
        return self.name


@asynccontextmanager
async def chatgpt(url: str, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai_client(url, key) as client:
        yield client


async def _chat(url: str, key: str, stream: bool, heard: Heard | None) -> Answer:
    messages: Any = [{"role": "system", "content": SYSTEM}, *HISTORY]
    async with chatgpt(url, key) as client:
        got = await client.chat.completions.create(
            model="m", messages=messages, stream=stream, temperature=0.9
        )
        if not isinstance(got, openai.AsyncStream):
            return Answer(got.choices[0].message.content or "", got.choices[0].finish_reason)
        text, finish = "", None
        async for chunk in got:
            text += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
            if heard is not None:
                await heard(text)
        return Answer(text, finish)


async def _completion(url: str, key: str, stream: bool, heard: Heard | None) -> Answer:
    async with chatgpt(url, key) as client:
        got = await client.completions.create(
            model="m", prompt="one", stream=stream, temperature=0.9, max_tokens=900
        )
        if not isinstance(got, openai.AsyncStream):
            return Answer(got.choices[0].text, got.choices[0].finish_reason)
        text, finish = "", None
        async for chunk in got:
            choice: Any = chunk.choices[0]  # typed as if each had a finish reason
            text += choice.text
            finish = choice.finish_reason or finish
            if heard is not None:
                await heard(text)
        return Answer(text, finish)


async def _response(url: str, key: str, stream: bool, heard: Heard | None) -> Answer:
    asked: Any = HISTORY
    async with chatgpt(url, key) as client:
        got = await client.responses.create(
            model="m", instructions=SYSTEM, input=asked, stream=stream, temperature=0.9
        )
        if not isinstance(got, openai.AsyncStream):
            return Answer(got.output_text, got.status)
        text, finish = "", None
        async for event in got:
            if event.type == "response.output_text.delta":
                text += event.delta
                if heard is not None:
                    await heard(text)
            elif event.type in ("response.completed", "response.incomplete", "response.failed"):
                finish = event.type.removeprefix("response.")
        return Answer(text, finish)


async def _message(url: str, key: str, stream: bool, heard: Heard | None) -> Answer:
    asked: Any = HISTORY
    async with anthropic_client(url, key) as client:
        got = await client.messages.create(
            model="m",
            system=SYSTEM,
            messages=asked,
            max_tokens=900,
            stream=stream,
            extra_body={"temperature": 0.9},
        )
        if not isinstance(got, anthropic.AsyncStream):
            return Answer("".join(getattr(block, "text", "") for block in got.content), got.stop_reason)
        text, finish = "", None
        async for event in got:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
                if heard is not None:
                    await heard(text)
            elif event.type == "message_delta":
                finish = event.delta.stop_reason
        return Answer(text, finish)


def _cut(raw: bytes) -> list[bytes]:
    return [frame + b"\n\n" for frame in raw.split(b"\n\n") if frame]


def _completion_frames(pieces: Sequence[str]) -> list[bytes]:
    def chunk(text: str, finish: str | None) -> bytes:
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
        body = {"id": "c1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    return [*(chunk(piece, None) for piece in pieces), chunk("", "stop"), b"data: [DONE]\n\n"]


def _whole_chat(text: str) -> Any:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def _whole_completion(text: str) -> Any:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
    return {"id": "c1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}


def _whole_response(text: str) -> Any:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}
    said = {
        "status": "completed",
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    return {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", **said}


SPOKEN = (
    Spoken(
        "chat", "/v1/chat/completions", _chat, lambda pieces: _cut(replies.chat(pieces).reply), _whole_chat,
        "stop", "content_filter",
    ),
    Spoken(
        "completions", "/v1/completions", _completion, _completion_frames, _whole_completion,
        "stop", "content_filter",
    ),
    Spoken(
        "responses", "/v1/responses", _response, lambda pieces: _cut(replies.responses(pieces).reply),
        _whole_response, "completed", "incomplete",
    ),
    Spoken(
        "messages", "/v1/messages", _message, lambda pieces: _cut(replies.messages(pieces).reply),
        lambda text: replies.whole_messages(text), "end_turn", "refusal",
    ),
)  # fmt: skip


async def answer_of(asking: Awaitable[Answer]) -> Answer:
    """The answer, or what the client was refused with."""
    try:
        return await asking
    except openai.APIStatusError as error:
        return Answer(status=error.status_code, code=error.code)
    except anthropic.APIStatusError as error:
        body: Any = error.body
        return Answer(status=error.status_code, code=body["error"]["type"])
