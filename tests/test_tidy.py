"""The layers and the bans of docs/architecture.md and CONTRIBUTING.md, enforced; each rule is shown to bite."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from typing import Final

import pytest

from tests.tidy import (
    FILE_LINES_MAX,
    FUNCTION_LINES_MAX,
    ROOT,
    Source,
    catch_faults,
    imports,
    layer_faults,
    purity_faults,
    size_faults,
    sleep_faults,
    sources,
    state_faults,
)

Rule = Callable[[Source], Iterator[str]]

PROXY_RULES: Final = (layer_faults, purity_faults, state_faults, catch_faults, size_faults)
TEST_RULES: Final = (catch_faults, sleep_faults, size_faults)
BENCHMARK_RULES: Final = (catch_faults, size_faults)
OPTIONAL: Final = frozenset({"cryptography", "pyarrow"})  # imported only where installed
INDIRECT: Final = frozenset({"alt-profanity-check", "presidio-analyzer", "tldextract"})
"""No import statement names these: two have their data files read, one is loaded without its NLP engines."""
# Written in two halves, so that this file does not find itself.
UNWANTED: Final = re.compile(
    "|".join(
        (
            "TO" + "DO",
            "FIX" + "ME",
            "XX" + "X",
            r"(?<![\w.])/wo" + "rk/",
            "/ro" + "ot/",
            r"\biss" + r"ue #?\d",
        )
    )
)
TEXT_FILES: Final = (
    "*.py",
    "*.md",
    "*.yaml",
    "*.yml",
    "*.toml",
    "*.txt",
    "Makefile",
    "Dockerfile",
    "*.service",
)
OWN_FOLDERS: Final = ("proxy", "rules", "tests", "benchmarks", "deploy", "docs", ".ci")


def report(faults: list[str]) -> None:
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize("rule", PROXY_RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule: Rule) -> None:
    report([fault for source in sources("proxy") for fault in rule(source)])


@pytest.mark.parametrize("rule", TEST_RULES, ids=lambda rule: rule.__name__)
def test_the_tests_keep_the_rule(rule: Rule) -> None:
    report([fault for source in sources("tests") for fault in rule(source)])


@pytest.mark.parametrize("rule", BENCHMARK_RULES, ids=lambda rule: rule.__name__)
def test_the_benchmarks_keep_the_rule(rule: Rule) -> None:
    report([fault for source in sources("benchmarks") for fault in rule(source)])


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (layer_faults, "model/text.py", "import proxy.errors"),
        (layer_faults, "wire/sse.py", "from proxy.detect import base"),
        (layer_faults, "dial/control.py", "from proxy.log.store import Store"),
        (layer_faults, "policy/match.py", "from proxy.request import pipeline"),
        (layer_faults, "request/pipeline.py", "from proxy import app"),
        (layer_faults, "request/pipeline.py", "def f():\n    import proxy.demo"),
        (layer_faults, "demo/server.py", "import proxy.wire.sse"),
        (layer_faults, "jsonio.py", "from proxy.wire import sse"),
        (layer_faults, "newcomer.py", "import proxy.errors"),
        (layer_faults, "request/body.py", "from . import pipeline"),
        (purity_faults, "wire/sse.py", "import asyncio"),
        (purity_faults, "detect/pii.py", "from time import monotonic"),
        (purity_faults, "policy/match.py", "async def judge(): ..."),
        (state_faults, "dial/control.py", "seen = {}"),
        (state_faults, "dial/control.py", "SEEN: Final = {1: 2}\ndef f():\n    SEEN[2] = 3"),
        (state_faults, "dial/control.py", "SEEN: dict[str, int] = dict()\ndef f():\n    SEEN.update(a=1)"),
        (state_faults, "dial/control.py", "seen = collections.deque(maxlen=3)"),
        (state_faults, "dial/control.py", "def f():\n    global seen"),
        (state_faults, "dial/control.py", "@functools.cache\ndef f(): ..."),
        (catch_faults, "log/store.py", "try: ...\nexcept Exception: ..."),
        (catch_faults, "log/store.py", "try: ...\nexcept (OSError, BaseException): ..."),
        (catch_faults, "log/store.py", "try: ...\nexcept Exception:  # noqa: BLE001\n    ..."),
        (catch_faults, "log/store.py", "try: ...\nexcept: ..."),
        (sleep_faults, "tests/test_x.py", "import time\ntime.sleep(1)"),
        (size_faults, "log/store.py", "x = 1\n" * (FILE_LINES_MAX + 1)),
        (size_faults, "log/store.py", "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX),
    ],
)
def test_a_rule_bites(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source.of(path, text)))


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (layer_faults, "policy/match.py", "from proxy.detect import base\nfrom proxy.model import text"),
        (layer_faults, "jsonio.py", "from proxy.errors import GuardrailError"),
        (layer_faults, "commands/serve.py", "from proxy.demo import build_demo"),
        (purity_faults, "policy/store.py", "import asyncio"),
        (purity_faults, "request/pipeline.py", "import asyncio"),
        (
            state_faults,
            "wire/sse.py",
            'TABLE: Mapping[str, int] = {"a": 1}\n__all__ = ["x"]\nNAMES = ("a", "b")',
        ),
        (
            catch_faults,
            "log/store.py",
            "try: ...\nexcept Exception:  # the writer must outlive one bad row\n    ...",
        ),
        (size_faults, "log/store.py", "x = 1\n" * FILE_LINES_MAX),
    ],
)
def test_a_rule_lets_good_code_be(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source.of(path, text))) == []


def test_nothing_unfinished_and_no_machine_paths_stand_in_the_files() -> None:
    files = [path for name in TEXT_FILES for path in ROOT.glob(name)]
    files += [path for top in OWN_FOLDERS for name in TEXT_FILES for path in (ROOT / top).rglob(name)]
    assert len(files) > 50
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8").split("\n"), 1)
        if UNWANTED.search(line)
    ]
    report(found)


def project() -> dict[str, object]:
    table: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return table


def dig(value: object, *keys: str) -> object:
    for key in keys:
        assert isinstance(value, dict)
        value = value[key]
    return value


def names(requirements: object) -> set[str]:
    assert isinstance(requirements, list)
    return {
        re.split(r"[^\w.-]", item)[0].lower().replace("_", "-").replace(".", "-") for item in requirements
    }


def test_every_package_is_shipped() -> None:
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "proxy").rglob("__init__.py")}
    packages = {".".join(folder.parts) for folder in folders} | {"proxy.shipped_rules"}
    listed = dig(project(), "tool", "setuptools", "packages")
    assert isinstance(listed, list)
    assert set(listed) == packages


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    distributions = packages_distributions()
    used: set[str] = set()
    for source in sources("proxy"):
        for _, name in imports(source):
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top not in {"proxy", *OPTIONAL}:
                used.add(distributions[top][0].lower().replace("_", "-").replace(".", "-"))
    declared = names(dig(project(), "project", "dependencies"))
    report([f"{name} is imported and not declared" for name in sorted(used - declared)])
    report([f"{name} is declared and not imported" for name in sorted(declared - used - INDIRECT)])


LOCKS: Final = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-ner.lock",
    "requirements-detoxify-run.lock",
    "requirements-detoxify.lock",
    "requirements-encryption.lock",
    "requirements-parquet.lock",
)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_pinned_with_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
    assert names(dig(project(), "project", "dependencies")) <= pinned.keys()
    blocks = re.split(r"\n(?=[\w.-]+==)", text)
    assert all("--hash=sha256:" in block for block in blocks)


def test_all_locks_agree() -> None:
    """The tests run with every extra; what they run with is what an installation gets."""
    pins = {
        lock: set(re.findall(r"^([\w.-]+==\S+)", (ROOT / lock).read_text("utf-8"), re.MULTILINE))
        for lock in LOCKS
    }
    for lock in LOCKS:
        assert pins[lock] <= pins["requirements-dev.lock"], lock
