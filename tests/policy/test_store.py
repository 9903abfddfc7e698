"""The policy in force: the first load, reloads, watching a real folder, and the copy that is kept."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.errors import ConfigError, Problem
from proxy.model.level import Direction, Level
from proxy.policy.match import Selection
from proxy.policy.reading import DEPTH_MAX, look, read_folder
from proxy.policy.store import KEPT_FILE, PolicyStore, ReloadResult
from tests.policy.folders import BLOCK_ALPHA, BLOCK_BETA, BROKEN, write

ANY = Selection(Level.GUARDED, frozenset(), None)
TAKES_EFFECT_S = 1.0


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return write(tmp_path / "rules", {"a.yaml": BLOCK_ALPHA})


@pytest.fixture
def store(tmp_path: Path, rules: Path) -> PolicyStore:
    return PolicyStore(rules, tmp_path / "data" / "policy", now=lambda: 1700000000.0)


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


@pytest.fixture
async def watched(store: PolicyStore) -> AsyncIterator[PolicyStore]:
    store.load_first()
    task = asyncio.create_task(store.watch())
    yield store
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(store: PolicyStore, seen: Callable[[PolicyStore], bool], act: Callable[[], object]) -> float:
    """Seconds from an act until the store shows it, told by the store itself."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    store.subscribe(lambda _: done.set() if seen(store) else None)
    started = loop.time()
    await asyncio.to_thread(act)
    await asyncio.wait_for(done.wait(), 10)
    return loop.time() - started


async def test_an_edit_takes_effect_within_a_second(watched: PolicyStore, rules: Path) -> None:
    took = await until(
        watched, lambda s: s.current.rule_names == ("beta",), lambda: write(rules, {"a.yaml": BLOCK_BETA})
    )
    assert took < TAKES_EFFECT_S


async def test_editors_that_rename_into_place_are_seen(watched: PolicyStore, rules: Path) -> None:
    def save() -> None:
        part = rules / ".a.yaml.swp"
        part.write_text(BLOCK_BETA)
        os.replace(part, rules / "a.yaml")

    await until(watched, lambda s: s.current.rule_names == ("beta",), save)


async def test_new_files_in_new_folders_and_removals_are_seen(watched: PolicyStore, rules: Path) -> None:
    await until(
        watched, lambda s: len(s.current.rules) == 2, lambda: write(rules, {"team/shop/b.yaml": BLOCK_BETA})
    )
    await until(watched, lambda s: len(s.current.rules) == 1, lambda: shutil.rmtree(rules / "team"))


async def test_a_phrase_file_is_watched_too(watched: PolicyStore, rules: Path) -> None:
    uses = BLOCK_BETA.replace("[beta]", "{file: words.txt}")
    await until(
        watched,
        lambda s: len(s.current.rules) == 2,
        lambda: write(rules, {"words.txt": "gamma\n", "b.yaml": uses}),
    )

    def gamma_is_fine(store: PolicyStore) -> bool:
        return not store.current.judge(Direction.OUTPUT, ANY, "f").feed("gamma", final=True).findings

    assert not gamma_is_fine(watched)
    await until(watched, gamma_is_fine, lambda: write(rules, {"words.txt": "delta\n"}))


async def test_a_folder_that_vanishes_and_returns(watched: PolicyStore, rules: Path) -> None:
    before = watched.current
    await until(watched, lambda s: s.last_error is not None, lambda: shutil.rmtree(rules))
    assert watched.current is before
    await until(
        watched, lambda s: s.current.rule_names == ("beta",), lambda: write(rules, {"a.yaml": BLOCK_BETA})
    )
    assert watched.last_error is None


async def test_a_folder_swapped_by_its_link_as_a_config_map_is(tmp_path: Path) -> None:
    write(tmp_path / "mount/..one", {"a.yaml": BLOCK_ALPHA})
    write(tmp_path / "mount/..two", {"a.yaml": BLOCK_BETA})
    mount = tmp_path / "mount"
    (mount / "..data").symlink_to("..one")
    (mount / "a.yaml").symlink_to("..data/a.yaml")
    store = PolicyStore(mount, tmp_path / "keep")
    store.load_first()
    assert store.current.rule_names == ("alpha",)

    def turn() -> None:
        (mount / "..next").symlink_to("..two")
        os.replace(mount / "..next", mount / "..data")

    task = asyncio.create_task(store.watch())
    await until(store, lambda s: s.current.rule_names == ("beta",), turn)
    task.cancel()


async def test_a_file_written_in_pieces_never_serves_in_part(tmp_path: Path, rules: Path) -> None:
    """Every prefix of whole lines is valid YAML, with fewer rules: it is read only once it has settled."""
    text = "rules:\n" + "".join(
        f"  - {{id: r{number}, on: output, detect: {{phrases: [x]}}, action: block}}\n"
        for number in range(20)
    )
    store = PolicyStore(rules, tmp_path / "keep", poll_s=0.02, settle_s=0.4)
    store.load_first()
    seen: set[int] = set()
    store.subscribe(lambda _: seen.add(len(store.current.rules)))
    task = asyncio.create_task(store.watch())

    def write_slowly() -> None:
        never = threading.Event()
        with (rules / "a.yaml").open("w") as handle:
            for line in text.splitlines(keepends=True):
                handle.write(line)
                handle.flush()
                never.wait(0.02)

    await until(store, lambda s: len(s.current.rules) == 20, write_slowly)
    task.cancel()
    assert seen == {20}


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
