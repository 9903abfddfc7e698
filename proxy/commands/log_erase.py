"""`log erase` and `log compact`: what is removed from the exchange log on somebody's word.

An erasure is a row in the store. Where no proxy runs, the command carries it out itself; where one runs, that one
does, in small steps between its records, and the command waits.
"""

from __future__ import annotations

import time
from typing import Annotated, Final

import typer

from proxy.commands.log_options import DEFAULT_CONFIG, ConfigOption, DataOption, Place, fail, place_of
from proxy.log.keep import Keep
from proxy.log.query import LogReader
from proxy.log.request_erasure import Erasure, ask, erasures
from proxy.log.schema import StoreLocked
from proxy.log.store import Store

INDEX_STEP: Final = 512
POLL_S: Final = 0.25


def erase(
    subject: Annotated[str, typer.Option("--subject", help="user:ID, key:NAME or ip:ADDRESS.")],
    reason: Annotated[
        str | None,
        typer.Option("--reason", help="Kept in the log for ever: a ticket's number, never who it is."),
    ] = None,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a running proxy.")] = 60.0,
    config: ConfigOption = DEFAULT_CONFIG,
    data_dir: DataOption = None,
) -> None:
    """Remove every exchange of a person, for good; the chain of hashes keeps a record that something was removed.

    Example: guardrail-proxy log erase --subject user:ann --reason "request 2026-114"
    """
    place = place_of(config, data_dir)
    path = place.path
    try:
        number = ask(path, subject, actor="command", reason=reason, now_ms=int(time.time() * 1000))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    until = time.monotonic() + wait
    store = Store(path, time.time, Keep(), place.secrets)
    try:
        store.open()
    except StoreLocked:
        left = _wait_for(place, number, until)
    else:
        left = _carry_out(store, place, number, until)
        store.put_head(last=True)
    finally:
        store.release()
    if left is None:
        typer.echo(f"nothing of {subject} is on the log any more")
    elif left.done:
        typer.echo(f"every exchange of {subject} is removed and overwritten")
        typer.echo(
            "the log is too large to be written anew while it is in use: bits of removed text may be left in"
        )
        typer.echo(
            "unused room of its file until `guardrail-proxy log compact` has run, with the proxy stopped"
        )
    else:
        fail(
            "not done yet: an exchange of it is under way, or somebody reads the log; it goes on by itself while "
            "a proxy runs, or with the next `log erase`"
        )


def _carry_out(store: Store, place: Place, number: int, until: float) -> Erasure | None:
    """No proxy runs: do what its writer would."""
    while store.index(INDEX_STEP):
        pass
    while (left := _state(place, number)) is not None:
        if left.done:
            store.compact()
        elif not store.upkeep().more:
            if time.monotonic() >= until:
                return left
            time.sleep(POLL_S)  # somebody reads
    return None


def _wait_for(place: Place, number: int, until: float) -> Erasure | None:
    while (left := _state(place, number)) is not None and not left.done and time.monotonic() < until:
        time.sleep(POLL_S)
    return left


def _state(place: Place, number: int) -> Erasure | None:
    with LogReader(*place) as reader:
        return next((one for one in erasures(reader.db) if one.id == number), None)
