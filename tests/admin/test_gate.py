"""Who gets in: Host, Origin, token, role; and that every failure has the one shape."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from proxy.admin.api import ENDPOINTS
from proxy.admin.errors import ApiError
from proxy.admin.gate import Gate, host_name
from proxy.admin.later import PATHS
from proxy.model.record import Json
from proxy.settings import Role
from tests.admin.conftest import TOKENS, Admin, raw
from tests.admin.test_baselines_api import RELEARN, teach

KILL = {"level": "killed", "reason": "x"}
BODIES: dict[str, Json] = {
    "/admin/v1/dial/global": KILL,
    "/admin/v1/rollbacks/support-bot": {"version": "v1", "reason": "x"},
    "/admin/v1/blocks": {"subject": "user:1", "reason": "x"},
    "/admin/v1/limits": {"subject": "user:1", "rate": "1/day", "reason": "x"},
    "/admin/v1/alerts/test": {"reason": "x"},
    "/admin/v1/metrics": {"name": "gpu-busy", "value": 0.5},
    "/admin/v1/probes/run": {"id": "capital"},
    "/admin/v1/baselines/relearn": RELEARN,
    "/admin/v1/rules/patch": {"phrases": ["falcon"], "on": "output", "action": "block", "reason": "x"},
}


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKENS['admin']}", TOKENS["admin"],
     f"Bearer {TOKENS['admin'][:-1]}", f"Bearer {TOKENS['admin']}x", "Bearer \u00e4"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/admin/v1/dial", "/admin/v1/nothing", "/nothing", "/admin/v1/blocks"])
async def test_without_a_valid_token_nothing_is_told_but_that(
    admin: Admin, authorization: str | None, path: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await admin.call("GET", path, role=None, headers=headers)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_two_authorization_headers_are_none(admin: Admin) -> None:
    lines = "".join(f"Authorization: Bearer {TOKENS[role]}\r\n" for role in ("viewer", "admin"))
    status, _ = await raw(admin, f"GET /admin/v1/dial HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
    assert status == 401


ROLES: list[tuple[str, str, set[Role]]] = [
    ("GET", "/admin/v1/dial", {"viewer", "operator", "admin"}),
    ("GET", "/admin/v1/dial/effective", {"viewer", "operator", "admin"}),
    ("PUT", "/admin/v1/dial/global", {"operator", "admin"}),
    ("DELETE", "/admin/v1/dial/global?reason=x", {"operator", "admin"}),
    ("GET", "/admin/v1/cards", {"viewer", "operator", "admin"}),
    ("GET", "/admin/v1/tripwires", {"viewer", "operator", "admin"}),
    ("POST", "/admin/v1/baselines/relearn", {"operator", "admin"}),
    ("GET", "/admin/v1/probes", {"viewer", "operator", "admin"}),
    ("POST", "/admin/v1/probes/run", {"operator", "admin"}),
    ("POST", "/admin/v1/alerts/test", {"operator", "admin"}),
    ("POST", "/admin/v1/metrics", {"operator", "admin"}),
    ("GET", "/admin/v1/blocks", {"viewer", "operator", "admin"}),
    ("POST", "/admin/v1/blocks", {"operator", "admin"}),
    ("DELETE", "/admin/v1/blocks/none?reason=x", {"operator", "admin"}),
    ("GET", "/admin/v1/limits", {"viewer", "operator", "admin"}),
    ("POST", "/admin/v1/limits", {"operator", "admin"}),
    ("DELETE", "/admin/v1/limits/none?reason=x", {"operator", "admin"}),
    ("GET", "/admin/v1/rollbacks", {"viewer", "operator", "admin"}),
    ("GET", "/admin/v1/rollbacks/support-bot", {"viewer", "operator", "admin"}),
    ("PUT", "/admin/v1/rollbacks/support-bot", {"operator", "admin"}),
    ("DELETE", "/admin/v1/rollbacks/support-bot?reason=x", {"operator", "admin"}),
    ("GET", "/admin/v1/changes", {"viewer", "operator", "admin"}),
    ("GET", "/admin/v1/rules", {"viewer", "operator", "admin"}),
    ("POST", "/admin/v1/rules/reload", {"operator", "admin"}),
    ("POST", "/admin/v1/rules/patch", {"operator", "admin"}),
    ("DELETE", "/admin/v1/rules/patch/none?reason=x", {"operator", "admin"}),
    ("GET", "/admin/v1/exchanges", {"viewer", "operator", "admin"}),
    ("GET", "/admin/v1/exchanges/e1", {"viewer", "operator", "admin"}),
    ("GET", "/admin/v1/status", {"viewer", "operator", "admin"}),
    ("GET", "/admin/v1/openapi.json", {"viewer", "operator", "admin"}),
]


def test_the_table_of_roles_names_every_call_that_needs_a_token() -> None:
    assert len(ROLES) == sum(1 for one in ENDPOINTS if one.role is not None)


@pytest.mark.parametrize(("method", "path", "allowed"), ROLES)
@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
async def test_roles(admin: Admin, method: str, path: str, allowed: set[Role], role: Role) -> None:
    teach(admin)
    answer = await admin.call(method, path, role=role, json=BODIES.get(path) if method != "GET" else None)
    if role in allowed:
        assert answer.status == (404 if "/none" in path else 200)
    else:
        assert (answer.status, answer.code) == (403, "forbidden")
        assert admin.dial.snapshot().version == 0
        assert admin.policy.current.digest == "digest-1"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_health_and_metrics_need_no_token(admin: Admin, path: str) -> None:
    assert (await admin.call("GET", path, role=None)).status == 200
    assert (await admin.call("HEAD", path, role=None)).status == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1", "[::1]:8081", "localhost."])
async def test_loopback_names_are_no_foreign_host(admin: Admin, host: str) -> None:
    assert (await admin.call("GET", "/admin/v1/dial", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "a@localhost",
        "10.0.0.1",
        "localhost/x",
    ],
)
@pytest.mark.parametrize("path", ["/admin/v1/dial", "/metrics", "/nothing"])
async def test_a_foreign_host_is_refused_even_with_a_token(admin: Admin, host: str, path: str) -> None:
    lines = f"Host: {host}\r\nAuthorization: Bearer {TOKENS['admin']}\r\n"
    status, body = await raw(admin, f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
    assert (status, body["error"]) == (421, body["error"])
    assert body["error"]["code"] == "foreign_host"  # type: ignore[index]


async def test_the_settings_add_hosts(store_path: Path) -> None:
    admin = Admin(store_path)
    await admin.start(hosts=("Guard.Internal",))
    try:
        assert (await admin.call("GET", "/metrics", headers={"Host": "guard.internal:8081"})).status == 200
        origin = {"Host": "guard.internal:8081", "Origin": "https://guard.internal"}
        assert (await admin.call("GET", "/admin/v1/dial", headers=origin)).status == 200
        assert (await admin.call("GET", "/metrics", headers={"Host": "other.internal"})).status == 421
    finally:
        await admin.stop()


async def test_the_listeners_own_address_is_a_host(store_path: Path) -> None:
    admin = Admin(store_path)
    await admin.start(address="127.0.0.2")
    try:
        assert (await admin.call("GET", "/metrics", headers={"Host": "127.0.0.2:80"})).status == 200
        assert (await admin.call("GET", "/metrics", headers={"Host": "127.0.0.3:80"})).status == 421
    finally:
        await admin.stop()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "file://", "http://", "x"]
)
async def test_a_foreign_origin_is_refused_even_with_a_token(admin: Admin, origin: str) -> None:
    answer = await admin.call("PUT", "/admin/v1/dial/global", json=KILL, headers={"Origin": origin})
    assert (answer.status, answer.code) == (403, "foreign_origin")
    assert admin.dial.snapshot().settings == ()


async def test_its_own_origin_is_not_foreign(admin: Admin) -> None:
    assert (await admin.call("GET", "/admin/v1/dial", headers={"Origin": admin.url})).status == 200


@pytest.mark.parametrize(
    ("authority", "name"),
    [("a", "a"), ("A:1", "a"), ("[::1]", "::1"), ("[::1]:5", "::1"), ("a.", "a"), ("", None), ("a:b", None),
     ("a:99999", None), ("a/b", None), ("u@a", None), ("a?b", None), ("[::1", None), ("a#b", None), 
     ("[0:0:0:0:0:0:0:1]:5", "::1"), ("[::ffff:10.0.0.5]", "10.0.0.5")],
)  # fmt: skip
def test_the_name_in_a_host_value(authority: str, name: str | None) -> None:
    assert host_name(authority) == name


def test_an_empty_list_of_tokens_lets_nobody_in() -> None:
    for value in ("Bearer ", "Bearer x"):
        with pytest.raises(ApiError):
            Gate((), ()).caller([value])


# One shape for every failure


async def test_unknown_paths_and_methods(admin: Admin) -> None:
    answer = await admin.call("GET", "/admin/v1/nothing")
    assert (answer.status, answer.code) == (404, "not_found")
    answer = await admin.call("PATCH", "/admin/v1/dial")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD"}
    answer = await admin.call("PUT", "/admin/v1/dial/effective", json=KILL)
    assert (answer.status, set(answer.headers["Allow"].split(","))) == (405, {"GET", "HEAD"})


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_calls_of_later_versions_say_so(admin: Admin, path: str, method: str) -> None:
    for target in (path, path + "/some/id?limit=1"):
        answer = await admin.call(method, target)
        assert (answer.status, answer.code) == (404, "not_available")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b'{"level": "killed", "reason": NaN}', 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"[" * 60_000, 400, "invalid_json"),
        (b'{"level": "killed", "level": "open", "reason": "x"}', 400, "duplicate_key"),
        (b"[]", 422, "invalid_request"),
        (b'"killed"', 422, "invalid_request"),
        (b'{"level": "killed", "reason": "x", "tll": "1m"}', 422, "unknown_key"),
        (b'{"level": 4, "reason": "x"}', 422, "invalid_request"),
        (b'{"level": "killed", "reason": ["x"]}', 422, "invalid_request"),
        (b'{"level": "killed", "reason": "x", "ttl": 30}', 422, "invalid_request"),
        (b'{"reason": "' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
    ],
)
async def test_bodies_that_cannot_be(admin: Admin, data: bytes, status: int, code: str) -> None:
    answer = await admin.call("PUT", "/admin/v1/dial/global", data=data)
    assert (answer.status, answer.code) == (status, code)
    assert admin.dial.snapshot().settings == ()


async def test_a_compressed_body_counts_as_what_it_opens_to(admin: Admin) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    answer = await admin.call("PUT", "/admin/v1/dial/global", data=bomb, headers={"Content-Encoding": "gzip"})
    assert (answer.status, answer.code) == (413, "body_too_large")
    packed = {"Content-Encoding": "gzip"}
    answer = await admin.call("PUT", "/admin/v1/dial/global", data=b"no gzip", headers=packed)
    assert answer.status == 400
    assert answer.code


@pytest.mark.parametrize("query", ["?limt=1", "?limit=1&limit=2", "?x"])
async def test_a_parameter_that_would_be_ignored_is_refused(admin: Admin, query: str) -> None:
    answer = await admin.call("GET", "/admin/v1/exchanges" + query)
    assert answer.status == 422
    assert admin.log.asked == []


async def test_a_fault_inside_has_the_shape_and_no_trace_in_it(admin: Admin) -> None:
    admin.log.failure = RuntimeError("secret detail")
    answer = await admin.call("GET", "/admin/v1/exchanges/e1", headers={"X-Request-Id": "req-7"})
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret detail" not in answer.raw
    assert answer.headers["X-Request-Id"] == "req-7"
    assert b"req-7" in answer.raw


async def test_a_request_id_that_could_forge_a_log_line_is_replaced(admin: Admin) -> None:
    answer = await admin.call("GET", "/healthz", headers={"X-Request-Id": "a b"})
    assert len(answer.headers["X-Request-Id"]) == 32


async def test_no_token_is_ever_logged_or_answered(admin: Admin, capfd: pytest.CaptureFixture[str]) -> None:
    answers = [
        await admin.call("PUT", "/admin/v1/dial/global", json=KILL),
        await admin.call("PUT", "/admin/v1/dial/global", json=KILL, role="viewer"),
        await admin.call("GET", "/admin/v1/nothing"),
        await admin.call(
            "GET", "/admin/v1/dial", role=None, headers={"Authorization": "Bearer guessed-secret"}
        ),
    ]
    printed = "".join(capfd.readouterr())
    assert "dial_turned" in printed
    assert "admin_request" in printed
    for secret in (*TOKENS.values(), "guessed-secret"):
        assert secret not in printed
        assert all(secret.encode() not in answer.raw for answer in answers)
