"""The values of the dial: who turned it, one setting, one change. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from proxy.errors import Invalid
from proxy.model.level import Level
from proxy.scopes import Scope

TTL_S_MAX = 366 * 86_400

_TTL = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class ActorKind(StrEnum):
    """Who can turn the dial. The order is the order of precedence where levels are equal."""

    PERSON = "person"
    RULES = "rules"
    TRIPWIRE = "tripwire"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who turned the dial: a person by the token's name, the rule files, or one tripwire by its id."""

    kind: ActorKind
    name: str

    @classmethod
    def person(cls, name: str) -> Actor:
        return cls(ActorKind.PERSON, name)

    @classmethod
    def rules(cls) -> Actor:
        return cls(ActorKind.RULES, "rules")

    @classmethod
    def tripwire(cls, id: str) -> Actor:
        return cls(ActorKind.TRIPWIRE, id)

    def __str__(self) -> str:
        """The actor as the trail names it. No token's name can pass for the rules or a tripwire."""
        if self.kind is ActorKind.TRIPWIRE:
            return f"tripwire:{self.name}"
        if self.kind is ActorKind.PERSON and (self.name == "rules" or self.name.startswith("tripwire:")):
            return f"person:{self.name}"
        return self.name

    @property
    def slot(self) -> str:
        """Which of a scope's settings is the actor's own: persons share one, each tripwire has its own."""
        return f"tripwire:{self.name}" if self.kind is ActorKind.TRIPWIRE else str(self.kind)


@dataclass(frozen=True, slots=True)
class Setting:
    """One actor's setting at one scope. Times in Unix seconds."""

    scope: Scope
    level: Level
    actor: Actor
    reason: str
    since: float
    expires: float | None = None

    @property
    def key(self) -> tuple[str, str]:
        """A scope holds one setting for each slot."""
        return (str(self.scope), self.actor.slot)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the audit trail. `id` is unique and makes storing it twice harmless."""

    id: str
    at: float  # Unix seconds
    actor: Actor
    action: str  # dial.set, dial.clear, dial.expire, dial.withdraw, rules.reload
    scope: str
    before: str | None
    after: str | None
    reason: str


def parse_ttl(text: str) -> float:
    """Seconds of `90s`, `30m`, `2h`, `7d`. Raises Invalid."""
    found = _TTL.fullmatch(text)
    if found is None:
        raise Invalid("a ttl is a whole number and s, m, h or d, as `30m`")
    seconds = int(found[1]) * _UNIT_S[found[2]]
    if seconds > TTL_S_MAX:
        raise Invalid(f"a ttl is at most {TTL_S_MAX // 86_400}d")
    return float(seconds)
