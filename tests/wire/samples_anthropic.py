"""Replies of the Messages API, in the shapes that the real backend sends."""

from __future__ import annotations

import base64
import json
from typing import Final

from proxy.model.record import Json
from tests.wire.samples import event

SIGNATURE: Final = base64.b64encode(bytes(range(120, 249))).decode()


def messages_request(**more: Json) -> dict[str, Json]:
    said: Json = [{"role": "user", "content": "Hello?"}]
    return {"model": "claude-test", "max_tokens": 1024, "messages": said, **more}


def message_start(**more: Json) -> bytes:
    message: Json = {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-test-1",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 1},
        **more,
    }
    return event({"type": "message_start", "message": message}, "message_start")


def block_start(index: int, block: Json) -> bytes:
    return event(
        {"type": "content_block_start", "index": index, "content_block": block}, "content_block_start"
    )


def block_delta(index: int, value: Json) -> bytes:
    return event({"type": "content_block_delta", "index": index, "delta": value}, "content_block_delta")


def block_stop(index: int) -> bytes:
    return event({"type": "content_block_stop", "index": index}, "content_block_stop")


def message_end(reason: str = "end_turn") -> bytes:
    change: Json = {"stop_reason": reason, "stop_sequence": None}
    usage: Json = {"output_tokens": 89}
    return event({"type": "message_delta", "delta": change, "usage": usage}, "message_delta") + event(
        {"type": "message_stop"}, "message_stop"
    )


PING = event({"type": "ping"}, "ping")


def messages_stream() -> bytes:
    """Thinking with its signature, text with a citation, a tool call, a ping between."""
    citation: Json = {
        "type": "char_location",
        "cited_text": "Paris is the capital.",
        "document_index": 0,
        "document_title": "Atlas",
        "start_char_index": 0,
        "end_char_index": 21,
    }
    tool: Json = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
    return b"".join(
        [
            message_start(),
            block_start(0, {"type": "thinking", "thinking": "", "signature": ""}),
            PING,
            block_delta(0, {"type": "thinking_delta", "thinking": "They greet"}),
            block_delta(0, {"type": "thinking_delta", "thinking": " me."}),
            block_delta(0, {"type": "signature_delta", "signature": SIGNATURE}),
            block_stop(0),
            block_start(1, {"type": "text", "text": ""}),
            block_delta(1, {"type": "text_delta", "text": "Bonjour"}),
            block_delta(1, {"type": "text_delta", "text": " — Paris."}),
            block_delta(1, {"type": "citations_delta", "citation": citation}),
            block_stop(1),
            block_start(2, tool),
            block_delta(2, {"type": "input_json_delta", "partial_json": ""}),
            block_delta(2, {"type": "input_json_delta", "partial_json": '{"city": "Pa'}),
            block_delta(2, {"type": "input_json_delta", "partial_json": 'ris"}'}),
            block_stop(2),
            message_end("tool_use"),
        ]
    )


def messages_server_tool() -> bytes:
    """A server tool whose result comes whole in its block's start, and an event of an unknown type."""
    result: Json = {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [
            {
                "type": "web_search_result",
                "title": "Weather in Paris",
                "url": "https://weather.example/paris",
                "encrypted_content": "Eo8B" + "Qx9z" * 90,
                "page_age": None,
            }
        ],
    }
    search: Json = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    return b"".join(
        [
            message_start(),
            block_start(0, search),
            block_delta(0, {"type": "input_json_delta", "partial_json": '{"query":"paris weather"}'}),
            block_stop(0),
            block_start(1, result),
            block_stop(1),
            event({"type": "content_block_news", "note": "something that came later"}, "content_block_news"),
            block_start(2, {"type": "text", "text": ""}),
            block_delta(2, {"type": "text_delta", "text": "It rains."}),
            block_stop(2),
            message_end(),
        ]
    )


def messages_whole() -> bytes:
    body: Json = {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-test-1",
        "content": [
            {"type": "thinking", "thinking": "They greet me.", "signature": SIGNATURE},
            {"type": "text", "text": "Bonjour — Paris.", "citations": None},
            {
                "type": "tool_use",
                "id": "toolu_1",
                "name": "get_weather",
                "input": {"city": "Paris", "zip": 75001, "seed": 2**70, "ratio": 0.1},
            },
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 89},
    }
    return json.dumps(body, indent=1).replace("0.1", "1.0E-1").encode()
