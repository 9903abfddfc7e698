"""`log compact` and `log reindex`: the log's file, or its indexes, written anew while no proxy runs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from proxy.commands.log_options import DEFAULT_CONFIG, ConfigOption, DataOption, Place, fail, place_of
from proxy.log.keep import Keep
from proxy.log.schema import StoreLocked, open_for_reading
from proxy.log.store import Store

INDEX_STEP: Final = 512


def compact(config: ConfigOption = DEFAULT_CONFIG, data_dir: DataOption = None) -> None:
    """Write the log's file anew, without unused room; the proxy must be stopped. Needs as much room again.

    Example: guardrail-proxy log compact --config proxy.yaml
    """
    place = place_of(config, data_dir)
    with _stopped(place) as store:
        before = place.path.stat().st_size
        store.compact()
    typer.echo(f"{before:,} bytes before, {place.path.stat().st_size:,} after")


def reindex(config: ConfigOption = DEFAULT_CONFIG, data_dir: DataOption = None) -> None:
    """Make the log's indexes anew from its records; the proxy must be stopped. One that is cut off goes on when
    the proxy runs.

    Example: guardrail-proxy log reindex --config proxy.yaml
    """
    with _stopped(place_of(config, data_dir)) as store:
        store.reindex()
        while store.index(INDEX_STEP):
            pass
        store.checkpoint()
    typer.echo(
        "the indexes are made anew; `guardrail-proxy log verify --index` holds them against the records"
    )


@contextmanager
def _stopped(place: Place) -> Iterator[Store]:
    """The store, while nobody else writes it."""
    open_for_reading(place.path).close()  # says so where there is none, instead of making one
    store = Store(place.path, time.time, Keep(), place.secrets)
    try:
        store.open()
        yield store
    except StoreLocked as error:
        fail(f"{error}: stop it first")
    except sqlite3.Error as error:  # a damaged file, or a full disk
        fail(f"{place.path}: {error}; `log export` writes out what can still be read")
    finally:
        store.release()
