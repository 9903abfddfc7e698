"""The settings `alerts:`."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings import load
from tests.settings.test_settings import LEAST, problems, write

ALERT_ENV = {
    "URL": "slack://a/b/c",
    "HOOK": "https://hooks.example.com/x?y",
    "SECRET": "s3cret-of-soc",
    "BAD": "nothing",
}


def test_alert_targets(tmp_path: Path) -> None:
    text = LEAST + (
        "alerts:\n  oncall: {apprise_env: URL}\n"
        "  soc: {webhook_env: HOOK, secret_env: SECRET, min_severity: high}\n"
        '  own: {webhook: "http://127.0.0.1:9/x", secret_env: SECRET}\n'
    )
    oncall, soc, own = load(write(tmp_path, text), ALERT_ENV).alerts
    assert (oncall.name, oncall.webhook, oncall.min_severity) == ("oncall", None, "low")
    assert oncall.apprise is not None
    assert oncall.apprise.get_secret_value() == "slack://a/b/c"
    assert (soc.min_severity, soc.apprise) == ("high", None)
    assert soc.webhook is not None
    assert soc.webhook.get_secret_value() == ALERT_ENV["HOOK"]
    assert own.secret is not None
    assert "s3cret" not in repr((oncall, soc, own))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("{}", "needs either `webhook`"),
        ("{apprise_env: URL, webhook: 'https://a.example', secret_env: SECRET}", "needs either `webhook`"),
        ("{webhook: 'https://a.example'}", "the key `secret_env` (or `secret_file`) is missing"),
        ("{webhook: 'ftp://a.example', secret_env: SECRET}", "must be an http or https URL with a host"),
        ("{webhook: 'https://a', webhook_env: HOOK, secret_env: SECRET}", "stands here and in a reference"),
        ("{apprise_env: BAD}", "is no Apprise URL"),
        ("{apprise_env: NONE}", "the environment variable `NONE` is not set"),
        ("{apprise_env: URL, min_severity: loud}", "must be one of low, medium, high, critical"),
    ],
    ids=str,
)
def test_alert_targets_that_cannot_be_used(tmp_path: Path, target: str, expected: str) -> None:
    found = problems(tmp_path, f"{LEAST}alerts: {{oncall: {target}}}\n", ALERT_ENV)
    assert any(expected in problem for problem in found), found
    assert not any("slack://a" in problem or "s3cret" in problem for problem in found)
