"""What holds callers, models and texts back beside the levels: blocks, limits, rollbacks, patches of the rules.
Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from proxy.dial.setting import Actor
from proxy.subjects import Rate, SubjectName


class Kind(StrEnum):
    """What a restraint does."""

    BLOCK = "block"
    LIMIT = "limit"
    ROLLBACK = "rollback"
    PATCH = "patch"


@dataclass(frozen=True, slots=True)
class Restraint:
    """A block, a limit, a rollback or a patch. `about` is a subject, a rollback's public model, or `rules`; `value`
    is a limit's rate, a rollback's version, or a patch as JSON, which the policy reads. Times in Unix seconds."""

    kind: Kind
    id: str  # a rollback's is its model's name: there is one for each
    about: str
    value: str
    actor: Actor
    reason: str
    since: float
    expires: float | None = None
    subject: SubjectName | None = field(init=False, compare=False, repr=False)
    rate: Rate | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raises Invalid for one that no exchange could be held against."""
        named = self.kind in (Kind.BLOCK, Kind.LIMIT)
        object.__setattr__(self, "subject", SubjectName.parse(self.about) if named else None)
        object.__setattr__(self, "rate", Rate.parse(self.value) if self.kind is Kind.LIMIT else None)

    @property
    def key(self) -> tuple[str, str]:
        return (self.kind, self.id)

    @property
    def scope(self) -> str:
        """What it is about, as the trail of changes names it."""
        match self.kind:
            case Kind.ROLLBACK:
                return f"model:{self.about}"
            case Kind.PATCH:
                return f"patch:{self.id}"
            case _:
                return self.about

    @property
    def does(self) -> str:
        """What it does, as the trail says it: `blocked (1f2e3d4c)`."""
        if self.kind in (Kind.ROLLBACK, Kind.PATCH):
            return self.value
        return f"{self.value or 'blocked'} ({self.id})"
