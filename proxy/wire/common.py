"""What every wire does the same way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from proxy import jsonio
from proxy.errors import BadRequest, UnreadableReply
from proxy.model.record import Json
from proxy.model.text import Channel, Edit, Path, Text
from proxy.wire.base import Event, Piece, ReplyFacts, ReplyView, RequestView, StreamReader
from proxy.wire.credentials import masked
from proxy.wire.edits import edit_texts
from proxy.wire.gather import Gather
from proxy.wire.once import Once
from proxy.wire.reduce import Reduction, rendered
from proxy.wire.shape import is_plain, mapping, string, without_vectors
from proxy.wire.splice import splice
from proxy.wire.sse import Frame

CHOICES_MAX = 128
"""The most replies that one request may ask for, and the highest choice index that a reply may have."""

INDEX_MAX = 4096
"""The highest index of a block, an output item or a part that a reply may have."""


class JsonWire:
    """A wire whose requests and replies are JSON objects. Subclasses name themselves and read."""

    name = ""
    api = "openai"
    speaks = True
    keeps = False

    def edit_request(self, raw: bytes, edits: Sequence[tuple[Text, Edit]]) -> bytes:
        return edit_texts(raw, jsonio.loads(raw), edits)

    def rename_model(self, raw: bytes, model: str) -> bytes:
        return splice(raw, {("model",): jsonio.dumps(model)})

    def reduce_request(self, raw: bytes, reduction: Reduction) -> bytes:
        request = mapping(jsonio.loads_strict(raw)) if raw else {}
        return rendered(raw, request, self.reduced(request, reduction)) if request else raw

    def reduced(self, request: Mapping[str, Json], reduction: Reduction) -> Mapping[str, Json]:
        """What the reduction leaves; by itself a wire has nothing that it could bound."""
        return request


class SilentWire(JsonWire):
    """A wire whose replies hold no text that a model wrote: nothing of the proxy's own can be said on it.

    Callers ask `speaks` first; a static reply, a block or a stream of such a wire is a fault of theirs.
    """

    speaks = False

    def read_reply(self, body: Json, request: RequestView | None = None) -> ReplyView:
        """Every reply is taken, and every string in it judged: names, and what an odd backend adds to them."""
        reply = reply_object(body)
        gather = Gather()
        gather.rest({key: without_vectors(value) for key, value in reply.items()}, frozenset(), ())
        gather.members(reply)
        facts = ReplyFacts(model=string(reply.get("model")), usage=reply.get("usage"))
        return ReplyView(tuple(gather.texts), facts, tuple(gather.media))

    def edit_reply(self, raw: bytes, body: Json, edits: Sequence[tuple[Text, Edit]]) -> bytes:
        return edit_texts(raw, body, edits)

    def block_reply(self, raw: bytes, body: Json, messages: Mapping[int, str]) -> bytes:
        raise UnreadableReply(f"{self.name} has no filtered form")

    def static_reply(self, request: RequestView, message: str, *, id: str, created: int) -> bytes:
        raise UnreadableReply(f"{self.name} has no text answer")

    def static_stream(self, request: RequestView, message: str, *, id: str, created: int) -> bytes:
        raise UnreadableReply(f"{self.name} has no text answer")

    def reader(self, request: RequestView, *, id: str, created: int) -> StreamReader:
        raise UnreadableReply(f"{self.name} has no streams")


def request_object(body: Json) -> Mapping[str, Json]:
    """The request's object as rules may read it, without its credentials. Raises BadRequest for anything else."""
    shown = masked(body)
    if not isinstance(shown, dict):
        raise BadRequest("the request body must be a JSON object")
    return shown


def request_model(body: Mapping[str, Json]) -> str | None:
    """The model asked for. Raises BadRequest where it is no string."""
    model = body.get("model")
    if model is not None and not isinstance(model, str):
        raise BadRequest("model must be a string")
    return model


