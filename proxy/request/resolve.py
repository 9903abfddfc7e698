"""Step 5: what the backend keeps and the request only names, read back from the log: the conversation that it goes
on from, or the request whose reply it asks for. What cannot be resolved is counted as unscanned, and refused at
`degraded` and above (`degrade`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from proxy.dial.levels import PERMITS
from proxy.errors import BadRequest, LogUnavailable
from proxy.model.level import Outcome
from proxy.model.record import Json, Kept
from proxy.request.exchange import Exchange, Ports
from proxy.request.turn import beside
from proxy.wire.common import request_object
from proxy.wire.openai_responses_kept import KeptConversation, kept_conversation
from proxy.wire.openai_responses_request import previous_of
from proxy.wire.shape import mapping

RESOLVE_S: Final = 1.0
"""How long a request waits for the log to tell; after that it cannot be resolved."""

NOT_FOUND: Final = "previous_response_not_found"
_UNENDED: Final = frozenset((None, "queued", "in_progress"))
_READ_WHOLE: Final = frozenset((Outcome.RELEASED.value, Outcome.REDACTED.value))


async def resolve(x: Exchange, ports: Ports) -> None:
    """Finds what is kept. Raises BadRequest for the reply of another client's."""
    view = x.view
    if x.wire is None or view is None or not x.wire.keeps:
        return
    asks = x.http.method != "POST"  # for a reply, by its id
    id = x.http.path.rstrip("/").rpartition("/")[2] if asks else view.previous
    if id is None and view.conversation is None:
        return
    if id is not None and PERMITS[ports.dial.effective(x.reach).level].serves:
        turns = await _look_up(x, ports, id)
        x.kept = None if turns is None else await beside(True, _kept, x, turns, asks)
    if x.kept is None or not x.kept.whole:
        x.unscanned["conversation"] += 1
    if asks and x.kept is None:
        x.asks(replace(view, conversation=id))


async def _look_up(x: Exchange, ports: Ports, id: str) -> list[tuple[Kept, Kept]] | None:
    """Of each reply the exchange that asked for it and the one that brought it; None where one of them is not on
    the log, or not the caller's. Raises BadRequest."""
    try:
        async with asyncio.timeout(RESOLVE_S):
            chain = await ports.recorder.conversation(id, previous_of)
    except (LogUnavailable, TimeoutError):
        return None
    if chain is None:
        return None
    key = x.subject.key
    if key is not None and all(one.subject.key not in (None, key) for one in chain[-1]):
        # At the backend both are the same caller, and it would not tell them apart.
        status = 404 if x.http.method != "POST" else None
        raise BadRequest(f"no response {id[:80]} of yours is known", code=NOT_FOUND, status=status)
    turns: list[tuple[Kept, Kept]] = []
    for about in chain:
        own = [one for one in about if _is_own(x, one)]
        asked = next((one for one in reversed(own) if one.request is not None), None)
        if asked is None:
            return None
        brought = next((one for one in reversed(own) if one.finish_reason not in _UNENDED), asked)
        turns.append((asked, brought))
    return turns


def _is_own(x: Exchange, kept: Kept) -> bool:
    """Whether it was this caller's: by the client's key, or else the address, and by the user."""
    ours, theirs = x.subject, kept.subject
    if ours.key != theirs.key or (ours.key is None and ours.ip != theirs.ip):
        return False
    # Who only asks for a reply has no body to name a user in, and gets nothing of the log.
    return ours.user == theirs.user or (ours.user is None and x.http.method != "POST")


def _kept(x: Exchange, turns: Sequence[tuple[Kept, Kept]], asks: bool) -> KeptConversation:
    """What the exchange goes on from; of a reply that is asked for, what its request went on from, and that."""
    before = turns[:-1] if asks else turns
    said: list[tuple[Json, Json]] = [(asked.request, brought.reply) for asked, brought in before]
    request = mapping(turns[-1][0].request if asks else x.body)
    if asks and x.view is not None:
        x.asks(replace(x.view, echo=request_object(turns[-1][0].request)))
    return kept_conversation(said, request, whole=all(_is_whole(brought) for _, brought in before), asks=asks)


def _is_whole(brought: Kept) -> bool:
    """Whether the log has the reply as far as its backend does: one that was cut went on there."""
    blocked_whole = brought.outcome == Outcome.BLOCKED_OUTPUT.value and not brought.stream
    ended = brought.finish_reason not in _UNENDED
    return ended and (brought.outcome in _READ_WHOLE or blocked_whole)
