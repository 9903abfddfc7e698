"""A question of the proxy's own, as its exchange carries it."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.model.observation import Observation
from proxy.model.record import Finished


@dataclass(slots=True)
class Probing:
    """The probe's id, and what the exchange came to."""

    id: str
    ended: Finished | None = None
    observed: Observation | None = None
