"""The texts of a response's output items, which a stream repeats in many of its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Kind, Path, ToolCall
from proxy.wire.base import ReplyFacts, RequestView
from proxy.wire.data import is_sealed, said
from proxy.wire.logprobs import edit_tokens
from proxy.wire.members import Members
from proxy.wire.shape import at, field_name, is_plain, leaves, mapping, sequence, string

_PASSED_KEYS = frozenset(("encrypted_content", "phase", "fingerprint"))

# Keys of a response that the API knows; what is not here is judged.
RESPONSE_KEYS = frozenset(
    (
        "id", "object", "created_at", "completed_at", "status", "background", "incomplete_details", "instructions",
        "max_output_tokens", "max_tool_calls", "model", "output", "parallel_tool_calls", "previous_response_id",
        "prompt", "prompt_cache_key", "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier",
        "store", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "usage",
        "user", "metadata", "conversation", "billing", "frequency_penalty", "presence_penalty",
        "prompt_cache_options", "moderation", "context_management",
    )
)  # fmt: skip


RESPONSE_NAMES = (
    "id", "object", "status", "model", "service_tier", "usage", "previous_response_id", "created_at",
    "completed_at", "incomplete_details", "conversation", "billing",
)  # fmt: skip
"""Those of them that hold names and numbers of the backend's own."""

ECHO_KEYS = RESPONSE_KEYS.difference(RESPONSE_NAMES, ("output",))
"""Those that repeat the request's own words or settings."""


class Echo:
    """What a response repeats of its request. All else at those keys is text of the reply's own."""

    __slots__ = ("_request", "_told")

    def __init__(self, request: RequestView | None) -> None:
        self._request: Mapping[str, Json] = {} if request is None else request.echo
        self._told: dict[str, frozenset[str]] = {}

    def repeats(self, key: str, value: Json) -> bool:
        """Whether there is nothing new at one of ECHO_KEYS, at a glance."""
        return is_plain(value) or self._request.get(key) == value

    def news(self, key: str, value: Json) -> Iterator[tuple[Path, str]]:
        """The strings at it that the request did not hold there, with their paths in the response. Backends
        complete what they repeat with their defaults."""
        for where, leaf in leaves(value, (key,)):
            text = None if self.holds(where, leaf) else said(where, leaf)
            if text is not None:
                yield where, text

    def holds(self, path: Path, text: str) -> bool:
        """Whether the request held that string, key or number, too, at the key that the path begins with."""
        key = str(path[1] if path[0] == "response" and len(path) > 1 else path[0])
        if key not in ECHO_KEYS:
            return False
        told = self._told.get(key)
        if told is None:
            value = self._request.get(key)
            found = (*leaves(value, (key,)), *Members().found({key: value}))
            told = self._told[key] = frozenset(text for _, text in found)
        return text in told


def item_texts(item: Json, index: int) -> Iterator[tuple[Channel, Path, str]]:
    """Each text of the output item at `index`, with its path within the item. Data and tokens are left out."""
    reasoning = mapping(item).get("type") == "reasoning"
    if isinstance(item, str) and item:
        yield channel_of(index, ()), (), item
    for path, leaf in leaves(item, ()):
        key = path[0]
        if (key in _PASSED_KEYS and is_sealed(leaf)) or path[2:3] == ("logprobs",):
            continue
        channel = channel_of(index, path, reasoning=reasoning)
        text = said(path, leaf) if channel.kind is Kind.OTHER else leaf
        if text is not None:
            yield channel, path, text


def part_logprobs(item: Json) -> Iterator[tuple[Path, Json, str]]:
    """The token entries beside each text of an item, with their path within the item and that text."""
    for number, part in enumerate(sequence(mapping(item).get("content"))):
        entries = mapping(part).get("logprobs")
        if entries:
            yield ("content", number, "logprobs"), entries, string(mapping(part).get("text")) or ""


def item_data(item: Json) -> Iterator[tuple[Path, str]]:
    """Each string of the item that holds data, with its path within the item."""
    for path, leaf in leaves(item, ()):
        if (
            path[0] not in _PASSED_KEYS
            and channel_of(0, path).kind is Kind.OTHER
            and said(path, leaf) is None
        ):
            yield path, leaf


def channel_of(index: int, path: Path, *, reasoning: bool = False) -> Channel:
    """The channel of the text at a path within the output item at `index`."""
    field = field_name(("output", index, *path))
    match path:
        case ("content", int(), "text"):
            # Clients put the texts of all messages together, as `output_text`.
            return Channel(field, 0, Kind.REASONING) if reasoning else Channel(field, 0, chain="output_text")
        case ("content", int(), "refusal"):
            return Channel(field, 0, Kind.REFUSAL)
        case ("summary", int(), "text"):
            return Channel(field, 0, Kind.REASONING)
        case ("arguments",):
            return Channel(field, 0, Kind.TOOL, json=True)
        case ("input",) | ("code",):
            return Channel(field, 0, Kind.TOOL)
        case _:
            return Channel(field, 0, Kind.OTHER)


def item_tool(item: Json) -> ToolCall | None:
    """Who the item's arguments belong to; None for an item that calls nothing."""
    values = mapping(item)
    if not values.keys() & {"arguments", "input", "code"}:
        return None
    return ToolCall(string(values.get("call_id")) or string(values.get("id")), string(values.get("name")))


def response_facts(reply: Mapping[str, Json], tools: Mapping[Channel, ToolCall]) -> ReplyFacts:
    """What a response object tells about itself. Its finish reason is why it is incomplete, else its status."""
    logprobs: list[Json] = []
    for item in sequence(reply.get("output")):
        for part in sequence(mapping(item).get("content")):
            logprobs.extend(sequence(mapping(part).get("logprobs")))
    return ReplyFacts(
        model=string(reply.get("model")),
        id=string(reply.get("id")),
        finish_reason=string(mapping(reply.get("incomplete_details")).get("reason"))
        or string(reply.get("status")),
        usage=reply.get("usage"),
        logprobs=logprobs or None,
        tools=tools,
    )


def token_copies(body: Json, path: Path, text: str, edit: Edit) -> dict[Path, bytes | None]:
    """The token entries beside the text at `path` that repeat it."""
    if path[-1] not in ("text", "delta"):
        return {}
    beside: Path = (*path[:-1], "logprobs")
    entries = sequence(_beside(body, path).get("logprobs"))
    return edit_tokens(entries, beside, text, edit, nothing=b"[]") if entries else {}


def _beside(body: Json, path: Path) -> Mapping[str, Json]:
    return mapping(at(body, path[:-1]))
