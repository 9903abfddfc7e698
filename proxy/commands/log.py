"""The exchange log from a shell: `log search`, `show`, `verify`, `stats`, with or without a proxy.

Exporting is in log_export.py, erasing in log_erase.py, what writes the file anew in log_anew.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from proxy import jsonio
from proxy.commands import log_anew, log_draw, log_erase, log_export
from proxy.commands.log_conditions import searching
from proxy.commands.log_options import (
    DEFAULT_CONFIG,
    ConfigOption,
    DataOption,
    JsonOption,
    fail,
    place_of,
)
from proxy.log.heads import FILE_NAME as HEADS_NAME
from proxy.log.port import PAGE_DEFAULT, PAGE_MAX, Search
from proxy.log.query import LogReader
from proxy.log.stats import stats as log_stats
from proxy.log.verify import verify as verify_log
from proxy.model.record import Json

app_log = typer.Typer(name="log", no_args_is_help=True)
app_log.command()(log_export.export)
app_log.command()(log_erase.erase)
app_log.command()(log_anew.compact)
app_log.command()(log_anew.reindex)


@app_log.callback()
def _log() -> None:
    """Read the exchange log, and erase from it.

    Example: guardrail-proxy log search --since 1h --outcome blocked_output
    """


@app_log.command()
@searching
def search(
    asked: Search,
    config: ConfigOption = DEFAULT_CONFIG,
    data_dir: DataOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=PAGE_MAX)] = PAGE_DEFAULT,
    cursor: Annotated[str | None, typer.Option("--cursor", help="`next` of the page before.")] = None,
    json: JsonOption = False,
) -> None:
    """Find exchanges, the newest first; every condition given must hold.

    Example: guardrail-proxy log search --since 2h --subject user:ann --score toxicity=0.8
    """
    with _open(config, data_dir) as reader:
        try:
            page = reader.search(replace(asked, limit=limit, cursor=cursor))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    if json:
        _print_json({"exchanges": list(page.exchanges), "next": page.next})
        return
    log_draw.page(page)


@app_log.command()
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The exchange's id, as in x-guardrail-exchange.")],
    config: ConfigOption = DEFAULT_CONFIG,
    data_dir: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Draw one exchange: who said what, what was found in it, and what was delivered.

    Example: guardrail-proxy log show 019a2b3c4d5e6f708192a3b4c5d6e7f8
    """
    with _open(config, data_dir) as reader:
        record = reader.show(id)
        nearest = None if record is not None else reader.nearest(id)
    if record is None:
        hint = f"; the nearest is {nearest}" if nearest else "; the log is empty"
        fail(f"no exchange {id} is on the log{hint}")
    elif json:
        _print_json(record)
    else:
        log_draw.record(record)


@app_log.command()
def verify(
    config: ConfigOption = DEFAULT_CONFIG,
    data_dir: DataOption = None,
    index: Annotated[
        bool,
        typer.Option(
            "--index", help="Hold the index of words against the content too; takes three times as long."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Compute every hash of the log again; name the first record that was changed or is missing.

    Example: guardrail-proxy log verify --config proxy.yaml
    """
    with _open(config, data_dir) as reader:
        verdict = verify_log(reader, index=index)
    fault = verdict.fault
    if json:
        bad: Json = None
        if fault is not None:
            kind = "index" if fault.index else "record"
            bad = {"link": fault.link, "id": fault.id, "problem": fault.text, "kind": kind}
        _print_json(
            {"ok": fault is None, "records": verdict.records, "removed": verdict.removed,
             "under_way": verdict.under_way, "head": verdict.head,
             "unguarded": verdict.unguarded, "first_bad": bad}
        )  # fmt: skip
    elif fault is None:
        typer.echo(f"ok: {verdict.records} records fit, {verdict.under_way} under way")
        if index:
            typer.echo("the index of words says what they say")
        if verdict.removed:
            typer.echo(
                f"{verdict.removed} were removed by retention or erasure, which the chain has on record"
            )
        typer.echo(f"head: {verdict.head}")
        if verdict.unguarded is None:
            typer.echo(f"there is no {HEADS_NAME}: records cut off the end would not show")
        elif verdict.unguarded:
            typer.echo(f"the last {verdict.unguarded} are newer than the last head in {HEADS_NAME}")
    else:
        where = f"record {fault.link}, " if fault.link else ""
        who = f"exchange {fault.id}: " if fault.id else ""
        typer.echo(f"{'INDEX' if fault.index else 'CHANGED'}: {where}{who}{fault.text}", err=True)
        if fault.index:
            typer.echo(f"the {verdict.records} records themselves fit", err=True)
            typer.echo(
                "`guardrail-proxy log reindex`, with the proxy stopped, makes the indexes anew", err=True
            )
        else:
            typer.echo(f"{verdict.records} records before it fit", err=True)
    if fault is not None:
        raise typer.Exit(1)


@app_log.command()
def stats(
    config: ConfigOption = DEFAULT_CONFIG, data_dir: DataOption = None, json: JsonOption = False
) -> None:
    """How much is on the log, of what, and how large it is.

    Example: guardrail-proxy log stats --config proxy.yaml
    """
    with _open(config, data_dir) as reader:
        figures = log_stats(reader)
    if json:
        _print_json(figures)
        return
    log_draw.figures(figures)


def _open(config: Path, data_dir: Path | None) -> LogReader:
    return LogReader(*place_of(config, data_dir))


def _print_json(value: Mapping[str, Json]) -> None:
    typer.echo(jsonio.dumps(value))
