"""Hot patches of the rules from a shell: `patch`, each `add`, `list`, `remove`, over the admin API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.text import Text

from proxy.commands.admin_client import AdminClient
from proxy.commands.options import direction_option, table
from proxy.commands.turning import (
    HELD,
    Caller,
    ReasonOption,
    TtlOption,
    ends,
    held,
    objects,
    out,
    over_admin,
    plain,
    tell_unstored,
    word,
)
from proxy.model.level import Direction
from proxy.model.record import Json

PhrasesArgument = Annotated[
    list[str], typer.Argument(metavar="PHRASE...", help="What to look for; several are several arguments.")
]
OnOption = Annotated[Direction, direction_option("--on", help="Where: in requests or in replies.")]
ActionOption = Annotated[
    str, typer.Option("--action", metavar="flag|redact|block", help="What to do with it.")
]
WhichArgument = Annotated[
    str, typer.Argument(metavar="ID|PHRASE", help="Its id, or a phrase to take all patches with it.")
]

app_patch = typer.Typer(name="patch", no_args_is_help=True)


@app_patch.callback()
def _patch() -> None:
    """Patch the rules of a running proxy: phrases that are looked for from the next exchange on, without a file.

    Example: guardrail-proxy patch add "project nightingale" --on output --action block --reason "INC-42"
    """


@app_patch.command("add")
@over_admin
def add(
    caller: Caller,
    phrases: PhrasesArgument,
    on: OnOption,
    action: ActionOption,
    reason: ReasonOption,
    ttl: TtlOption = None,
) -> None:
    """Look for phrases from the next exchange on, whatever letters they are disguised in.

    Example: guardrail-proxy patch add "project nightingale" --on output --action block --reason "INC-42"
    """
    asked: dict[str, Json] = {
        "phrases": [*phrases],
        "on": on.value,
        "action": action,
        "reason": reason,
        "ttl": ttl,
    }
    body = caller.call("POST", "/admin/v1/rules/patch", asked)
    out().print(Text.assemble("In force as rule ", plain(body, "rule"), ends(body), "."))
    tell_unstored(body)


@app_patch.command("list")
@over_admin
def show(caller: Caller) -> None:
    """What is patched in, by whom, until when and why.

    Example: guardrail-proxy patch list
    """
    body = caller.api.call("GET", "/admin/v1/rules")
    rules = [one for one in objects(body, "rules") if isinstance(one.get("patch"), dict)]
    caller.said({"digest": word(body, "digest"), "rules": [*rules]})
    if not rules:
        out().print("Nothing is patched in.")
        return
    rows = table("Id", "On", "Action", "Phrases", *HELD)
    for one in rules:
        patch = one["patch"]
        assert isinstance(patch, dict)
        rows.add_row(
            Text(word(one, "id").removeprefix("patch:")), plain(one, "on"), plain(one, "action"),
            Text(", ".join(f"“{phrase}”" for phrase in _phrases(one))), *held(patch),
        )  # fmt: skip
    out().print(rows)


@app_patch.command("remove")
@over_admin
def remove(
    caller: Caller,
    which: WhichArgument,
    reason: ReasonOption,
) -> None:
    """Take a patch away, or all patches with a phrase.

    Example: guardrail-proxy patch remove "project nightingale" --reason "INC-42: now in the rule files"
    """
    for one in caller.remove("/admin/v1/rules/patch/", _ids(caller.api, which), reason):
        out().print(Text.assemble("The rule ", plain(one, "rule"), " is gone."))


def _ids(api: AdminClient, which: str) -> list[str]:
    rules = objects(api.call("GET", "/admin/v1/rules"), "rules")
    found = [
        word(one, "id") for one in rules if isinstance(one.get("patch"), dict) and which in _phrases(one)
    ]
    return found or [which]


def _phrases(rule: Mapping[str, Json]) -> list[str]:
    detect = rule.get("detect")
    phrases = detect.get("phrases") if isinstance(detect, dict) else None
    found = phrases.get("any") if isinstance(phrases, dict) else None
    return [str(one) for one in found] if isinstance(found, list) else []
