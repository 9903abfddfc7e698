"""What stands in a request's target: it goes on to the backend as it is, and can be blocked, not edited."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from proxy.model.text import Channel, Kind, Text
from proxy.wire.plain import is_key, is_name


def target_texts(http: web.BaseRequest) -> Iterator[Text]:
    """The steps of the path and the members of the query, decoded, as far as they are no names of the API's."""
    steps = [step for step in http.path.split("/") if not is_name(step)]
    if steps:
        yield _text("path", "\n".join(steps))
    if not http.query_string:
        return
    members = [f"{key}={value}" for key, value in http.query.items() if not (is_key(key) and is_name(value))]
    if members:
        yield _text("query", "\n".join(members))


def _text(field: str, value: str) -> Text:
    return Text(Channel(field, kind=Kind.OTHER, sealed=True), value, ())
