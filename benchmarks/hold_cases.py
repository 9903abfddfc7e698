"""The exchanges of `benchmarks.hold`: bodies of 250 KB, and what was found to cost the most."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Final

SIZE: Final = 250_000
GLANCED: Final = 128 * 1024
"""The longest text that is glanced over."""
PROSE: Final = "The parcel left our warehouse on Monday and should reach you within three days. "
DIGITS: Final = "212 555 0123 4 "
MAIL: Final = "write to jane.doe@example.com or "
WIDE: Final = "Ｗｉｄｅ ｔｅｘｔ ｗｉｔｈ accénts and юникод. "
_RANDOM: Final = random.Random(3)


def filled(part: str, size: int = SIZE) -> str:
    return (part * (size // len(part) + 1))[:size]


def words(size: int) -> str:
    """Random letters, in words of random lengths."""
    out: list[str] = []
    while size > 0:
        out.append("".join(_RANDOM.choices("abcdefghijklmnopqrstuvwxyz", k=_RANDOM.randint(2, 9))))
        size -= len(out[-1]) + 1
    return " ".join(out)


def user(content: object) -> list[object]:
    return [{"role": "user", "content": content}]


def _turns(part: str, chars: int) -> list[object]:
    size = max(1, chars // len(part))
    return [
        {"role": "user" if turn % 2 == 0 else "assistant", "content": f"{turn} " + part * size}
        for turn in range(SIZE // (size * len(part)))
    ]


def _call(arguments: object) -> list[object]:
    function = {"name": "f", "arguments": json.dumps(arguments)}
    return [{"role": "assistant", "tool_calls": [{"id": "t", "type": "function", "function": function}]}]


def _encoded(size: int) -> str:
    return base64.b64encode(_RANDOM.randbytes(size * 3 // 4)).decode()


def _tools(count: int) -> dict[str, object]:
    def tool(number: int) -> object:
        schema = {"type": "object", "properties": {f"p{number}": {"type": "string"}}}
        return {"type": "function", "function": {"name": f"tool_{number}", "parameters": schema}}

    return {"messages": user("hi"), "tools": [tool(number) for number in range(count)]}


REQUESTS: Final[MappingProxyType[str, Callable[[], object]]] = MappingProxyType(
    {
        "prose": lambda: user(filled(PROSE)),
        "digits": lambda: user(filled(DIGITS)),
        "digits without a gap": lambda: user(filled("7")),
        "mail": lambda: user(filled(MAIL)),
        "wide": lambda: user(filled(WIDE)),
        "A_ and again": lambda: user(filled("A_")),
        "base64": lambda: user(_encoded(SIZE)),
        "random words": lambda: user(words(SIZE)),
        "many messages": lambda: _turns(PROSE, 60),
        "short messages": lambda: [{"role": "user", "content": f"hello {n}"} for n in range(6_000)],
        "tool arguments": lambda: _call([{"a": n, "b": "x@y.de"} for n in range(11_000)]),
        "arguments of many keys": lambda: _call({f"key_{n}": f"value {n}" for n in range(9_000)}),
        "many parts": lambda: user([{"type": "text", "text": "a b@c.de "} for _ in range(8_000)]),
        "many tools": lambda: _tools(3_000),
        "a new system prompt": lambda: [{"role": "system", "content": words(SIZE)}, *user("hi")],
        "1 MB of random words": lambda: user(words(1_000_000)),
        "glanced prose": lambda: user(filled(PROSE, GLANCED)),
        "glanced digits": lambda: user(filled(DIGITS, GLANCED)),
        "glanced mail": lambda: user(filled(MAIL, GLANCED)),
        "glanced A_ and again": lambda: user(filled("A_", GLANCED)),
        "glanced letters": lambda: user(filled("a b ", GLANCED)),
        "glanced base64": lambda: user(_encoded(GLANCED)),
        "glanced random words": lambda: user(words(GLANCED)),
    }
)
"""What is asked: messages, or (a dictionary) more of the body."""

WHOLE: Final = ("prose", "digits", "digits without a gap", "mail", "wide")
_FRAMES: Final[MappingProxyType[str, Callable[[], object]]] = MappingProxyType(
    {
        "8,000 strings": lambda: {"x_notes": [f"note {n}" for n in range(8_000)]},
        "100,000 strings": lambda: {"x_notes": [f"note {n}" for n in range(100_000)]},
        "3,000 redactions": lambda: filled(MAIL, 3_000 * len(MAIL)),
        "logprobs of 5,000 tokens": lambda: {
            "logprobs": {"content": [{"token": "word ", "logprob": -1, "top_logprobs": []}] * 5_000}
        },
    }
)
"""Streams of one frame: the text of its delta, or what else stands in its choice."""


def body(case: str) -> dict[str, object]:
    """What the client sends."""
    how, _, kind = case.partition("/")
    asked = REQUESTS[kind]() if how == "ask" else user("hi")
    more = asked if isinstance(asked, dict) else {"messages": asked}
    return {"model": "m", "metadata": {"case": case}, "stream": how in ("burst", "delta", "frame"), **more}


def cases() -> list[str]:
    found = [f"ask/{kind}" for kind in REQUESTS]
    found += [f"{how}/{kind}" for how in ("whole", "burst", "delta") for kind in WHOLE]
    return [*found, "whole/20,000 strings", *(f"frame/{kind}" for kind in _FRAMES)]


def _content(kind: str) -> str:
    asked = REQUESTS[kind]()
    return str(asked[0]["content"])  # type: ignore[index]


def _chunk(delta: object, finish: str | None = None) -> bytes:
    choice: dict[str, object] = {"index": 0, "delta": {}, "finish_reason": finish}
    choice.update({"delta": {"content": delta}} if isinstance(delta, str) else dict(delta))  # type: ignore[call-overload]
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def whole(case: str) -> object:
    """The backend's answer, where it is no stream."""
    how, _, kind = case.partition("/")
    message: dict[str, object] = {"role": "assistant", "content": "Yes."}
    if kind == "20,000 strings":
        message["x_notes"] = [f"note {n}" for n in range(20_000)]
    elif how == "whole":
        message["content"] = _content(kind)
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}


def stream(case: str) -> Iterator[bytes]:
    """The backend's answer, where it is one."""
    how, _, kind = case.partition("/")
    if how == "frame":
        yield _chunk(_FRAMES[kind]())
    else:
        text, size = _content(kind), 8 if how == "burst" else SIZE
        for at in range(0, len(text), size):
            yield _chunk(text[at : at + size])
    yield _chunk("", "stop") + b"data: [DONE]\n\n"
