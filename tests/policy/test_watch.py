"""Watching a real folder: what is seen, how soon, and what is waited for."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.model.level import Direction, Level
from proxy.policy.match import Selection
from proxy.policy.store import PolicyStore
from tests.policy.folders import BLOCK_ALPHA, BLOCK_BETA, write

ANY = Selection(Level.GUARDED, frozenset(), None)
TAKES_EFFECT_S = 1.0


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
