"""A backend that keeps what is said on the responses API, and an application that goes on from that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import openai
from pydantic import SecretStr

from proxy.settings import ClientSettings
from tests.clients import openai_client
from tests.fakes import Action, Json, ReceivedRequest, ScriptedBackend, Sse
from tests.fakes.strict import strict
from tests.scenario.harness import Proxy, proxy_for
from tests.wire import replies

RULES: Final = """\
rules:
  - {id: ravens, on: input, detect: {phrases: [raven]}, action: block, message: No ravens.}
  - {id: names, on: input, detect: {phrases: [alice]}, action: redact}
  - {id: leaks, on: output, detect: {prompt_leak: {words: 6}}, action: block, message: No.}
  - {id: eagles, on: output, detect: {phrases: [eagle]}, action: redact}
containment:
  degraded: {keep_messages: 3, system_prompt: Be brief., temperature: 0.5, max_output_tokens: 100, tools: false}
  restricted: {allow: ["app:shop"]}
"""
CLIENTS: Final = (
    ClientSettings("shop", "shop", SecretStr("shop-key")),
    ClientSettings("other", "other", SecretStr("other-key")),
)


class Keeper:
    """A backend that numbers its responses and keeps them. `says` tells what is said, by the request's number."""

    def __init__(
        self, says: Callable[[int], str | list[dict[str, Any]]] = lambda number: f"answer {number}"
    ) -> None:
        self.says = says
        self.kept: dict[str, Any] = {}

    def __call__(self, request: ReceivedRequest) -> Sequence[Action]:
        if request.method == "GET":
            kept = self.kept[request.path.rpartition("/")[2]]
            return [Json({**kept, "status": "completed"})]
        body: Any = request.json
        number = len(self.kept) + 1
        said = self.says(number)
        text: list[dict[str, Any]] = (
            [{"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed",
              "content": [{"type": "output_text", "text": said, "annotations": []}]}]
            if isinstance(said, str) else said
        )  # fmt: skip
        whole = {
            "id": f"resp_{number}", "object": "response", "created_at": 1, "model": body["model"], "tools": [],
            "output": text, "status": "completed", "instructions": body.get("instructions"),
            "previous_response_id": body.get("previous_response_id"), "parallel_tool_calls": True,
            "tool_choice": "auto",
        }  # fmt: skip
        self.kept[f"resp_{number}"] = whole
        if body.get("background"):
            return [Json({**whole, "output": [], "status": "queued"})]
        if body.get("stream") and isinstance(said, str):
            raw = replies.responses([said[:3], said[3:]]).reply.replace(b"resp_1", f"resp_{number}".encode())
            return [Sse([frame + b"\n\n" for frame in raw.split(b"\n\n") if frame])]
        return [Json(whole)]


@asynccontextmanager
async def talking(
    folder: Path, keeper: Keeper | None = None, **changes: Any
) -> AsyncIterator[tuple[Proxy, ScriptedBackend, openai.AsyncOpenAI]]:
    changes = {"rules": RULES, "clients": CLIENTS, **changes}
    async with (
        ScriptedBackend(strict(keeper or Keeper())) as backend,
        proxy_for(folder, backend.url, **changes) as proxy,
        client_of(proxy, "shop") as client,
    ):
        yield proxy, backend, client


def client_of(proxy: Proxy, name: str) -> openai.AsyncOpenAI:
    return openai_client(proxy.url, f"{name}-key", max_retries=0)


async def say(client: openai.AsyncOpenAI, text: Any, *, stream: bool = False, **more: Any) -> tuple[str, str]:
    """The reply's id and its text."""
    got = await client.responses.create(model="m", input=text, stream=stream, **more)
    if not isinstance(got, openai.AsyncStream):
        return got.id, got.output_text
    id, said = "", ""
    async for event in got:
        if event.type == "response.completed":
            id, said = event.response.id, event.response.output_text
    return id, said


async def chain(client: openai.AsyncOpenAI, *texts: str, stream: bool = False, **more: Any) -> str:
    """The last reply's id."""
    id: str | None = None
    for text in texts:
        kept = {} if id is None else {"previous_response_id": id}
        id, _ = await say(client, text, stream=stream, **kept, **more)
    assert id is not None
    return id


def sent(backend: ScriptedBackend) -> Any:
    return backend.requests[-1].json


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
