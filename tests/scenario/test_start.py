"""A proxy that cannot start says which setting keeps it from starting, and leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.app import App
from proxy.data_folder import AlreadyRunning, CannotStart
from proxy.settings import Address
from tests.fakes import ScriptedBackend
from tests.scenario.harness import proxy_for, settings_for


@pytest.mark.parametrize("key", ["listen", "admin.listen"])
async def test_an_address_that_is_taken(key: str, tmp_path: Path) -> None:
    async with ScriptedBackend([]) as other:
        taken = Address("127.0.0.1", int(other.url.rpartition(":")[2]))
        settings = settings_for(tmp_path, other.url)
        if key == "listen":
            settings = replace(settings, listen=taken)
        else:
            settings = replace(settings, admin=replace(settings.admin, listen=taken))
        with pytest.raises(
            CannotStart, match=rf"^{key}: {taken} cannot be listened on: Address already in use$"
        ):
            await App(settings).start()


async def test_a_data_folder_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(CannotStart, match=r"^data_dir: .*file cannot be used: File exists$"):
        await App(replace(settings_for(tmp_path, "http://127.0.0.1:9"), data_dir=file)).start()


async def test_a_data_folder_that_another_proxy_uses(tmp_path: Path) -> None:
    async with proxy_for(tmp_path, "http://127.0.0.1:9") as running:
        with pytest.raises(AlreadyRunning, match="give this one a data_dir of its own"):
            await App(running.settings).start()
