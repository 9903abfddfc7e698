"""A tired hand gives a command the clients' port in place of the admin listener: it is told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.admin.test_dial_command import run
from tests.scenario.harness import proxy_for


@pytest.mark.parametrize("words", [("dial", "show"), ("block", "list"), ("patch", "list"), ("changes",)])
async def test_the_clients_port_is_named_as_that(tmp_path: Path, words: tuple[str, ...]) -> None:
    async with proxy_for(tmp_path, "http://127.0.0.1:1") as proxy:
        done = await run(tmp_path, *words, admin=proxy.url)
    assert done.status == 1
    assert "looks like the proxy's port for clients" in done.err
    assert "--admin URL" in done.err
