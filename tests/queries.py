"""What Grafana's dashboard and Prometheus's alerts in deploy/ ask, and Debian's Prometheus to ask it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from ruamel.yaml import YAML

from tests.tidy import ROOT

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str | float | None"

DASHBOARD: Final = ROOT / "deploy" / "grafana" / "guardrail-proxy.json"
PROMETHEUS: Final = ROOT / "deploy" / "prometheus"
_VARIABLES: Final = (("$__rate_interval", "1m"), ("$model", ".*"), ("$tripwire", ".*"))


def dashboard_queries() -> tuple[tuple[str, str], ...]:
    """Each query with its variables set, and the legend of its series."""
    return tuple(_asked(json.loads(DASHBOARD.read_text("utf-8"))))


def _asked(tree: Tree) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        if "expr" in tree:
            query = str(tree["expr"])
            for name, value in _VARIABLES:
                query = query.replace(name, value)
            yield query, str(tree.get("legendFormat", ""))
        for child in tree.values():
            yield from _asked(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _asked(child)


def alerts() -> tuple[tuple[str, str], ...]:
    """Each alert's name and query."""
    file = YAML(typ="safe").load(PROMETHEUS / "alerts.yaml")
    return tuple((rule["alert"], rule["expr"]) for group in file["groups"] for rule in group["rules"])


def compared(query: str) -> str:
    """A query whose comparisons say 1 or 0 in place of dropping what they are not true of: it is empty only where
    there is nothing to compare."""
    return re.sub(r" (==|!=|>=|<=|>|<) (?!bool )", r" \1 bool ", query)


def debians(tool: str) -> Path:
    """`prometheus` or `promtool`, from `make prometheus` or the machine's own."""
    own = ROOT / ".prometheus" / "usr" / "bin" / tool
    found = own if own.exists() else shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed: make prometheus")
    return Path(found)
