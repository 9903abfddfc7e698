"""The token of the first start: made where the settings name none, so that the API is never open."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

import structlog
from pydantic import SecretStr

from proxy.errors import GuardrailError
from proxy.settings import Settings, Token

TOKEN_FILE: Final = "admin.token"
TOKEN_NAME: Final = "admin"
TOKEN_CHARS_MIN: Final = 32
TOKEN_CHARS_MAX: Final = 4096

_log = structlog.get_logger("proxy.admin")


class TokenError(GuardrailError):
    """The token's file cannot be used; the text says why and never what it holds."""


def ensure_admin_token(settings: Settings) -> tuple[Token, ...]:
    """The tokens of the settings; with none there, the one in `data_dir/admin.token`, made at the first start.

    Raises TokenError.
    """
    if settings.admin.tokens:
        return settings.admin.tokens
    path = settings.data_dir / TOKEN_FILE
    try:
        value, made = _read_or_make(path)
    except OSError as error:
        raise TokenError(f"{path}: {error.strerror or error}") from error
    _log.info("admin_token_made" if made else "admin_token_read", path=str(path))
    return (Token(TOKEN_NAME, "admin", SecretStr(value)),)


def _read_or_make(path: Path) -> tuple[str, bool]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return _make(path), True
    with os.fdopen(handle, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        raw = file.read(TOKEN_CHARS_MAX + 1)
    if mode & 0o077:
        raise TokenError(f"{path} is readable by others (mode {mode:o}): delete it, and a new token is made")
    value = raw.decode("ascii", "replace").strip()
    if not TOKEN_CHARS_MIN <= len(value) <= TOKEN_CHARS_MAX or not value.isascii() or not value.isprintable():
        raise TokenError(f"{path} holds no token of at least {TOKEN_CHARS_MIN} characters: delete it")
    return value, False


def _make(path: Path) -> str:
    value = secrets.token_urlsafe(32)
    # Written whole beside it and linked into place: a crash leaves no half token, and nobody reads it early.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return value
