"""Commands about model cards: what the inventory lacks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from proxy import jsonio
from proxy.model.card import Card, card_for
from proxy.model.record import Json
from proxy.model.subject import fold_name
from proxy.policy.reading import read_folder
from proxy.policy.schema import read
from proxy.scoring.blocking import NOBODY
from proxy.scoring.service import ScorerService
from proxy.settings import Settings, load

app_cards = typer.Typer(name="cards", no_args_is_help=True)


@app_cards.callback()
def _cards() -> None:
    """The models' cards, of the rule files.

    Example: guardrail-proxy cards lint --config proxy.yaml
    """


@app_cards.command()
def lint(
    config: Annotated[Path, typer.Option(help="The settings file.")] = Path("proxy.yaml"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Name what is missing: models and versions of the settings without a card, cards that leave something out.

    Example: guardrail-proxy cards lint --config proxy.yaml
    """
    settings = load(config, os.environ)
    offers = ScorerService(settings.scoring, settings.data_dir, NOBODY).offers
    cards = read(read_folder(settings.rules_dir), offers=offers).cards
    gaps = [*_bare(settings, cards, str(config)), *_incomplete(settings, cards)]
    if json:
        found: list[Json] = [{"place": place, "message": message} for place, message in gaps]
        typer.echo(jsonio.dumps({"cards": len(cards), "missing": found}))
    else:
        for place, message in gaps:
            typer.echo(f"{place}: {message}")
        if not gaps:
            typer.echo(f"ok: {len(cards)} cards, and nothing is missing")
    if gaps:
        raise typer.Exit(1)


def _bare(settings: Settings, cards: tuple[Card, ...], file: str) -> Iterator[tuple[str, str]]:
    for name, model in settings.models.items():
        names = frozenset((name, fold_name(name)))
        for word, version in model.versions.items():
            if card_for(cards, names, frozenset((word, version.model))) is None:
                served = ", which is served," if word == model.serve else ""
                yield file, f"the model `{name}` has no card for version `{word}`{served} in the rule files"


def _incomplete(settings: Settings, cards: tuple[Card, ...]) -> Iterator[tuple[str, str]]:
    public = {fold_name(name): name for name in settings.models}
    for card in cards:
        name = public.get(fold_name(card.model))
        if name is None and settings.unlisted_models == "deny":
            yield card.place, f"no model of the settings is called `{card.model}`"
        if name is not None and card.version is not None:
            versions = settings.models[name].versions
            if card.version not in {*versions, *(version.model for version in versions.values())}:
                known = ", ".join(versions)
                yield (
                    card.place,
                    f"`{name}` has no version `{card.version}` in the settings; they have: {known}",
                )
        if card.missing:
            yield card.place, f"the card of `{card.model}` does not say: {', '.join(card.missing)}"
