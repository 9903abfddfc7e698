"""`log export`: whole records, as JSON lines or as Parquet."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from proxy.commands.log_conditions import searching
from proxy.commands.log_options import DEFAULT_CONFIG, ConfigOption, DataOption, place_of
from proxy.log.export import JSONL, PARQUET, Export
from proxy.log.port import PAGE_MAX, Search
from proxy.log.query import LogReader


@searching
def export(
    asked: Search,
    config: ConfigOption = DEFAULT_CONFIG,
    data_dir: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="A new file (a folder as Parquet), for its owner alone, with a manifest beside it; else stdout.",
        ),
    ] = None,
    form: Annotated[
        Literal["jsonl", "parquet"] | None,
        typer.Option("--format", help="JSON lines, the default, or Parquet (needs make install-parquet)."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the --out of an export that was cut off, as it was begun."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
) -> None:
    """Write whole records as JSON lines or as Parquet, the newest first.

    Example: guardrail-proxy log export --since 7d --rule pii-in-replies --out leaks.jsonl
    """
    if json and form == PARQUET:
        raise typer.BadParameter("--json is --format jsonl")
    if resume and (out is None or form is not None or asked != Search()):
        raise typer.BadParameter(
            "--resume takes --out, no format and no conditions: those are in the manifest"
        )
    if form == PARQUET and out is None:
        raise typer.BadParameter("--format parquet takes --out FOLDER: it writes files")
    asked = replace(asked, limit=PAGE_MAX)
    with LogReader(*place_of(config, data_dir)) as reader:
        try:
            if out is not None:
                _write(reader, Export.resume(out) if resume else Export.begin(out, asked, form or JSONL), out)
                return
            for page in reader.whole_pages(asked):
                sys.stdout.buffer.writelines(whole.text + b"\n" for whole in page.records)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        except BrokenPipeError:
            # Whoever read it has enough (`| head`); nothing more can be said on this output.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


def _write(reader: LogReader, export: Export, out: Path) -> None:
    try:
        for _ in export.pages(reader):
            pass
    finally:
        export.close()
    typer.echo(f"{export.records} records written to {out}", err=True)
