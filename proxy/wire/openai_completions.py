"""POST /v1/completions (legacy). Source: the OpenAI API reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy import jsonio
from proxy.errors import BadRequest, UnreadableReply
from proxy.model.record import Json
from proxy.model.text import KEY, Channel, Edit, Kind, Path, Text
from proxy.wire.base import Event, Piece, ReplyFacts, ReplyView, RequestView
from proxy.wire.common import (
    CHOICES_MAX,
    choice_index,
    choice_object,
    error_reply,
    openai_user,
    reply_object,
    request_choices,
    request_flag,
    request_model,
    request_object,
)
from proxy.wire.edits import value_changes
from proxy.wire.gather import Gather
from proxy.wire.logprobs import Series, share_of
from proxy.wire.members import Members
from proxy.wire.openai_chat_reduce import reduce_completion
from proxy.wire.openai_choices import CHOICE_KEYS, FRAME_KEYS, FRAME_NAMES, ChoicesReader
from proxy.wire.openai_choices_wire import ChoicesWire
from proxy.wire.openai_request import input_texts, request_rest
from proxy.wire.reduce import Reduction
from proxy.wire.shape import field_name, leaves, mapping, sequence, string
from proxy.wire.splice import splice


class CompletionsReader(ChoicesReader):
    """A streamed legacy completion."""

    object_name = "text_completion"
    id_prefix = "cmpl-"
    read_keys = CHOICE_KEYS | {"text"}

    def __init__(self, request: RequestView, *, id: str, created: int) -> None:
        super().__init__(request, id=id, created=created)
        self.members = Members(_is_alternative)

    def read_choice(
        self, choice: Mapping[str, Json], path: Path, index: int, pieces: list[Piece], closes: list[Channel]
    ) -> None:
        text = string(choice.get("text")) or ""
        if not text:
            self.once(choice.get("text"), (*path, "text"), ("choices", index, "text"), index, pieces, closes)
        else:
            pieces.append(Piece(self.channel(index, "text"), (*path, "text"), text))
        logprobs = choice.get("logprobs")
        if logprobs:
            self.told.take_logprobs(index, sequence(token_list(logprobs)))
            self.spelled(_series(logprobs, (*path, "logprobs")), index, "logprobs", text, pieces)

    def text_choice(self, index: int, text: str, *, begun: bool) -> dict[str, Json]:
        return {"index": index, "text": text, "logprobs": None, "finish_reason": None}

    def finish_choice(self, index: int) -> dict[str, Json]:
        return {"index": index, "text": "", "logprobs": None, "finish_reason": "content_filter"}

    def copies(self, event: Event, piece: Piece, edit: Edit) -> dict[Path, bytes | None]:
        return _copies(event.body, piece.path, piece.text, edit)


class OpenAICompletions(ChoicesWire):
    """Legacy completions: a prompt, or a list of prompts with a choice (or n) for each."""

    name = "openai.completions"
    object_name = "text_completion"
    reader_type = CompletionsReader

    def read_request(self, body: Json) -> RequestView:
        request = request_object(body)
        gather = Gather()
        prompt = request.get("prompt")
        input_texts(gather, prompt, ("prompt",))
        request_rest(gather, request, ("prompt",))
        prompts = 1
        if isinstance(prompt, list) and not all(isinstance(entry, int) for entry in prompt):
            prompts = max(1, len(prompt))
        choices = prompts * request_choices(request)
        if choices > CHOICES_MAX:
            raise BadRequest(f"at most {CHOICES_MAX} replies may be asked for at once")
        return RequestView(
            model=request_model(request),
            stream=request_flag(request, "stream"),
            texts=tuple(gather.texts),
            user=openai_user(request),
            media=tuple(gather.media),
            choices=choices,
            usage_chunk=mapping(request.get("stream_options")).get("include_usage") is True,
        )

    def reduced(self, request: Mapping[str, Json], reduction: Reduction) -> Mapping[str, Json]:
        return reduce_completion(request, reduction)

    def read_reply(self, body: Json, request: RequestView | None = None) -> ReplyView:
        reply = reply_object(body)
        choices = reply.get("choices")
        if not isinstance(choices, list):
            error = error_reply(reply)
            if error is None:
                raise UnreadableReply("the reply has no choices")
            return error
        gather = Gather()
        finish: str | None = None
        logprobs: Json = None
        for position, entry in enumerate(choices):
            choice = choice_object(entry)
            index = choice_index(choice, position)
            path: Path = ("choices", position)
            text = string(choice.get("text")) or ""
            gather.string(Channel(f"choices[{index}].text", index), text, (*path, "text"))
            for series in _series(choice.get("logprobs"), (*path, "logprobs")):
                if series.text != text:
                    name = f"choices[{index}].logprobs.{series.name}"
                    gather.spelled(Channel(name, index, Kind.OTHER), series.parts)
            gather.names(choice, ("finish_reason",), path, ("choices", index), index)
            read = CHOICE_KEYS | {"text"} if isinstance(choice.get("text"), str) else CHOICE_KEYS
            for key in choice.keys() - read:
                named = Channel(field_name(("choices", index, key)), index, Kind.OTHER)
                gather.leaves(named, choice[key], (*path, key))
            if index == 0:
                finish = string(choice.get("finish_reason"))
                logprobs = choice.get("logprobs")
        gather.names(reply, FRAME_NAMES, ())
        gather.rest(reply, FRAME_KEYS, ())
        gather.members(body, _is_alternative)
        facts = ReplyFacts(
            string(reply.get("model")),
            string(reply.get("system_fingerprint")),
            string(reply.get("id")),
            finish,
            reply.get("usage"),
            token_list(logprobs),
        )
        return ReplyView(tuple(gather.texts), facts, tuple(gather.media))

    def edit_reply(self, raw: bytes, body: Json, edits: Sequence[tuple[Text, Edit]]) -> bytes:
        changes = value_changes(body, edits)
        for text, edit in edits:
            if len(text.spans) == 1 and edit.replacements:
                changes.update(_copies(body, text.spans[0].path, text.value, edit))
        return splice(raw, changes)

    def filtered(self, index: int, message: str) -> Json:
        return {"index": index, "text": message, "logprobs": None, "finish_reason": "content_filter"}


def token_list(logprobs: Json) -> Json:
    """The legacy form (parallel lists) as an entry per token."""
    values = mapping(logprobs)
    chances = sequence(values.get("token_logprobs"))
    return [
        {"token": token, "logprob": chances[index] if index < len(chances) else None}
        for index, token in enumerate(sequence(values.get("tokens")))
    ] or None


def _series(logprobs: Json, path: Path) -> list[Series]:
    """What the parallel lists of the legacy form spell: the tokens, each rank of the alternatives (the keys of an
    object for each token), and any other string."""
    values = mapping(logprobs)
    tokens = [
        ((*path, "tokens", n), token)
        for n, token in enumerate(sequence(values.get("tokens")))
        if isinstance(token, str) and token
    ]
    out = [Series("tokens", tokens)]
    ranks = [(n, list(mapping(entry))) for n, entry in enumerate(sequence(values.get("top_logprobs")))]
    for rank in range(max((len(keys) for _, keys in ranks), default=0)):
        row = [((*path, "top_logprobs", n), keys[rank]) for n, keys in ranks if rank < len(keys)]
        out.append(Series(f"top[{rank}]", row))
    known = [part[0] for part in tokens]
    rest = [leaf for leaf in leaves(logprobs, path) if leaf[0] not in known]
    return [*out, Series("rest", rest)] if rest else out


def _is_alternative(path: Path, _: str) -> bool:
    """Whether the path leads to a token that is a key: `_series` reads those."""
    return path[-1] == KEY and len(path) == 7 and path[2:4] == ("logprobs", "top_logprobs")


def _copies(body: Json, path: Path, text: str, edit: Edit) -> dict[Path, bytes | None]:
    """The token lists that repeat the text at `path`, or (for a token judged by itself) its alternatives."""
    if len(path) < 3 or path[0] != "choices":
        return {}
    choice = mapping(sequence(mapping(body).get("choices"))[int(path[1])])
    where: Path = (*path[:2], "logprobs")
    logprobs = mapping(choice.get("logprobs"))
    if path[2] != "text":
        return {(*where, "top_logprobs"): b"null"} if logprobs.get("top_logprobs") else {}
    tokens = [string(token) or "" for token in sequence(logprobs.get("tokens"))]
    if not logprobs:
        return {}
    if "".join(tokens) != text:
        return {where: b"null"}
    changes: dict[Path, bytes | None] = {}
    tops = sequence(logprobs.get("top_logprobs"))
    at = 0
    for index, token in enumerate(tokens):
        start, end = at, at + len(token)
        at = end
        share = share_of(edit, start, end)
        if share.replacements:
            changes[(*where, "tokens", index)] = jsonio.dumps(share.apply(token))
            if index < len(tops) and tops[index]:
                changes[(*where, "top_logprobs", index)] = b"{}"
    return changes
