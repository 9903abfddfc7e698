"""With CI set, a test that skips without an allowed reason fails the run: what nobody runs proves nothing."""

from __future__ import annotations

import os
from typing import Final

import pytest

ALLOWED_REASONS: Final[tuple[str, ...]] = ()
"""Beginnings of reasons for which a test may be left out in CI, each to be argued for in a review."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a green run with unexplained skips red."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    unexplained = [
        f"{report.nodeid}: {reason}"
        for report in reporter.stats.get("skipped", [])
        if not (reason := _reason(report)).startswith(ALLOWED_REASONS or ("\0",))
    ]
    if unexplained and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.section("skipped without an allowed reason", red=True)
        for line in unexplained:
            reporter.line(line)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """`Skipped: why`, without the first word."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
