"""What every `log` command takes: where the log is, and in which form to answer."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Annotated, Final, NamedTuple, NoReturn

import typer

from proxy.errors import GuardrailError
from proxy.log.journal import journal_path
from proxy.log.schema import FILE_NAME
from proxy.log.up_to_date import bring_up_to_date
from proxy.model.secret import Secrets

DEFAULT_CONFIG: Final = Path("proxy.yaml")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The settings file; its data_dir is read.")
]
DataOption = Annotated[
    Path | None, typer.Option("--data-dir", help="The data folder itself, in place of a settings file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


class Place(NamedTuple):
    """Where a log is, and what its content may be encrypted with."""

    path: Path
    secrets: Secrets | None


def place_of(config: Path, data_dir: Path | None) -> Place:
    """The store's file, and the secrets that the settings name; what a crash left in its journal has come into the
    store. Raises ConfigError."""
    secrets = None
    if data_dir is None:
        # Late: reading a log by its folder needs neither settings nor what loads them.
        from proxy.settings import load, log_secrets, stated_folders

        if not config.exists():
            fail(
                f"there is no {config}: name the settings (--config FILE), or the log's folder (--data-dir data)"
            )
        # The log is read by people who lack the secrets with which the proxy was started, but for its own.
        folders = stated_folders(config)
        data_dir = load(config, os.environ).data_dir if folders is None else folders[1]
        secrets = log_secrets(config, os.environ)
    place = Place(data_dir / FILE_NAME, secrets)
    try:
        lost = bring_up_to_date(place.path, secrets, time.time)
    except (sqlite3.Error, OSError, GuardrailError) as error:
        lost = f"{journal_path(place.path)} cannot be brought in: {error}"
    if lost:
        typer.echo(f"guardrail-proxy: the newest records may be missing: {lost}", err=True)
    return place


def fail(message: str) -> NoReturn:
    typer.echo(f"guardrail-proxy: {message}", err=True)
    raise typer.Exit(1)
