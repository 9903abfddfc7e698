"""How many connections the admin listener holds, and which of them go first."""

from __future__ import annotations

import asyncio

from proxy.admin.listener import CONNECTIONS_MAX
from tests.admin.conftest import Admin
from tests.admin.test_gate import KILL
from tests.waits import within


async def test_silent_connections_do_not_keep_the_operators_out(admin: Admin) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", admin.port) for _ in range(CONNECTIONS_MAX + 8)]
    try:
        assert (await admin.call("PUT", "/admin/v1/dial/global", json=KILL)).status == 200
        assert [await within(reader.read()) for reader, _ in silent[:9]] == [
            b""
        ] * 9  # the longest idle ones went
        assert not silent[-1][0].at_eof()
    finally:
        for _, writer in silent:
            writer.close()
