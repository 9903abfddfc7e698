"""All settings of the dial at one moment, and what they mean for an exchange. Immutable and pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from proxy.dial.levels import DEFAULT
from proxy.dial.setting import ActorKind, Scope, ScopeKind, Setting
from proxy.model.level import Level
from proxy.model.subject import Reach

_PRECEDENCE = {kind: -place for place, kind in enumerate(ActorKind)}


@dataclass(frozen=True, slots=True)
class Effective:
    """The level that holds for an exchange, and the setting that decides; None where it is the default."""

    level: Level
    setting: Setting | None = None


_BY_DEFAULT = Effective(DEFAULT)


class Board:
    """The settings, indexed for the question that every exchange asks. Turning it makes a new one."""

    __slots__ = ("_apps", "_by_key", "_global", "_models", "next_expiry", "settings")

    def __init__(self, settings: Iterable[Setting] = ()) -> None:
        self._by_key = {one.key: one for one in settings}
        self.settings: tuple[Setting, ...] = tuple(self._by_key[key] for key in sorted(self._by_key))
        self.next_expiry = min((one.expires for one in self.settings if one.expires is not None), default=inf)
        self._global: Setting | None = None
        self._models: dict[str, Setting] = {}
        self._apps: dict[str, Setting] = {}
        for scope, setting in self.strictest_by_scope().items():
            match scope.kind:
                case ScopeKind.GLOBAL:
                    self._global = setting
                case ScopeKind.MODEL:
                    self._models[scope.name] = setting
                case ScopeKind.APP:
                    self._apps[scope.name] = setting

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
        return tuple(one for one in self.settings if one.scope == scope)

    def level_at(self, scope: Scope) -> Level | None:
        """The strictest of a scope's own settings; None when nothing is set there."""
        return max((one.level for one in self.settings if one.scope == scope), default=None)

    def strictest_by_scope(self) -> dict[Scope, Setting]:
        """For each scope with a setting, the one that decides there: a person's before the files' before a
        tripwire's, where levels are equal."""
        found: dict[Scope, Setting] = {}
        for one in self.settings:
            known = found.get(one.scope)
            if known is None or _rank(one) > _rank(known):
                found[one.scope] = one
        return found

    def with_setting(self, setting: Setting) -> Board:
        return Board((*(one for one in self.settings if one.key != setting.key), setting))

    def without(self, key: tuple[str, str]) -> Board:
        return Board(one for one in self.settings if one.key != key)

    def without_kind(self, scope: Scope, kind: ActorKind) -> Board:
        return Board(one for one in self.settings if one.scope != scope or one.actor.kind is not kind)


def _rank(setting: Setting) -> tuple[int, int]:
    return (setting.level, _PRECEDENCE[setting.actor.kind])


def _stricter(decides: Setting | None, other: Setting | None) -> Setting | None:
    if decides is None or (other is not None and other.level > decides.level):
        return other
    return decides
