"""One exchange as JSON, in the words and the order of the outer contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime

from proxy.log import digest
from proxy.log.fetch import Fetch
from proxy.log.prepare import Detail, read_detail
from proxy.log.rows import BeginRow, FinishRow
from proxy.model.level import Level
from proxy.model.record import Json


def time_text(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: 2026-03-01T03:17:00.250Z."""
    at = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def full(
    db: sqlite3.Connection, fetch: Fetch, key: bytes, begin: BeginRow, finish: FinishRow | None
) -> dict[str, Json]:
    """The whole record; `key` is the store's. Raises Damaged, sqlite3.Error."""
    detail = None if finish is None else read_detail(fetch.detail(finish))
    record = _head(fetch, begin, finish)
    record["request"] = _request(fetch, begin, finish)
    record["response"] = _response(fetch, finish, detail)
    record.update(_judgement(detail))
    record["outcome"] = None if finish is None else fetch.name(finish.outcome)
    record["error"] = None if detail is None else detail.error
    if detail is not None and detail.media:
        record["media"] = list(detail.media)
    if detail is not None and detail.unscanned:
        record["unscanned"] = dict(detail.unscanned)
    if detail is not None and detail.attempts:
        record["attempts"] = list(detail.attempts)
    if detail is not None and detail.response_id is not None:
        record["response_id"] = detail.response_id
    if begin.body_bytes:
        record["body_bytes"] = begin.body_bytes
    record["hash"], record["previous_hash"] = _hashes(db, key, finish)
    return record


def summary(fetch: Fetch, begin: BeginRow, finish: FinishRow | None) -> dict[str, Json]:
    """What a list of exchanges shows of each: everything but the content."""
    detail = None if finish is None else read_detail(fetch.detail(finish))
    record = _head(fetch, begin, finish)
    record.update(_judgement(detail))
    record["outcome"] = None if finish is None else fetch.name(finish.outcome)
    record["error"] = None if detail is None else detail.error
    return record


def _head(fetch: Fetch, begin: BeginRow, finish: FinishRow | None) -> dict[str, Json]:
    name = fetch.name
    model = begin if finish is None else finish
    return {
        "id": begin.id,
        "started_at": time_text(begin.started_ms),
        "finished_at": None if finish is None else time_text(finish.finished_ms),
        "api": name(begin.api),
        "path": name(begin.path),
        "stream": bool(begin.stream),
        "app": name(begin.app),
        "subject": {
            "key": name(begin.key),
            "user": name(begin.user),
            "ip": name(begin.ip),
            "region": name(begin.region),
        },
        "model": {
            "requested": name(model.requested),
            "version": name(model.model_version),
            "sent": name(model.sent),
            "served": None if finish is None else name(finish.served),
            "fingerprint": None if finish is None else name(finish.fingerprint),
        },
        "backend": None if finish is None else name(finish.backend),
        "level": Level(model.level).word,
        "policy": name(begin.policy),
    }


def _request(fetch: Fetch, begin: BeginRow, finish: FinishRow | None) -> dict[str, Json]:
    request: dict[str, Json] = {"body": fetch.body(begin.skeleton, begin.node)}
    if finish is not None and finish.sent_skeleton is not None:
        request["sent"] = fetch.body(finish.sent_skeleton, finish.sent_node)
    return request


def _response(fetch: Fetch, finish: FinishRow | None, detail: Detail | None) -> dict[str, Json]:
    response: dict[str, Json] = {"received": None if finish is None else fetch.value(finish.received)}
    if finish is not None and finish.delivered is not None:
        response["delivered"] = fetch.value(finish.delivered)
    response["finish_reason"] = None if detail is None else detail.finish_reason
    response["logprobs"] = None if detail is None else detail.logprobs
    response["usage"] = None if detail is None else detail.usage
    return response


def _judgement(detail: Detail | None) -> dict[str, Json]:
    latency: Mapping[str, Json] = (
        {"total": None, "backend_first_byte": None, "first_byte": None, "guard": None}
        if detail is None
        else detail.latency
    )
    return {
        "latency_ms": dict(latency),
        "findings": [] if detail is None else [dict(finding) for finding in detail.findings],
        "scores": {} if detail is None else dict(detail.scores),
    }


def _hashes(db: sqlite3.Connection, key: bytes, finish: FinishRow | None) -> tuple[str | None, str | None]:
    """The record's hash and the one before it, in hex."""
    if finish is None:
        return None, None
    sql = "SELECT hash FROM chain WHERE link = ?"
    own = db.execute(sql, (finish.link,)).fetchone()
    before = db.execute(sql, (finish.link - 1,)).fetchone()
    if before is None and finish.link == 1:
        (created_ms,) = db.execute("SELECT created_ms FROM store").fetchone()
        before = (digest.genesis(key, created_ms),)
    elif before is None:
        sql = (
            "SELECT hash FROM (SELECT last, hash FROM removed_link WHERE first < ? ORDER BY first DESC LIMIT 1) "
            "WHERE last = ?"
        )
        before = db.execute(sql, (finish.link, finish.link - 1)).fetchone()
    return (own[0].hex() if own else None), (before[0].hex() if before else None)
