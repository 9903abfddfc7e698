"""docs/rules.md: what it shows is read as it stands."""

from __future__ import annotations

import re

from proxy.detect.base import HELD_CHARS_MAX
from proxy.detect.phrases import PHRASE_CHARS_MAX
from proxy.detect.secrets import KINDS
from proxy.policy.cases import read_cases, run
from proxy.policy.compile import compile_policy
from proxy.policy.match import FINDINGS_MAX
from proxy.policy.reading import DEPTH_MAX, FILE_BYTES_MAX, FILES_MAX, FOLDER_BYTES_MAX
from proxy.policy.schema import PHRASES_MAX, RULES_MAX
from proxy.yaml_source import YAML_BYTES_MAX
from tests.policy.folders import folder
from tests.policy.shipped import RULES

DOCS = (RULES.parent / "docs" / "rules.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)


def test_the_examples_compile_and_the_tests_among_them_pass() -> None:
    tests = [text for text in EXAMPLES if text.startswith("cases:")]
    rules = [text for text in EXAMPLES if not text.startswith("cases:")]
    assert (len(tests), len(rules)) == (1, 2)
    policy = compile_policy(folder({f"{at}.yaml": text for at, text in enumerate(rules)}))
    cases = read_cases(folder({"docs.test.yaml": tests[0]}), policy)
    assert [report.differences for report in run(policy, cases)] == [()]


def test_the_limits_are_those_of_the_code() -> None:
    mebi = 1024 * 1024
    assert (
        f"| {YAML_BYTES_MAX // mebi} MiB, {FILE_BYTES_MAX // mebi} MiB, {FOLDER_BYTES_MAX // mebi} MiB |"
        in DOCS
    )
    assert f"| files, folders deep | {FILES_MAX}, {DEPTH_MAX} |" in DOCS
    assert f"| rules, phrases | {RULES_MAX}, {PHRASES_MAX:,} |" in DOCS
    assert f"| {PHRASE_CHARS_MAX}, {HELD_CHARS_MAX} |" in DOCS
    assert f"| {FINDINGS_MAX:,}; the next one" in DOCS


def test_every_kind_of_secret_is_named() -> None:
    assert {kind for kind in KINDS if f"`{kind}`" not in DOCS} == set()


def test_every_shipped_file_stands_in_the_table() -> None:
    shipped = {path.name for path in RULES.glob("*.yaml") if not path.name.endswith(".test.yaml")}
    assert {name for name in shipped if f"`{name}`" in DOCS} == shipped
