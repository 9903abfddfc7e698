"""Commands about model cards: what is in use, and what the inventory lacks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from proxy import jsonio
from proxy.commands.options import table
from proxy.commands.tripwires import normal, shown
from proxy.commands.turning import Caller, local, objects, out, over_admin, plain, word
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
@over_admin
def show(caller: Caller) -> None:
    """The models that a running proxy knows: owner, when last used, as what, and what is normal for them now.

    Example: guardrail-proxy cards show
    """
    body = caller.call("GET", "/admin/v1/cards")
    rows = table("Model", "Version", "Owner", "Last seen", "Served as", "Exchanges", "Normal now")
    for one in objects(body, "cards"):
        owner, live = one["owner"], one["live"]
        team = word(owner, "team") if isinstance(owner, dict) else ""
        _row(rows, one, word(one, "version"), team, live if isinstance(live, dict) else {})
    for one in objects(body, "without_card"):
        _row(rows, one, "no card", "", one)
    if not rows.row_count:
        out().print("There are no cards, and no model was used since the start.")
        return
    out().print(rows)


def _row(rows: Table, one: Mapping[str, Json], version: str, team: str, live: Mapping[str, Json]) -> None:
    served = (
        [word(each, "served") or word(each, "sent") for each in objects(live, "versions")] if live else []
    )
    known = [f"{word(each, 'metric')} {normal(each['baseline'])}" for each in objects(one, "baselines")]
    rows.add_row(
        plain(one, "model"), Text(version), Text(team), local(word(live, "last_seen")) if live else "never",
        Text(", ".join(dict.fromkeys(served))), shown(live["exchanges"]) if live else "0", Text("\n".join(known)),
    )  # fmt: skip


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
        for called, version in model.versions.items():
            if card_for(cards, names, frozenset((called, version.model))) is None:
                served = ", which is served," if called == model.serve else ""
                yield file, f"the model `{name}` has no card for version `{called}`{served} in the rule files"


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
