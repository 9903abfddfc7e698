"""The settings `alerts:`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from pydantic import SecretStr

from proxy.model.text import Path as At
from proxy.settings.file import AlertFile
from proxy.settings.values import AlertTarget

Secret: TypeAlias = Callable[[At, str, str | None, str | None], SecretStr | None]
Fault: TypeAlias = Callable[[At, str], None]


def resolve_alert(name: str, file: AlertFile, secret: Secret, fault: Fault) -> AlertTarget:
    """One target; what cannot be used is a fault."""
    at: At = ("alerts", name)
    hook = file.webhook is not None or file.webhook_env is not None or file.webhook_file is not None
    service = file.apprise_env is not None or file.apprise_file is not None
    if hook == service:
        fault(
            at,
            "needs either `webhook` (or `webhook_env`, `webhook_file`) or `apprise_env` (or `apprise_file`)",
        )
    if file.webhook is not None and (file.webhook_env is not None or file.webhook_file is not None):
        fault(at, "`webhook` stands here and in a reference: keep one")
    url = secret(at, "webhook", file.webhook_env, file.webhook_file)
    if file.webhook is not None:
        url = SecretStr(file.webhook)
    if url is not None and not _is_web(url.get_secret_value()):
        fault(
            at, "the webhook must be an http or https URL with a host, as https://hooks.example.com/guardrail"
        )
    if hook and file.secret_env is None and file.secret_file is None:
        fault(at, "the key `secret_env` (or `secret_file`) is missing: it signs what the webhook gets")
    if service and (file.secret_env is not None or file.secret_file is not None):
        fault(at, "a secret is for webhooks")
    signs = secret(at, "secret", file.secret_env, file.secret_file)
    apprise = secret(at, "apprise", file.apprise_env, file.apprise_file)
    if apprise is not None and "://" not in apprise.get_secret_value():
        fault(at, "what it names is no Apprise URL, as slack://… or mailto://…")
    return AlertTarget(name, url, signs, apprise, file.min_severity)


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and url.isascii()
        )
    except ValueError:
        return False
