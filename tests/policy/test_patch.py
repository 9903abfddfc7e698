"""Hot patches in the policy: rules of phrases behind those of the files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.errors import Invalid
from proxy.model.level import Action, Direction, Level
from proxy.model.record import Json
from proxy.policy.cases import judge_text
from proxy.policy.match import Selection
from proxy.policy.patch import PHRASE_CHARS_MAX, PHRASES_MAX, Patch
from proxy.policy.store import PolicyStore, ReloadResult
from tests.policy.folders import BLOCK_BETA, BROKEN, write

ANY = Selection(Level.GUARDED, frozenset(), None)
PATCH = Patch(Direction.OUTPUT, Action.REDACT, ("project nightingale",))


@dataclass(frozen=True)
class Held:
    id: str
    value: str


def held(patch: Patch, id: str = "1f") -> Held:
    return Held(id, patch.dumps())


def delivered(store: PolicyStore, text: str) -> str:
    return judge_text(store.current, Direction.OUTPUT, ANY, text).text


def names(store: PolicyStore) -> list[str]:
    return list(store.current.rule_names)


def test_a_patch_comes_back_as_it_was_kept() -> None:
    assert Patch.loads(PATCH.dumps()) == PATCH
    rule = PATCH.rule("1f")
    assert (rule.id, rule.action, rule.on_error) == ("patch:1f", Action.REDACT, Action.BLOCK)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"on": "sideways"}, "`on` must be"),
        ({"on": None}, "`on` must be"),
        ({"action": "pseudonymize"}, "`action` must be"),
        ({"action": 7}, "`action` must be"),
        ({"phrases": []}, "`phrases` must be"),
        ({"phrases": "word"}, "`phrases` must be"),
        ({"phrases": ["x"] * (PHRASES_MAX + 1)}, "`phrases` must be"),
        ({"phrases": [7]}, "must be a string"),
        ({"phrases": ["x" * (PHRASE_CHARS_MAX + 1)]}, "at most"),
        ({"phrases": ["\u200b"]}, "no visible character"),
    ],
)
def test_what_is_no_patch_says_why(change: dict[str, Json], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        Patch.parse({"phrases": ["word"], "on": "output", "action": "block", **change})


async def test_it_is_in_force_beside_the_files_and_gone_again(store: PolicyStore, rules: Path) -> None:
    files = store.load_first().digest
    told: list[ReloadResult] = []
    store.subscribe(told.append)
    await store.patch([held(PATCH)])
    assert store.current.rule_names == ("alpha", "patch:1f")
    assert store.current.digest not in (files, None)
    assert "nightingale" not in delivered(store, "It is Ｐroject  Night\u200bingale, yes.").casefold()
    assert [result.digest for result in told] == [store.current.digest]
    await store.patch([held(PATCH)])
    assert len(told) == 1, "the same patches again change nothing"
    await store.patch([])
    assert store.current.digest == files
    assert delivered(store, "project nightingale") == "project nightingale"


async def test_it_outlives_edits_of_the_files_broken_ones_too(store: PolicyStore, rules: Path) -> None:
    store.load_first()
    await store.patch([held(PATCH)])
    write(rules, {"a.yaml": BLOCK_BETA})
    assert (await store.reload()).ok
    assert names(store) == ["beta", "patch:1f"]
    write(rules, {"a.yaml": BROKEN})
    assert not (await store.reload()).ok
    await store.patch([held(PATCH), held(Patch(Direction.INPUT, Action.FLAG, ("gamma",)), "2e")])
    assert names(store) == ["beta", "patch:1f", "patch:2e"]
    assert store.last_error is not None, "the files are refused still"


async def test_the_kept_copy_is_of_the_files_alone(tmp_path: Path, rules: Path) -> None:
    keep = tmp_path / "keep"
    store = PolicyStore(rules, keep)
    store.load_first()
    await store.patch([held(PATCH)])
    write(rules, {"a.yaml": BLOCK_BETA})
    await store.reload()
    write(rules, {"a.yaml": BROKEN})
    later = PolicyStore(rules, keep)
    assert not later.load_first().ok
    assert later.current.rule_names == ("beta",)
