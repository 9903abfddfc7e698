"""Replies in the shapes that real backends send: whole bodies and full event streams, for every wire.

Each sample is what a backend would put on the socket, byte for byte. End-to-end tests reuse them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.model.record import Json


@dataclass(frozen=True)
class Sample:
    """One exchange: a call, its request, and the reply's bytes."""

    name: str
    path: str
    request: Mapping[str, Json]
    reply: bytes
    method: str = "POST"
    texts: Mapping[str, str] = field(default_factory=dict)  # what stands in each field of the reply

    @property
    def is_anthropic(self) -> bool:
        return "/messages" in self.path


def event(data: Json, name: str | None = None, *, end: str = "\n") -> bytes:
    """A frame as a backend writes it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    head = f"event: {name}{end}" if name else ""
    return f"{head}data: {text}{end}{end}".encode()


DONE = b"data: [DONE]\n\n"


def chat_request(**more: Json) -> dict[str, Json]:
    return {"model": "gpt-test", "messages": [{"role": "user", "content": "Hello?"}], **more}


def chat_chunk(choices: Sequence[Json], **more: Json) -> dict[str, Json]:
    return {
        "id": "chatcmpl-B1",
        "object": "chat.completion.chunk",
        "created": 1741569952,
        "model": "gpt-test-2",
        "service_tier": "default",
        "system_fingerprint": "fp_06737a9306",
        "choices": list(choices),
        **more,
    }


def delta(value: Mapping[str, Json], index: int = 0, finish: str | None = None, **more: Json) -> Json:
    return {"index": index, "delta": dict(value), "logprobs": None, "finish_reason": finish, **more}


def token(text: str) -> Json:
    return {
        "token": text,
        "logprob": -0.0009994634,
        "bytes": list(text.encode()),
        "top_logprobs": [{"token": text, "logprob": -0.0009994634, "bytes": list(text.encode())}],
    }


def chat_stream() -> bytes:
    """Plain text with `usage: null`, a usage chunk with no choices, unknown fields, obfuscation."""
    words = ["The", " capital", " of", " France", " is", " Paris", ".", " 🗼"]
    frames = [chat_chunk([delta({"role": "assistant", "content": "", "refusal": None})], usage=None)]
    frames += [chat_chunk([delta({"content": word})], usage=None, obfuscation="Xa9") for word in words]
    frames.append(chat_chunk([delta({}, finish="stop")], usage=None))
    frames.append(
        chat_chunk([], usage={"prompt_tokens": 19, "completion_tokens": 8, "total_tokens": 27, "big": 2**70})
    )
    return b"".join(event(frame) for frame in frames) + DONE


def chat_two_choices() -> bytes:
    """`n=2`, interleaved, once both in one frame; choice 1 ends first."""
    frames = [
        chat_chunk([delta({"role": "assistant", "content": "Red"}, 0)]),
        chat_chunk([delta({"role": "assistant", "content": "Blue"}, 1)]),
        chat_chunk([delta({"content": " roses"}, 0), delta({"content": " skies"}, 1)]),
        chat_chunk([delta({}, 1, "stop")]),
        chat_chunk([delta({"content": " bloom."}, 0)]),
        chat_chunk([delta({}, 0, "stop")]),
    ]
    return b"".join(event(frame) for frame in frames) + DONE


def tool_delta(index: int, arguments: str, **more: Json) -> Json:
    return {"index": index, **more, "function": {"arguments": arguments}}


def chat_tools() -> bytes:
    """Two tool calls, their arguments in fragments, an escape split over two of them."""
    first: Json = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": ""},
    }
    second: Json = {
        "index": 1,
        "id": "call_2",
        "type": "function",
        "function": {"name": "send_mail", "arguments": ""},
    }
    frames = [
        delta({"role": "assistant", "content": None, "tool_calls": [first]}),
        *[delta({"tool_calls": [tool_delta(0, part)]}) for part in ('{"ci', 'ty":"Par', 'is"}')],
        delta({"tool_calls": [second]}),
        *[delta({"tool_calls": [tool_delta(1, part)]}) for part in ('{"to":"a\\u0', "040b.example", '"}')],
        delta({}, finish="tool_calls"),
    ]
    return b"".join(event(chat_chunk([frame])) for frame in frames) + DONE


def chat_one_frame_tool() -> bytes:
    """A tool call that comes whole in one frame, as several local servers send it."""
    call: Json = {
        "index": 0,
        "id": "call_9",
        "type": "function",
        "function": {"name": "look_up", "arguments": '{"q":"rain"}'},
    }
    frames = [
        delta({"role": "assistant", "content": None}),
        delta({"tool_calls": [call]}),
        delta({}, finish="tool_calls"),
    ]
    return b"".join(event(chat_chunk([frame])) for frame in frames) + DONE


def chat_reasoning() -> bytes:
    """Reasoning ahead of the answer, comments to keep the connection alive, a provider's own fields."""
    frames = [
        delta({"role": "assistant", "content": None, "reasoning_content": "The user"}),
        delta({"content": None, "reasoning_content": " greets me."}),
        delta({"content": "Hello", "reasoning_content": None}),
        delta({"content": " there."}),
        delta({"content": ""}, finish="stop", native_finish_reason="eos_token"),
    ]
    out = b": OPENROUTER PROCESSING\n\n"
    return out + b": ping\n\n".join(event(chat_chunk([frame], provider="Test")) for frame in frames) + DONE


