"""Probes from a shell: `probes list` and `probes run`, over the admin API."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final

import typer
from rich.text import Text

from proxy import jsonio
from proxy.commands.admin_client import TIMEOUT_S, AdminClient, CallFailed
from proxy.commands.options import table
from proxy.commands.turning import Caller, local, objects, out, over_admin, plain, word
from proxy.model.record import Json

NONE: Final = "There are no probes in force, or no model that they could be put to."
AT_ONCE: Final = 2
"""How many of a probe's models the proxy asks at the same time."""
_STYLES = {"passed": "green", "failed": "bold red", "error": "bold red", "skipped": "yellow"}

app_probes = typer.Typer(name="probes", no_args_is_help=True)


@app_probes.callback()
def _probes() -> None:
    """Questions whose answers are known, put to the models of a running proxy.

    Example: guardrail-proxy probes list
    """


@app_probes.command("list")
@over_admin
def list_(caller: Caller) -> None:
    """The probes in force, for each of their models, and how the last run went.

    Example: guardrail-proxy probes list
    """
    probes = objects(caller.call("GET", "/admin/v1/probes"), "probes")
    if not probes:
        out().print(NONE)
        return
    rows = table("Probe", "Model", "Every", "Last", "Result", "Why")
    for one in probes:
        last = one["last"]
        ran = last if isinstance(last, Mapping) else {}
        rows.add_row(
            plain(one, "id"), plain(one, "model"), f"{_number(one['every_s']) / 60:g} min",
            local(word(ran, "at")) if ran else "never", _result(ran), plain(ran, "why"),
        )  # fmt: skip
    out().print(rows)


@app_probes.command()
@over_admin
def run(
    caller: Caller,
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One probe; without it all.")] = None,
) -> None:
    """Run probes now, for all of their models, and say how they went; exit 1 unless all passed. Each question costs
    what its model costs.

    Example: guardrail-proxy probes run capital
    """
    results = _run(caller.api, id)
    if caller.json:
        typer.echo(jsonio.dumps({"results": results}))
    elif not results:
        out().print(NONE)
    else:
        rows = table("Probe", "Model", "Version", "Result", "Seconds", "Why")
        for one in results:
            rows.add_row(
                plain(one, "probe"), plain(one, "model"), plain(one, "version"), _result(one),
                f"{_number(one['seconds']):.2f}", plain(one, "why"),
            )  # fmt: skip
        out().print(rows)
    if any(word(one, "result") != "passed" for one in results):
        raise typer.Exit(1)


def _run(api: AdminClient, id: str | None) -> list[Mapping[str, Json]]:
    probes = objects(api.call("GET", "/admin/v1/probes"), "probes")
    ids = dict.fromkeys(word(one, "id") for one in probes) if id is None else {id: None}
    results: list[Mapping[str, Json]] = []
    for each in ids:
        models = [one for one in probes if word(one, "id") == each]
        if not models:
            raise CallFailed(
                f"there is no probe `{each}` with a model to ask",
                "probes list shows what there is",
                usage=True,
            )
        asks = _number(models[0]["asks"]) * _number(models[0]["timeout_s"])
        patient = replace(api, timeout_s=TIMEOUT_S + asks * math.ceil(len(models) / AT_ONCE))
        results += objects(patient.call("POST", "/admin/v1/probes/run", body={"id": each}), "results")
    return results


def _result(ran: Mapping[str, Json]) -> Text:
    result = word(ran, "result") if ran else ""
    return Text(result, style=_STYLES.get(result, ""))


def _number(value: Json) -> float:
    return value if isinstance(value, int | float) else 0.0
