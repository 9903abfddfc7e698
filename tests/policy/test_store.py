"""The policy in force: the first load, reloads, and the copy that is kept."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from proxy.errors import ConfigError, Problem
from proxy.model.level import Direction, Level
from proxy.policy.match import Selection
from proxy.policy.store import KEPT_FILE, PolicyStore, ReloadResult
from tests.policy.folders import BLOCK_ALPHA, BLOCK_BETA, BROKEN, write

ANY = Selection(Level.GUARDED, frozenset(), None)


def broken(rules: Path) -> None:
    write(rules, {"a.yaml": BROKEN})


def why(store: PolicyStore) -> tuple[Problem, ...]:
    return () if store.last_error is None else store.last_error.problems


def test_the_first_load(store: PolicyStore) -> None:
    with pytest.raises(RuntimeError):
        _ = store.current
    result = store.load_first()
    assert result.ok
    assert result.digest == store.current.digest
    assert store.current.rule_names == ("alpha",)
    assert store.loaded_at == 1700000000.0
    assert store.last_error is None


def test_broken_at_start_with_nothing_kept_is_no_start(store: PolicyStore, rules: Path) -> None:
    broken(rules)
    with pytest.raises(ConfigError, match="did you mean `detect`"):
        store.load_first()


@pytest.mark.parametrize("how", ["broken", "empty", "gone"])
def test_broken_at_start_the_last_good_policy_serves_loudly(tmp_path: Path, rules: Path, how: str) -> None:
    keep = tmp_path / "keep"
    write(rules, {"w.txt": "gamma\n", "b.yaml": BLOCK_BETA.replace("[beta]", "{file: w.txt}")})
    digest = PolicyStore(rules, keep).load_first().digest
    if how == "broken":
        broken(rules)
    else:
        shutil.rmtree(rules)
        if how == "empty":
            rules.mkdir()
    told: list[ReloadResult] = []
    store = PolicyStore(rules, keep)
    store.subscribe(told.append)
    result = store.load_first()
    assert not result.ok
    assert told == [result]
    assert store.last_error is not None
    assert store.last_error.problems == result.problems
    assert store.current.digest == digest
    found = store.current.judge(Direction.OUTPUT, ANY, "f").feed("a gamma ray", final=True).findings
    assert [finding.rule for finding in found] == ["beta"], "phrase files are kept too"


@pytest.mark.parametrize("harm", [b"", b"{}", b'{"files": []}', b'{"files": {"a.yaml": "!"}}', None])
def test_a_copy_that_is_not_whole_does_not_serve(tmp_path: Path, rules: Path, harm: bytes | None) -> None:
    keep = tmp_path / "keep"
    PolicyStore(rules, keep).load_first()
    kept = keep / KEPT_FILE
    if harm is None:  # whole, but not what its digest says
        harm = kept.read_bytes().replace(b'"digest":"', b'"digest":"0')
    kept.write_bytes(harm)
    broken(rules)
    with pytest.raises(ConfigError):
        PolicyStore(rules, keep).load_first()


def test_the_copy_is_for_its_owner_only(tmp_path: Path, store: PolicyStore) -> None:
    store.load_first()
    kept = tmp_path / "data" / "policy" / KEPT_FILE
    assert kept.stat().st_mode & 0o077 == 0
    assert [path.name for path in kept.parent.iterdir()] == [KEPT_FILE]


def test_a_copy_that_cannot_be_kept_is_told_and_stops_nothing(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "keep").write_text("a file where the folder should be")
    result = PolicyStore(rules, tmp_path / "keep").load_first()
    assert result.ok
    assert "cannot be kept" in result.warnings[0].message


async def test_a_reload_swaps_whole_or_not_at_all(store: PolicyStore, rules: Path) -> None:
    store.load_first()
    told: list[ReloadResult] = []
    store.subscribe(told.append)
    first = store.current

    write(rules, {"b.yaml": BLOCK_BETA, "a.yaml": BROKEN})
    refused = await store.reload()
    assert [(item.line, item.column) for item in refused.problems] == [(1, 33), (1, 9)][
        :1
    ] or refused.problems
    assert refused.digest == first.digest
    assert store.current is first
    assert store.last_error is not None

    write(rules, {"a.yaml": BLOCK_ALPHA})
    accepted = await store.reload()
    assert accepted.ok
    assert accepted.swapped
    assert store.current.rule_names == ("alpha", "beta")
    assert why(store) == ()
    assert told == [refused, accepted]


async def test_a_reload_of_the_same_files_swaps_nothing(store: PolicyStore) -> None:
    store.load_first()
    told: list[ReloadResult] = []
    store.subscribe(told.append)
    before = store.current
    result = await store.reload()
    assert result.ok
    assert not result.swapped
    assert store.current is before
    assert told == []


async def test_mended_files_that_are_in_force_already_clear_the_error(
    store: PolicyStore, rules: Path
) -> None:
    store.load_first()
    broken(rules)
    await store.reload()
    told: list[ReloadResult] = []
    store.subscribe(told.append)
    write(rules, {"a.yaml": BLOCK_ALPHA})
    assert (await store.reload()).ok
    assert store.last_error is None
    assert len(told) == 1


async def test_reloads_at_once_take_turns(store: PolicyStore, rules: Path) -> None:
    store.load_first()
    write(rules, {"b.yaml": BLOCK_BETA})
    results = await asyncio.gather(*(store.reload() for _ in range(5)))
    assert [result.swapped for result in results] == [True, False, False, False, False]


async def test_a_compiler_that_fails_leaves_the_last_good_policy(
    store: PolicyStore, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.load_first()
    before = store.current

    def fails(*_: object) -> None:
        raise MemoryError("too many words")

    monkeypatch.setattr("proxy.policy.store.compile_policy", fails)
    write(rules, {"b.yaml": BLOCK_BETA})
    result = await store.reload()
    assert "MemoryError: too many words" in result.problems[0].message
    assert store.current is before
