"""Who an exchange belongs to, and which dial settings match it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Subject:
    """The caller, by every name that blocks and limits know."""

    key: str | None = None  # the client's name in the settings, never its key
    user: str | None = None
    ip: str | None = None
    region: str | None = None


def fold_name(name: str) -> str:
    """A model's name as careless backends compare it: width, case and outer blanks do not count."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything that a dial scope can match of one exchange.

    `models` holds the name asked for and every public name that serves the same backend model, as they are and
    folded (`fold_name`).
    `app_verified` is false for a name that the client only claims: such a claim may make its
    treatment stricter, never looser.
    """

    models: frozenset[str] = field(default_factory=frozenset)
    app: str | None = None
    app_verified: bool = False
