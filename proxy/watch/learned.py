"""What tripwires have learned as normal, for a later process."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Final

from proxy.model.record import Json
from proxy.watch.grid import Grid
from proxy.watch.wire import Wire

FORMAT: Final = 1
"""Of what the watch keeps."""


def learned_json(grids: Iterable[Grid]) -> Generator[None, None, dict[str, Json]]:
    """By tripwire and group, a group at a time."""
    wires: dict[str, Json] = {}
    for grid in grids:
        for wire in grid.wires:
            learned: dict[str, Json] = {}
            for group, one in wire.normal.as_json():
                learned[group] = one
                yield
            if learned:
                wires[wire.tripwire.id] = {"of": _shape(grid, wire), "groups": learned}
    return {"format": FORMAT, "learned": wires}


def restore_learned(grids: Iterable[Grid], stored: Json) -> None:
    """Raises ValueError, TypeError, KeyError for what `learned_json` did not make. What was learned of something
    else is left out."""
    if not isinstance(stored, Mapping) or stored["format"] != FORMAT:
        raise ValueError("another format")
    learned = stored["learned"]
    if not isinstance(learned, Mapping):
        raise ValueError("nothing learned")
    for grid in grids:
        for wire in grid.wires:
            entry = learned.get(wire.tripwire.id)
            if isinstance(entry, Mapping) and entry["of"] == _shape(grid, wire):
                wire.normal.restore(entry["groups"])


def _shape(grid: Grid, wire: Wire) -> Json:
    return [wire.tripwire.series, wire.tripwire.stat, grid.per, grid.window_s]
