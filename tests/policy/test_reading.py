"""Reading a rules folder: what counts, and what is told instead of followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.policy.reading import DEPTH_MAX, look, read_folder
from proxy.policy.store import PolicyStore
from tests.policy.folders import BLOCK_ALPHA, BLOCK_BETA, BROKEN, write


def test_hidden_files_tests_and_folders_of_others_are_not_read(rules: Path) -> None:
    write(
        rules,
        {".hidden.yaml": BROKEN, ".git/x.yaml": BROKEN, "a.test.yaml": "cases: []", "sub/b.yaml": BLOCK_BETA},
    )
    assert set(read_folder(rules).files) == {"a.yaml", "sub/b.yaml"}
    assert set(read_folder(rules, tests=True).files) == {"a.test.yaml"}


def test_a_link_that_leads_back_up_is_told_not_followed_for_ever(rules: Path) -> None:
    (rules / "loop").symlink_to(rules)
    with pytest.raises(ConfigError, match=f"deeper than {DEPTH_MAX} folders"):
        read_folder(rules)


def test_a_broken_link_to_a_rule_file_is_a_problem(store: PolicyStore, rules: Path) -> None:
    (rules / "b.yaml").symlink_to("nowhere.yaml")
    with pytest.raises(ConfigError, match=r"b\.yaml:1:1: cannot be read: No such file"):
        store.load_first()


def test_a_look_tells_an_edit_that_keeps_size_and_place(rules: Path) -> None:
    before = look(rules)
    assert look(rules) == before
    write(rules, {"a.yaml": BLOCK_ALPHA.replace("block", "flag ")})
    os.utime(rules / "a.yaml", ns=(before[0][3], before[0][3]))
    assert look(rules) != before, "a time set back does not hide it"
