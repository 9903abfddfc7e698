"""A rules folder with one rule, and a store of it that has loaded nothing yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.policy.store import PolicyStore
from tests.policy.folders import BLOCK_ALPHA, write


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return write(tmp_path / "rules", {"a.yaml": BLOCK_ALPHA})


@pytest.fixture
def store(tmp_path: Path, rules: Path) -> PolicyStore:
    return PolicyStore(rules, tmp_path / "data" / "policy", now=lambda: 1700000000.0)
