"""Requests that HTTP itself has something against: the admin API's one error shape for these too."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.admin.conftest import TOKENS, Admin, raw

TOKEN_LINE = f"Authorization: Bearer {TOKENS['admin']}\r\n"


@pytest.mark.parametrize(
    "request_head",
    [
        "no HTTP at all\r\n\r\n",
        f"GET /{'a' * 20_000} HTTP/1.1\r\nHost: localhost\r\n{TOKEN_LINE}\r\n",
        f"GET /admin/v1/dial HTTP/1.1\r\nHost: localhost\r\n{TOKEN_LINE}X: {'a' * 20_000}\r\n\r\n",
        f"GET /admin/v1/dial HTTP/1.1\r\nHost: localhost\r\n{TOKEN_LINE}a header without a colon\r\n\r\n",
        f"PUT /admin/v1/dial/global HTTP/1.1\r\nHost: localhost\r\n{TOKEN_LINE}Content-Length: x\r\n\r\n",
    ],
    ids=["no HTTP", "long line", "long header", "bad header", "bad length"],
)
async def test_bytes_that_are_no_http_are_answered_in_the_one_shape(
    admin: Admin, request_head: str, capfd: pytest.CaptureFixture[str]
) -> None:
    status, body = await raw(admin, request_head.encode())
    assert (status, body["error"]["code"]) == (400, "invalid_http")  # type: ignore[index]
    assert set(body) == {"error"}
    assert TOKENS["admin"] not in json.dumps(body) + "".join(capfd.readouterr())


async def test_the_longest_name_of_a_scope_fits_into_a_request_line(admin: Admin) -> None:
    scope = "model:" + "\U0001f512" * 256
    answer = await admin.call(
        "PUT", f"/admin/v1/dial/{quote(scope, safe='')}", json={"level": "killed", "reason": "x"}
    )
    assert (answer.status, answer.body["scope"]) == (200, scope)


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        ("Content-Length: 40\r\n", 408, "body_timeout"),
        ("Content-Length: 2\r\nExpect: a pony\r\n", 417, "not_expected"),
    ],
)
async def test_a_body_that_does_not_come_and_one_that_waits_for_what_nobody_sends(
    admin: Admin, head: str, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.admin.endpoint.BODY_WAIT_S", 0.05)
    request = (
        "PUT /admin/v1/dial/global HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {TOKENS['admin']}\r\n{head}\r\n"
    )
    answered, body = await raw(admin, request.encode() + b"{")
    assert (answered, body["error"]["code"]) == (status, code)  # type: ignore[index]
    assert set(body) == {"error"}
    assert admin.dial.snapshot().settings == ()
