"""The `cards` of rule files, and what the inventory lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxy.cli import build
from proxy.model.card import Card, Owner, card_for
from proxy.policy.compile import compile_policy
from tests.policy.folders import folder, problems

WHOLE = """\
cards:
  - model: support-bot
    version: v2.3
    owner: {team: support-ml, contact: oncall}
    type: llm
    base_model: gpt-test
    training_data: tickets
    dependencies: []
    risks: [promises refunds]
"""


def test_a_whole_card() -> None:
    (card,) = compile_policy(folder(WHOLE)).cards
    owner = Owner("support-ml", "oncall")
    assert card == Card(
        "support-bot", "v2.3", owner, "llm", "gpt-test", "tickets", (), ("promises refunds",), "rules/a.yaml:2:12"
    )  # fmt: skip
    assert card.missing == ()


def test_only_the_model_is_required_and_the_rest_is_named() -> None:
    (card,) = compile_policy(folder("cards: [{model: a, risks: []}]\nrules: []\n")).cards
    assert card.missing == (
        "version",
        "owner.team",
        "owner.contact",
        "type",
        "base_model",
        "training_data",
        "dependencies",
        "risks",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{version: v1}", "a.yaml:1:9: the key `model` is missing"),
        ("{model: a, onwer: {}}", "a.yaml:1:20: unknown key `onwer`; did you mean `owner`?"),
        ("{model: a, owner: {contcat: x}}", "a.yaml:1:28: unknown key `contcat`; did you mean `contact`?"),
        (
            "{model: a, version: 2.3}",
            "a.yaml:1:29: must be text; quote a number or a date to make it text",
        ),
        ("{model: a, risks: all}", "a.yaml:1:27: must be a list"),
        (
            "{model: a}, {model: A}",
            "a.yaml:1:29: the model `A` has a card already, in rules/a.yaml:1:17",
        ),
        (
            "{model: a, version: b}, {model: a, version: b}",
            "a.yaml:1:41: the model `a`, version `b`, has a card already, in rules/a.yaml:1:17",
        ),
    ],
)
def test_what_cannot_be_meant(text: str, expected: str) -> None:
    assert problems(f"cards: [{text}]\n") == [expected]


def test_the_card_of_the_version_goes_before_the_one_of_the_model() -> None:
    whole, second = Card("Bot"), Card("bot", "v2")
    cards = (whole, second)
    names = frozenset(("bot", "gpt-2"))
    assert card_for(cards, names, frozenset(("v2", "gpt-2"))) is second
    assert card_for(cards, names, frozenset(("v1", "gpt-1"))) is whole
    assert card_for((second,), names, frozenset(("v1",))) is None
    assert card_for(cards, frozenset(("other",)), frozenset(("v2",))) is None


SETTINGS = """\
backends: {main: {url: "http://127.0.0.1:1", api: openai}}
default_backend: main
models:
  support-bot: {versions: {v2: {backend: main, model: gpt-2}, v1: {backend: main, model: gpt-1}}, serve: v2}
unlisted_models: UNLISTED
rules_dir: rules
"""


@pytest.mark.parametrize(
    ("unlisted", "cards", "expected"),
    [
        (
            "pass",
            "[]",
            [
                "proxy.yaml: the model `support-bot` has no card for version `v2`, which is served,",
                "proxy.yaml: the model `support-bot` has no card for version `v1` in",
            ],
        ),
        (
            "deny",
            "\n  - {model: support-bot, version: gpt-2}\n  - {model: support-bot}\n  - {model: old}\n"
            "  - {model: support-bot, version: v9}",
            [
                "a.yaml:2:13: the card of `support-bot` does not say: owner.team",
                "a.yaml:3:13: the card of `support-bot` does not say: version, owner.team",
                "a.yaml:4:13: no model of the settings is called `old`",
                "a.yaml:4:13: the card of `old` does not say",
                "a.yaml:5:13: `support-bot` has no version `v9` in the settings; they have: v2, v1",
                "a.yaml:5:13: the card of `support-bot` does not say: owner.team",
            ],
        ),
    ],
    ids=["none", "some"],
)
def test_lint_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unlisted: str, cards: str, expected: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text(f"cards: {cards}\n")
    (tmp_path / "proxy.yaml").write_text(SETTINGS.replace("UNLISTED", unlisted))
    result = CliRunner().invoke(build("cards"), ["cards", "lint"])
    lines = result.stdout.splitlines()
    assert len(lines) == len(expected), lines
    assert all(part in line for part, line in zip(expected, lines, strict=True)), lines
    assert result.exit_code == 1


def test_lint_is_content_with_whole_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").mkdir()
    both = WHOLE.replace("v2.3", "v2") + WHOLE.replace("v2.3", "v1").removeprefix("cards:\n")
    (tmp_path / "rules" / "a.yaml").write_text(both)
    (tmp_path / "proxy.yaml").write_text(SETTINGS.replace("UNLISTED", "deny"))
    result = CliRunner().invoke(build("cards"), ["cards", "lint", "--json"])
    assert (result.exit_code, result.stdout) == (0, '{"cards":2,"missing":[]}\n')
