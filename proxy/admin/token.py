"""The token of the first start: made where the settings name none, so that the API is never open."""

from __future__ import annotations

from typing import Final

import structlog
from pydantic import SecretStr

from proxy.own_secret import own_secret
from proxy.settings import Settings, Token

TOKEN_FILE: Final = "admin.token"
TOKEN_NAME: Final = "admin"

_log = structlog.get_logger("proxy.admin")


def ensure_admin_token(settings: Settings) -> tuple[Token, ...]:
    """The tokens of the settings; with none there, the one in `data_dir/admin.token`, made at the first start.

    Raises SecretFileError.
    """
    if settings.admin.tokens:
        return settings.admin.tokens
    path = settings.data_dir / TOKEN_FILE
    value, made = own_secret(path, "token")
    _log.info("admin_token_made" if made else "admin_token_read", path=str(path))
    return (Token(TOKEN_NAME, "admin", SecretStr(value)),)