def chat_refusal() -> bytes:
    frames = [
        delta({"role": "assistant", "content": None, "refusal": ""}),
        delta({"refusal": "I'm sorry, I can't"}),
        delta({"refusal": " help with that."}),
        delta({}, finish="stop"),
    ]
    return b"".join(event(chat_chunk([frame])) for frame in frames) + DONE


def chat_logprobs() -> bytes:
    frames = [delta({"role": "assistant", "content": "", "refusal": None})]
    for word in ("Call", " me", " now"):
        entry = delta({"content": word})
        assert isinstance(entry, dict)
        frames.append({**entry, "logprobs": {"content": [token(word)], "refusal": None}})
    frames.append(delta({}, finish="stop"))
    return b"".join(event(chat_chunk([frame])) for frame in frames) + DONE


def chat_crlf() -> bytes:
    """CRLF line ends, `data:` without its space, an empty frame between two others."""
    frames = [
        delta({"role": "assistant", "content": "Hi"}),
        delta({"content": " you"}),
        delta({}, finish="stop"),
    ]
    texts = [json.dumps(chat_chunk([frame])) for frame in frames]
    return b"\r\n".join(f"data:{text}\r\n\r\n".encode() for text in texts) + b"data:[DONE]\r\n\r\n"


def chat_whole(**more: Json) -> bytes:
    """Pretty-printed, with every kind of text, an integer over 64 bits and an odd float."""
    body: Json = {
        "id": "chatcmpl-B1",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-test-2",
        "system_fingerprint": "fp_06737a9306",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Paris — of course.",
                    "refusal": None,
                    "reasoning_content": "Capital of France?",
                    "annotations": [],
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                        }
                    ],
                },
                "logprobs": {
                    "content": [token(word) for word in ("Paris", " —", " of", " course.")],
                    "refusal": None,
                },
                "finish_reason": "tool_calls",
            },
            {
                "index": 1,
                "message": {"role": "assistant", "content": "Lyon?"},
                "logprobs": None,
                "finish_reason": "stop",
            },
        ],
        "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
        "x_timing": {"seed": 2**80, "ratio": 1e-7},
        **more,
    }
    return json.dumps(body, indent=2).replace("1e-07", "1.00E-7").encode()


def completions_stream() -> bytes:
    def chunk(text: str, finish: str | None, logprobs: Json = None) -> Json:
        choice: Json = {"text": text, "index": 0, "logprobs": logprobs, "finish_reason": finish}
        return {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1741569952,
            "choices": [choice],
            "model": "gpt-test-instruct",
        }

    def tokens(text: str) -> Json:
        return {
            "tokens": [text],
            "token_logprobs": [-0.1],
            "top_logprobs": [{text: -0.1}],
            "text_offset": [0],
        }

    frames = [chunk("Once", None, tokens("Once")), chunk(" upon", None, tokens(" upon")), chunk("", "length")]
    return b"".join(event(frame) for frame in frames) + DONE


def completions_whole() -> bytes:
    body: Json = {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1741569952,
        "model": "gpt-test-instruct",
        "choices": [
            {"text": "Once upon", "index": 0, "logprobs": None, "finish_reason": "length"},
            {"text": "Twice", "index": 1, "logprobs": None, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
    }
    return json.dumps(body).encode()


def embeddings_whole() -> bytes:
    body: Json = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.0023064255, -0.009327292]}],
        "model": "text-embedding-test",
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }
    return json.dumps(body).encode()


def openai_models() -> bytes:
    entry: Json = {"id": "gpt-test", "object": "model", "created": 1686935002, "owned_by": "tests"}
    return json.dumps({"object": "list", "data": [entry]}).encode()


def anthropic_models() -> bytes:
    entry: Json = {
        "type": "model",
        "id": "claude-test",
        "display_name": "Claude Test",
        "created_at": "2025-02-19T00:00:00Z",
    }
    return json.dumps(
        {"data": [entry], "has_more": False, "first_id": "claude-test", "last_id": None}
    ).encode()


def count_tokens_whole() -> bytes:
    return b'{"input_tokens":2095}'
