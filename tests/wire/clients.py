"""The official clients before bytes that a test chose: no socket, their own parsing."""

from __future__ import annotations

import anthropic
import httpx2
import openai


def _answer(body: bytes, status: int) -> httpx2.MockTransport:
    stream = body.startswith((b"data:", b"event:", b":"))
    kind = "text/event-stream" if stream else "application/json"

    def handle(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=body, headers={"content-type": kind})

    return httpx2.MockTransport(handle)


def openai_client(body: bytes, status: int = 200) -> openai.OpenAI:
    return openai.OpenAI(
        api_key="k",
        base_url="http://proxy.test/v1",
        max_retries=0,
        http_client=httpx2.Client(transport=_answer(body, status)),
    )


def anthropic_client(body: bytes, status: int = 200) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        api_key="k",
        base_url="http://proxy.test",
        max_retries=0,
        http_client=httpx2.Client(transport=_answer(body, status)),
    )
