"""What a setting of the dial is about, and the reason for it, as operators write them. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.errors import Invalid
from proxy.model.subject import Reach, fold_name
from proxy.subjects import NAME_CHARS_MAX, printable

REASON_CHARS_MAX: Final = 1000


class ScopeKind(StrEnum):
    GLOBAL = "global"
    MODEL = "model"
    APP = "app"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a setting holds for. `name` is empty for `global`."""

    kind: ScopeKind
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Scope:
        """`global`, `model:NAME` or `app:NAME`. Raises Invalid."""
        if text == ScopeKind.GLOBAL:
            return cls(ScopeKind.GLOBAL)
        kind, colon, name = text.partition(":")
        if not colon or kind not in (ScopeKind.MODEL, ScopeKind.APP):
            raise Invalid("a scope is `global`, `model:NAME` or `app:NAME`")
        if not name or name != name.strip() or len(name) > NAME_CHARS_MAX or not printable(name):
            raise Invalid(
                f"the name of a scope has 1 to {NAME_CHARS_MAX} printable characters and no blanks around it"
            )
        return cls(ScopeKind(kind), name)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)

    def matches(self, reach: Reach) -> bool:
        """Whether a setting here is about that exchange."""
        match self.kind:
            case ScopeKind.GLOBAL:
                return True
            case ScopeKind.MODEL:
                return self.name in reach.models or fold_name(self.name) in reach.models
            case ScopeKind.APP:
                return self.name == reach.app


def check_reason(text: str) -> str:
    """The reason without blanks around it. Raises Invalid."""
    reason = text.strip()
    if not reason:
        raise Invalid("every change needs a reason")
    if len(reason) > REASON_CHARS_MAX or not printable(reason):
        raise Invalid(f"a reason is one line of at most {REASON_CHARS_MAX} characters")
    return reason
