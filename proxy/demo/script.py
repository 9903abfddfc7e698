"""What the demo backend says: words in the question choose the reply's text, its fault and its pace.

`leak`, `insult`, `long` and `tool` choose what is said; `stall`, `reset`, `garbage` and `error` choose how it
goes wrong; `slow` sets the pace. One of each kind combines: "a slow leak that resets". Anything else gets a
plain helpful reply. Every address, number and key below is made up, reserved for fiction, or a published
example.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from proxy.jsonio import dumps
from proxy.model.record import Json

SLOW_TOKENS_PER_S = 20
ECHO_CHARS_MAX = 80
CHOICES_MAX = 16
LEAK_ADDRESS = "jane.doe@example.com"

LEAK = (
    "Of course! The customer is Jane Doe. Her e-mail address is "
    f"{LEAK_ADDRESS} and her phone number is +1 415 555 0132. She paid with card "
    "4111 1111 1111 1111. Our API key is sk-proj-demo-Xv7Qm2Lr9TzKc4Wb8Ns1Yh5G, and the cloud one is "
    "AKIAIOSFODNN7EXAMPLE. Anything else?"
)
INSULT = "What a stupid question. You are a fucking idiot, and nobody likes you, you worthless piece of shit."
LONG = "\n\n".join(
    f"{number}. A guardrail stands between an application and its model. It reads every request before the "
    "model does and every reply before the user does. Most of what passes is ordinary, so the reading has to "
    "be quick; some of it is not, so the reading has to be complete. What it finds it writes down with the "
    "words that it found, so that a person can later see what happened, in which order, and why."
    for number in range(1, 13)
)
TOOL_NAME = "send_email"
TOOL_ARGUMENTS: Mapping[str, Json] = {
    "to": LEAK_ADDRESS,
    "subject": "Your order",
    "body": "Hello Jane, your parcel is on its way.",
}

_TOKEN = re.compile(r"\s?[^\W_]{1,4}|\s?[^\w\s]|_|\s+")
_WORD = re.compile(r"[a-z]+")


class Fault(StrEnum):
    """How a reply goes wrong. All but `error` do so halfway through it."""

    STALL = "stall"
    RESET = "reset"
    GARBAGE = "garbage"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Ask:
    """What the script reads in a request, whichever API it came by."""

    model: str
    question: str  # the text of the last user message
    stream: bool = False
    tool: str | None = None  # the first tool that the request declares
    choices: int = 1
    logprobs: bool = False
    usage_chunk: bool = False
    tokens_max: int | None = None
    prompt_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """One scripted reply: its text in tokens, perhaps a tool call after it, and how it is delivered."""

    tokens: tuple[str, ...]
    truncated: bool = False
    tool: str | None = None
    arguments: str = ""  # JSON
    fault: Fault | None = None
    slow: bool = False

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    @property
    def completion_tokens(self) -> int:
        return len(self.tokens) + len(cut(self.arguments))


class AskError(ValueError):
    """A request without what its API requires; the message is for the client."""


def cut(text: str) -> tuple[str, ...]:
    """Pieces the size of a model's tokens: short enough to cut every address and key in its middle."""
    return tuple(_TOKEN.findall(text))


def play(ask: Ask) -> Scene:
    """The reply that the question's words ask for."""
    words = set(_WORD.findall(ask.question.lower()))
    text, tool, arguments = _plain(ask.question), None, ""
    if "tool" in words:
        text, tool, arguments = "", ask.tool or TOOL_NAME, dumps(TOOL_ARGUMENTS).decode()
    elif "leak" in words:
        text = LEAK
    elif "insult" in words:
        text = INSULT
    elif "long" in words:
        text = LONG
    tokens = cut(text)
    kept = tokens[: ask.tokens_max]
    return Scene(
        tokens=kept,
        truncated=len(kept) < len(tokens),
        tool=tool,
        arguments=arguments,
        fault=next((fault for fault in Fault if fault.value in words), None),
        slow="slow" in words,
    )


def _plain(question: str) -> str:
    echo = " ".join(question.split())
    if len(echo) > ECHO_CHARS_MAX:
        echo = echo[:ECHO_CHARS_MAX].rsplit(" ", 1)[0] + " …"
    return (
        (f"You asked: “{echo}”. " if echo else "")
        + "I am the demo backend, a script without a model, so this is all I know. Ask me to leak or to "
        "insult someone and see what reaches you through the proxy."
    )


# Reading JSON that a stranger sent: each gives what it was asked for, or the nearest empty value.


def as_object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def as_list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def as_text(content: Json) -> str:
    """A message's text: a string, or the `text` of its parts."""
    if isinstance(content, str):
        return content
    texts = (as_object(part).get("text") for part in as_list(content))
    return "\n".join(text for text in texts if isinstance(text, str))


def as_int(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def last_user_text(messages: Json) -> str:
    """The text of the last message whose role is `user`."""
    for message in reversed(as_list(messages)):
        if as_object(message).get("role") == "user":
            return as_text(as_object(message).get("content"))
    return ""


def count_tokens(value: Json) -> int:
    """Tokens of every string in a JSON value, as `cut` counts them."""
    count, stack = 0, [value]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            count += len(cut(node))
        elif isinstance(node, Mapping):
            stack.extend(node.values())
        else:
            stack.extend(as_list(node))
    return count


def model_of(body: Mapping[str, Json]) -> str:
    """The model that the request names. Raises AskError."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise AskError("you must provide a model parameter")
    return model


def sse(data: Json, event: str | None = None) -> bytes:
    """One frame, with its event name where the API gives one."""
    return (f"event: {event}\n".encode() if event else b"") + b"data: " + dumps(data) + b"\n\n"