def request_flag(body: Mapping[str, Json], name: str) -> bool:
    """A boolean of the request. Raises BadRequest where it is neither that nor null: parsers differ on what
    else counts as true."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false")
    return value is True


def request_choices(body: Mapping[str, Json], name: str = "n") -> int:
    """How many replies are asked for. Raises BadRequest beyond CHOICES_MAX."""
    value = body.get(name)
    if value is None:
        return 1
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= CHOICES_MAX:
        raise BadRequest(f"{name} must be a whole number from 1 to {CHOICES_MAX}")
    return value


def request_list(body: Mapping[str, Json], name: str) -> Sequence[Json]:
    """A list that the request must have. Raises BadRequest."""
    value = body.get(name)
    if not isinstance(value, list):
        raise BadRequest(f"{name} must be a list")
    return value


def event_object(data: bytes) -> dict[str, Json]:
    """The JSON object of a stream's event. Raises UnreadableReply for anything else, and for one in which a key
    stands twice: two clients may read two different texts."""
    try:
        body = jsonio.loads_unique(data)
    except jsonio.InvalidJson as error:
        raise UnreadableReply(f"a stream event cannot be read: {error}") from error
    if not isinstance(body, dict):
        raise UnreadableReply("a stream event is not a JSON object")
    return body


def beside(once: Once, frame: Frame) -> Event:
    """A frame without data: a comment, an id, a name."""
    pieces: list[Piece] = []
    closes: list[Channel] = []
    if frame.beside or frame.event is not None:
        once.beside(frame, "", pieces, closes)
    return Event(frame, None, tuple(pieces), tuple(closes))


def reply_object(body: Json) -> Mapping[str, Json]:
    """The reply's object. Raises UnreadableReply for anything else."""
    if not isinstance(body, dict):
        raise UnreadableReply("the reply is not a JSON object")
    return body


def odd_names(body: Mapping[str, Json], keys: Iterable[str]) -> dict[Path, bytes | None]:
    """What becomes of the names of a blocked reply that are none: the finding may stand there."""
    odd = [key for key in keys if not is_plain(body.get(key))]
    return {(key,): b'""' if isinstance(body[key], str) else b"null" for key in odd}


def error_reply(body: Mapping[str, Json]) -> ReplyView | None:
    """A view of an error that came with a good status; None where the reply is no such thing."""
    if not body.get("error"):
        return None
    gather = Gather()
    gather.rest(body, frozenset(), ())
    gather.members(dict(body))
    return ReplyView(tuple(gather.texts), ReplyFacts(), tuple(gather.media))


def choice_object(choice: Json) -> Mapping[str, Json]:
    """A choice of a reply. Raises UnreadableReply for anything but an object."""
    if not isinstance(choice, dict):
        raise UnreadableReply("a choice is not a JSON object")
    return choice


def choice_index(choice: Mapping[str, Json], position: int) -> int:
    """The choice's own index. Raises UnreadableReply for one that no client could ask for."""
    index = choice.get("index", position)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < CHOICES_MAX:
        raise UnreadableReply("a choice's index is not a small whole number")
    return index


def reply_index(body: Mapping[str, Json], key: str) -> int:
    """A place that an event names; 0 where it names none. Raises UnreadableReply beyond INDEX_MAX."""
    value = body.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= INDEX_MAX:
        raise UnreadableReply(f"{key} is not a small whole number")
    return value


def openai_user(body: Mapping[str, Json]) -> str | None:
    """The user that a body names: `user`, or `safety_identifier`, which OpenAI put in its place."""
    return _name(body.get("user")) or _name(body.get("safety_identifier"))


def anthropic_user(body: Mapping[str, Json]) -> str | None:
    """The user that a body names: `metadata.user_id`."""
    return _name(mapping(body.get("metadata")).get("user_id"))


def _name(value: Json) -> str | None:
    """Empty and odd ones are none."""
    return value if isinstance(value, str) and value else None
