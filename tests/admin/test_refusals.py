"""Every call that changes something, spoiled in every way: each has an error of its own, and nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pytest

from proxy import jsonio
from proxy.admin.api import ENDPOINTS
from proxy.admin.endpoint import BODY_BYTES_MAX
from proxy.model.record import Json
from proxy.settings import Role
from tests.admin.conftest import Admin

Object = Mapping[str, Json]

GOOD: Final[Mapping[tuple[str, str], Object]] = {
    ("PUT", "/admin/v1/dial/model:bot"): {"level": "killed", "reason": "x"},
    ("DELETE", "/admin/v1/dial/global"): {"reason": "x"},
    ("POST", "/admin/v1/blocks"): {"subject": "user:2", "reason": "x"},
    ("DELETE", "/admin/v1/blocks/BLOCK"): {"reason": "x"},
    ("POST", "/admin/v1/limits"): {"subject": "user:2", "rate": "1/day", "reason": "x"},
    ("DELETE", "/admin/v1/limits/LIMIT"): {"reason": "x"},
    ("PUT", "/admin/v1/rollbacks/twin"): {"version": "v1", "reason": "x"},
    ("DELETE", "/admin/v1/rollbacks/support-bot"): {"reason": "x"},
    ("POST", "/admin/v1/rules/patch"): {"phrases": ["kite"], "on": "input", "action": "flag", "reason": "x"},
    ("DELETE", "/admin/v1/rules/patch/PATCH"): {"reason": "x"},
    ("POST", "/admin/v1/rules/reload"): {"reason": "x"},
    ("POST", "/admin/v1/alerts/test"): {"reason": "x"},
    ("POST", "/admin/v1/baselines/relearn"): {
        "tripwire": "length",
        "per": "model:support-bot",
        "reason": "x",
    },
}
"""Each changing call with a body that would be taken. BLOCK, LIMIT and PATCH are ids of what holds."""

CHANGE_NOTHING: Final = ("/admin/v1/metrics", "/admin/v1/probes/run")
"""Calls that take something in, or ask something of a model, and leave the proxy as it is."""

FIRST: Final[tuple[tuple[str, str, str, Object], ...]] = (
    ("", "PUT", "/admin/v1/dial/global", {"level": "killed", "reason": "x"}),
    ("", "PUT", "/admin/v1/rollbacks/support-bot", {"version": "v1", "reason": "x"}),
    ("BLOCK", "POST", "/admin/v1/blocks", {"subject": "user:1", "reason": "x"}),
    ("LIMIT", "POST", "/admin/v1/limits", {"subject": "user:1", "rate": "1/day", "reason": "x"}),
    (
        "PATCH", "POST", "/admin/v1/rules/patch",
        {"phrases": ["falcon"], "on": "output", "action": "block", "reason": "x"},
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Spoiled:
    """One thing that is wrong with a request, and what it is answered."""

    status: int
    code: str
    role: Role | None = "operator"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    body: Object = field(default_factory=dict)  # put over the good one
    without: str = ""  # a key of the body that is left out
    data: bytes | None = None


SPOILED: Final[Mapping[str, Spoiled]] = {
    "no token": Spoiled(401, "unauthenticated", role=None),
    "wrong token": Spoiled(401, "unauthenticated", headers={"Authorization": "Bearer guessed"}),
    "wrong role": Spoiled(403, "forbidden", role="viewer"),
    "wrong Host": Spoiled(421, "foreign_host", headers={"Host": "evil.example"}),
    "foreign Origin": Spoiled(403, "foreign_origin", headers={"Origin": "https://evil.example"}),
    "oversized body": Spoiled(413, "body_too_large", data=b'{"reason": "%b"}' % (b"x" * BODY_BYTES_MAX)),
    "malformed JSON": Spoiled(400, "invalid_json", data=b'{"reason": '),
    "a key twice": Spoiled(400, "duplicate_key", data=b'{"reason": "x", "reason": "y"}'),
    "no object": Spoiled(422, "invalid_request", data=b"[1]"),
    "unknown key": Spoiled(422, "unknown_key", body={"resaon": "x"}),
    "unknown parameter": Spoiled(422, "unknown_parameter", query="?resaon=x"),
    "no reason": Spoiled(422, "reason_required", without="reason"),
    "blank reason": Spoiled(422, "reason_required", body={"reason": "  "}),
    "reason of two lines": Spoiled(422, "invalid_reason", body={"reason": "a\nb"}),
    "reason that is no text": Spoiled(422, "invalid_request", body={"reason": 7}),
    "If-Match of yesterday": Spoiled(412, "version_mismatch", headers={"If-Match": '"0-0"'}),
    "ttl that cannot be": Spoiled(422, "invalid_ttl", body={"ttl": "soon"}),
}

RELEARN: Final = ("POST", "/admin/v1/baselines/relearn")
TAKES_TTL: Final = frozenset(one for one, body in GOOD.items() if len(body) > 1 and one != RELEARN)
TAKES_NO_IF_MATCH: Final = frozenset(
    {("POST", "/admin/v1/rules/reload"), ("POST", "/admin/v1/alerts/test"), RELEARN}
)
CASES: Final = [
    pytest.param(call, spoiled, id=f"{call[0]} {call[1]}: {name}")
    for call in GOOD
    for name, spoiled in SPOILED.items()
    if not (name == "ttl that cannot be" and call not in TAKES_TTL)
    and not (name == "If-Match of yesterday" and call in TAKES_NO_IF_MATCH)
    and not (name == "no reason" and call[1].endswith("/reload"))  # the one call that need not say why
]


async def prepare(admin: Admin) -> dict[str, str]:
    """Set one of each, so that there is something to change; the ids of those that have one."""
    ids = {}
    for name, method, path, body in FIRST:
        answer = await admin.call(method, path, json=dict(body))
        assert answer.status == 200, answer.raw
        ids[name] = str(answer.body.get("id"))
    return ids


@pytest.mark.parametrize(("call", "spoiled"), CASES)
async def test_what_is_wrong_is_said_and_nothing_is_changed(
    admin: Admin, call: tuple[str, str], spoiled: Spoiled
) -> None:
    ids = await prepare(admin)
    method, path = call
    for name, id in ids.items():
        path = path.replace(name, id) if name else path
    body = {key: value for key, value in {**GOOD[call], **spoiled.body}.items() if key != spoiled.without}
    before = admin.dial.snapshot(), admin.policy.current.digest, await admin.dial.changes(1000, None)
    answer = await admin.call(
        method,
        path + spoiled.query,
        role=spoiled.role,
        headers={"Content-Type": "application/json", **spoiled.headers},
        data=jsonio.dumps(body) if spoiled.data is None else spoiled.data,
    )
    assert (answer.status, answer.code) == (spoiled.status, spoiled.code)
    after = admin.dial.snapshot(), admin.policy.current.digest, await admin.dial.changes(1000, None)
    assert after == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PUT", "/admin/v1/dial/planet", {"level": "killed"}, 422, "invalid_scope"),
        ("DELETE", "/admin/v1/dial/user:1", {}, 422, "invalid_scope"),
        ("PUT", "/admin/v1/dial/global", {"level": "off"}, 422, "invalid_level"),
        ("PUT", "/admin/v1/dial/global", {}, 422, "invalid_level"),
        ("POST", "/admin/v1/blocks", {"subject": "somebody"}, 422, "invalid_subject"),
        ("POST", "/admin/v1/blocks", {"subject": "key:nobody"}, 422, "unmatched_subject"),
        ("DELETE", "/admin/v1/blocks/none", {}, 404, "no_such_restraint"),
        ("POST", "/admin/v1/limits", {"subject": "user:1", "rate": "fast"}, 422, "invalid_rate"),
        ("DELETE", "/admin/v1/limits/none", {}, 404, "no_such_restraint"),
        ("PUT", "/admin/v1/rollbacks/nobody", {"version": "v1"}, 404, "no_such_model"),
        ("PUT", "/admin/v1/rollbacks/twin", {"version": "v9"}, 422, "invalid_version"),
        (
            "POST",
            "/admin/v1/rules/patch",
            {"phrases": [], "on": "input", "action": "flag"},
            422,
            "invalid_patch",
        ),
        ("DELETE", "/admin/v1/rules/patch/none", {}, 404, "no_such_restraint"),
    ],
)
async def test_what_cannot_be_is_said_and_nothing_is_changed(
    admin: Admin, method: str, path: str, body: Object, status: int, code: str
) -> None:
    await prepare(admin)
    before = admin.dial.snapshot(), admin.policy.current.digest
    answer = await admin.call(method, path, json={**body, "reason": "x"})
    assert (answer.status, answer.code) == (status, code)
    assert (admin.dial.snapshot(), admin.policy.current.digest) == before


def test_the_table_has_every_call_that_changes_something() -> None:
    shapes = {
        (method, path.rpartition("/")[0]) if method != "POST" else (method, path) for method, path in GOOD
    }
    changing = {
        (one.method, one.path if one.method == "POST" else one.path.partition("/{")[0])
        for one in ENDPOINTS
        if one.method != "GET" and one.path not in CHANGE_NOTHING
    }
    assert shapes == changing
