"""All settings and restraints at one moment, and what they mean for an exchange. Immutable and pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import inf

from proxy.dial.levels import DEFAULT
from proxy.dial.restraints import Restraints
from proxy.dial.setting import ActorKind, Setting
from proxy.model.level import Level
from proxy.model.subject import Reach, fold_name
from proxy.scopes import Scope, ScopeKind

_PRECEDENCE = {kind: -place for place, kind in enumerate(ActorKind)}


@dataclass(frozen=True, slots=True)
class Effective:
    """The level that holds for an exchange, and the setting that decides; None where it is the default."""

    level: Level
    setting: Setting | None = None


_BY_DEFAULT = Effective(DEFAULT)


class Board:
    """The settings, indexed for the question that every exchange asks. Turning it makes a new one."""

    __slots__ = (
        "_apps",
        "_by_key",
        "_by_scope",
        "_global",
        "_mark",
        "_models",
        "_strictest",
        "next_expiry",
        "restraints",
        "settings",
    )

    def __init__(self, settings: Iterable[Setting] = (), restraints: Restraints | None = None) -> None:
        by_key = {one.key: one for one in settings}
        mark = 0
        for one in by_key.values():
            mark ^= _mark(one)
        self._index(by_key, mark, restraints or Restraints())

    @classmethod
    def _of(cls, by_key: dict[tuple[str, str], Setting], mark: int, restraints: Restraints) -> Board:
        board = cls.__new__(cls)
        board._index(by_key, mark, restraints)
        return board

    def _index(self, by_key: dict[tuple[str, str], Setting], mark: int, restraints: Restraints) -> None:
        self._mark = mark
        self.restraints = restraints
        self._by_key = by_key
        self.settings: tuple[Setting, ...] = tuple(by_key.values())
        self._by_scope: dict[Scope, tuple[Setting, ...]] = {}
        for one in self.settings:
            self._by_scope[one.scope] = (*self._by_scope.get(one.scope, ()), one)
        first = min((one.expires for one in self.settings if one.expires is not None), default=inf)
        self.next_expiry = min(first, restraints.next_expiry)
        self._global: Setting | None = None
        self._models: dict[str, Setting] = {}
        self._apps: dict[str, Setting] = {}
        self._strictest = {
            scope: held[0] if len(held) == 1 else max(held, key=_rank)
            for scope, held in self._by_scope.items()
        }
        for scope, setting in self._strictest.items():
            match scope.kind:
                case ScopeKind.GLOBAL:
                    self._global = setting
                case ScopeKind.MODEL:
                    for name in {scope.name, fold_name(scope.name)}:
                        before = self._models.get(name)
                        self._models[name] = setting if before is None else max(before, setting, key=_rank)
                case ScopeKind.APP:
                    self._apps[scope.name] = setting

    @property
    def mark(self) -> int:
        """Tells boards apart: the same for the same settings and restraints in any order."""
        return self._mark ^ self.restraints.mark

    def effective(self, reach: Reach) -> Effective:
        """The strictest setting that matches; where levels are equal, the wider scope is named.

        `open` for an app holds only where the app's name was verified: a name that anyone may claim must not
        loosen anything. Any other level holds for a claimed name too.
        """
        decides = self._global
        if self._models:
            for model in sorted(reach.models):
                decides = _stricter(decides, self._models.get(model))
        if self._apps and reach.app is not None:
            setting = self._apps.get(reach.app)
            if setting is not None and (reach.app_verified or setting.level is not Level.OPEN):
                decides = _stricter(decides, setting)
        return _BY_DEFAULT if decides is None else Effective(decides.level, decides)

    def own(self, key: tuple[str, str]) -> Setting | None:
        """The setting of one slot at one scope."""
        return self._by_key.get(key)

    def at(self, scope: Scope) -> tuple[Setting, ...]:
        """Everybody's settings at that scope."""
        return self._by_scope.get(scope, ())

    def level_at(self, scope: Scope) -> Level | None:
        """The strictest of a scope's own settings; None when nothing is set there."""
        return max((one.level for one in self.at(scope)), default=None)

    def strictest_by_scope(self) -> Mapping[Scope, Setting]:
        """For each scope with a setting, the one that decides there: a person's before the files' before a
        tripwire's, where levels are equal."""
        return self._strictest

    def with_setting(self, setting: Setting) -> Board:
        key = setting.key
        old = self._by_key.get(key)
        mark = self._mark ^ _mark(setting) ^ (_mark(old) if old is not None else 0)
        return Board._of({**self._by_key, key: setting}, mark, self.restraints)

    def without(self, key: tuple[str, str]) -> Board:
        left = dict(self._by_key)
        gone = left.pop(key, None)
        return self if gone is None else Board._of(left, self._mark ^ _mark(gone), self.restraints)

    def without_kind(self, scope: Scope, kind: ActorKind) -> Board:
        board = self
        for one in self.at(scope):
            if one.actor.kind is kind:
                board = board.without(one.key)
        return board

    def with_restraints(self, restraints: Restraints) -> Board:
        if restraints is self.restraints:
            return self
        return Board._of(self._by_key, self._mark, restraints)


def _mark(setting: Setting) -> int:
    return int.from_bytes(blake2b(repr(setting).encode(), digest_size=8).digest())


def _rank(setting: Setting) -> tuple[int, int]:
    return (setting.level, _PRECEDENCE[setting.actor.kind])


def _stricter(decides: Setting | None, other: Setting | None) -> Setting | None:
    if decides is None or (other is not None and other.level > decides.level):
        return other
    return decides
