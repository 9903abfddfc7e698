"""The stream of POST /v1/chat/completions. Source: the OpenAI API reference, and the official client's types."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Kind, Path
from proxy.wire.base import Event, Piece, RequestView
from proxy.wire.data import said
from proxy.wire.logprobs import edit_tokens, repeats, series_of
from proxy.wire.openai_choices import CHOICE_KEYS, ChoicesReader
from proxy.wire.shape import compact, field_name, is_plain, leaves, mapping, sequence, string

TEXT_KINDS: Mapping[str, Kind] = {
    "content": Kind.TEXT,
    "refusal": Kind.REFUSAL,
    "reasoning_content": Kind.REASONING,
    "reasoning": Kind.REASONING,
    "thinking": Kind.REASONING,
}
"""What the known text keys of a message are for; strings under others are read too, as OTHER."""


PARTS_CHAIN = "content"
"""The chain of the parts where content is a list, as some backends send it: clients put their texts together."""


def is_part_text(path: Path) -> bool:
    """Whether the string at a path in a message is the text of such a part."""
    return len(path) == 3 and path[0] == "content" and path[2] == "text"


_TOKEN_KEYS = frozenset(("content", "refusal"))


class ChatReader(ChoicesReader):
    """A streamed chat completion."""

    object_name = "chat.completion.chunk"
    id_prefix = "chatcmpl-"
    read_keys = CHOICE_KEYS | {"delta", "message", "text"}

    def __init__(self, request: RequestView, *, id: str, created: int) -> None:
        super().__init__(request, id=id, created=created)
        self._deltas: set[int] = set()  # choices that send deltas

    def read_choice(
        self, choice: Mapping[str, Json], path: Path, index: int, pieces: list[Piece], closes: list[Channel]
    ) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._deltas.add(index)
            for key, value in delta.items():
                if value is None or value == "" or (key == "role" and is_plain(value)):
                    continue
                if key in TEXT_KINDS and isinstance(value, str):
                    channel = self.channel(index, f"message.{key}", TEXT_KINDS[key])
                    pieces.append(Piece(channel, (*path, "delta", key), value))
                elif key == "tool_calls" and isinstance(value, list):
                    for position, call in enumerate(value):
                        where = (*path, "delta", key, position)
                        if isinstance(call, dict):
                            self._tool_call(call, where, index, position, pieces, closes)
                        else:
                            self._nested(call, where, index, pieces)
                elif key == "function_call" and isinstance(value, dict):
                    self._function(value, (*path, "delta", key), index, f"message.{key}", None, pieces)
                else:
                    self._nested(value, (*path, "delta", key), index, pieces)
        elif delta is not None:
            self._nested(delta, (*path, "delta"), index, pieces)
        text = choice.get("text")  # some backends repeat each fragment here
        if isinstance(text, str):
            if text:
                pieces.append(Piece(self.channel(index, "text"), (*path, "text"), text))
        elif text is not None:
            self._nested(text, (*path, "text"), index, pieces)
        if choice.get("message") is not None:
            self._message(choice["message"], (*path, "message"), index, pieces, closes)
        logprobs = choice.get("logprobs")
        if logprobs is not None:
            if isinstance(logprobs, dict):
                self._tokens(logprobs, mapping(delta), path, index, pieces)
            else:
                self._nested(logprobs, (*path, "logprobs"), index, pieces)

    def _message(
        self,
        message: Json,
        path: Path,
        index: int,
        pieces: list[Piece],
        closes: list[Channel],
    ) -> None:
        """A whole message: some backends repeat it so far beside the delta, others send it in the delta's place."""
        repeats = index in self._deltas
        if not isinstance(message, dict):
            self._nested(message, path, index, pieces)
            return
        for key, value in message.items():
            if key == "role" and is_plain(value):
                continue
            if isinstance(value, str) and value:
                channel = self.channel(index, f"message.{key}", TEXT_KINDS.get(key, Kind.OTHER))
                pieces.append(Piece(channel, (*path, key), value, copy=repeats))
            elif not isinstance(value, str):
                name = ("choices", index, "message", key)
                self.once(value, (*path, key), name, index, pieces, closes)

    def text_choice(self, index: int, text: str, *, begun: bool) -> dict[str, Json]:
        delta: dict[str, Json] = {"content": text} if begun else {"role": "assistant", "content": text}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def finish_choice(self, index: int) -> dict[str, Json]:
        return {"index": index, "delta": {}, "logprobs": None, "finish_reason": "content_filter"}

    def copies(self, event: Event, piece: Piece, edit: Edit) -> dict[Path, bytes | None]:
        return {} if piece.copy else logprob_copies(event.body, piece.path, piece.text, edit)

    def _tool_call(
        self,
        call: Mapping[str, Json],
        path: Path,
        index: int,
        position: int,
        pieces: list[Piece],
        closes: list[Channel],
    ) -> None:
        number = call.get("index")
        # Clients compare the indices of calls: to Python's, true and 1.0 are 1.
        number = int(number) if isinstance(number, int | float) and number == number // 1 else position
        name = f"message.tool_calls[{number}]"
        for key, value in call.items():
            if key in ("function", "custom") and isinstance(value, dict):
                self._function(value, (*path, key), index, f"{name}.{key}", call.get("id"), pieces)
            elif key not in ("id", "type", "index") or not is_plain(value):
                named = ("choices", index, "message", "tool_calls", number, key)
                self.once(value, (*path, key), named, index, pieces, closes)

    def _function(
        self, function: Mapping[str, Json], path: Path, index: int, name: str, id: Json, pieces: list[Piece]
    ) -> None:
        called = function.get("name")
        for key, value in function.items():
            if not value:
                continue
            if key in ("arguments", "input"):
                channel = self.channel(index, f"{name}.{key}", Kind.TOOL, json=key == "arguments")
                text = value if isinstance(value, str) else compact(value)
                if text is None:
                    self._nested(value, (*path, key), index, pieces)
                else:
                    pieces.append(Piece(channel, (*path, key), text))
            elif isinstance(value, str):
                pieces.append(Piece(self.channel(index, f"{name}.{key}", Kind.OTHER), (*path, key), value))
            else:
                self._nested(value, (*path, key), index, pieces)
        key = "input" if name.endswith(".custom") else "arguments"
        self.told.name_tool(
            self.channel(index, f"{name}.{key}", Kind.TOOL, json=key == "arguments"), id, called
        )

    def _nested(self, value: Json, path: Path, index: int, pieces: list[Piece]) -> None:
        """Strings below a key that is no plain text (a list of parts): each place is a growing text."""
        for where, leaf in leaves(value, path):
            name = field_name(("message", *where[3:]))
            if is_part_text(where[3:]):
                pieces.append(Piece(self.channel(index, name, chain=PARTS_CHAIN), where, leaf))
                continue
            text = said(where, leaf)
            if text is None:
                self.unread = "data"
            else:
                pieces.append(Piece(self.channel(index, name, Kind.OTHER), where, text))

    def _tokens(
        self,
        logprobs: Mapping[str, Json],
        delta: Mapping[str, Json],
        path: Path,
        index: int,
        pieces: list[Piece],
    ) -> None:
        self.tokens_repeat = logprobs.keys() <= _TOKEN_KEYS
        for key, value in logprobs.items():
            if value is None or value == []:
                continue
            entries = sequence(value)
            if key == "content":
                self.told.take_logprobs(index, entries)
            text = string(delta.get(key)) or ""
            if self.odd_tokens or not repeats(entries, text):
                self.tokens_repeat = False
                self.spelled(
                    series_of(value, (*path, "logprobs", key)), index, f"logprobs.{key}", text, pieces
                )


def logprob_copies(body: Json, path: Path, text: str, edit: Edit) -> dict[Path, bytes | None]:
    """The log-probabilities that repeat the string at `path` (choices, n, message or delta, content)."""
    if len(path) != 4 or path[0] != "choices" or path[2] not in ("message", "delta"):
        return {}
    choice = mapping(sequence(mapping(body).get("choices"))[int(path[1])])
    key = str(path[3])
    entries = sequence(mapping(choice.get("logprobs")).get(key))
    return edit_tokens(entries, (*path[:2], "logprobs", key), text, edit) if entries else {}
