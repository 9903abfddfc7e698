"""The token that is made where the settings name none."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from proxy.admin.token import ensure_admin_token
from proxy.own_secret import SecretFileError
from proxy.settings import Address, Settings, Token, demo_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    anywhere = Address("127.0.0.1", 0)
    return demo_settings(anywhere, anywhere, tmp_path / "data", tmp_path, "http://127.0.0.1:1")


def test_a_token_is_made_once_for_its_owner_only_and_never_printed(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    (token,) = ensure_admin_token(settings)
    path = settings.data_dir / "admin.token"
    assert (token.name, token.role) == ("admin", "admin")
    assert path.read_text().strip() == token.token.get_secret_value()
    assert len(token.token.get_secret_value()) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ensure_admin_token(settings) == (token,)
    assert [file.name for file in settings.data_dir.iterdir()] == ["admin.token"]
    printed = "".join(capfd.readouterr())
    assert str(path) in printed
    assert token.token.get_secret_value() not in printed


def test_tokens_of_the_settings_are_all_there_are(settings: Settings) -> None:
    given = (Token("oncall", "operator", SecretStr("x" * 40)),)
    assert ensure_admin_token(replace(settings, admin=replace(settings.admin, tokens=given))) == given
    assert not settings.data_dir.exists()


def test_a_file_that_others_could_read_is_not_trusted(settings: Settings) -> None:
    ensure_admin_token(settings)
    (settings.data_dir / "admin.token").chmod(0o640)
    with pytest.raises(SecretFileError, match="readable by others"):
        ensure_admin_token(settings)


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40, b"x" * 20 + b"\n" + b"y" * 20])
def test_a_file_without_a_token_is_refused_and_not_shown(settings: Settings, content: bytes) -> None:
    settings.data_dir.mkdir()
    path = settings.data_dir / "admin.token"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SecretFileError, match="holds no token"):
        ensure_admin_token(settings)


def test_a_link_is_not_followed(settings: Settings, tmp_path: Path) -> None:
    settings.data_dir.mkdir()
    (tmp_path / "elsewhere").write_text("x" * 40)
    (settings.data_dir / "admin.token").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SecretFileError):
        ensure_admin_token(settings)
