"""What a tripwire does when it fires, and what becomes of it when it is well again.

Each of its turns is made by the actor `tripwire:ID`. The strictest of a scope's settings holds, so none of them
loosens what a person set; what others set already is left alone, and only its own is taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.dial.control import Dial
from proxy.dial.restraint import Kind
from proxy.dial.restraint_turn import lift, restrain
from proxy.dial.setting import Actor, ActorKind
from proxy.dial.state import StoreError
from proxy.dial.turn import TurnError
from proxy.errors import Invalid
from proxy.model.tripwire import BlockCaller, LimitCaller, Reaction, RollBack, TurnDial
from proxy.scopes import Scope
from proxy.settings import ModelSettings
from proxy.watch.wire import Turned

TRAIL_LOOK: Final = 200
"""Changes among which a person's turn of the same scope is looked for."""
_PERSONS_TURNS: Final = frozenset({"dial.set", "dial.clear"})


class Acts:
    """Turns the dial for tripwires. Every failure is told, and stops nothing else."""

    def __init__(self, dial: Dial, models: Mapping[str, ModelSettings]) -> None:
        self._dial = dial
        self._models = models

    async def react(self, turned: Turned, reaction: Reaction) -> str | None:
        """Do what the tripwire asks for; what was done, in words, or why not. None for an alert."""
        try:
            match reaction:
                case TurnDial():
                    return await self._turn(turned, reaction)
                case BlockCaller():
                    return await self._restrain(turned, Kind.BLOCK, turned.group, "", reaction.ttl_s)
                case LimitCaller():
                    return await self._restrain(
                        turned, Kind.LIMIT, turned.group, reaction.rate, reaction.ttl_s
                    )
                case RollBack():
                    return await self._roll_back(turned, reaction)
        except (Invalid, TurnError) as error:
            return f"FAILED: {_words(reaction)}: {error}"
        return None

    async def undo(self, id: str, group: str, why: str) -> list[str]:
        """Take back what a tripwire did for a group, where it stands still; in words."""
        done: list[str] = []
        actor = Actor.tripwire(id)
        if self._dial.board.own((group, actor.slot)) is not None:
            try:
                await self._dial.clear(Scope.parse(group), actor=actor, reason=why)
                done.append(f"{group} is not held by this tripwire any more")
            except (Invalid, TurnError) as error:
                done.append(f"FAILED: taking its setting of {group} back: {error}")
        about = {group, group.removeprefix("model:")}
        for one in tuple(self._dial.restraints()):
            if one.actor == actor and one.about in about:
                try:
                    await lift(self._dial, one.kind, one.id, actor=actor, reason=why)
                    done.append(f"its {one.kind} of {one.about} is lifted")
                except (Invalid, TurnError) as error:
                    done.append(f"FAILED: lifting its {one.kind} of {one.about}: {error}")
        return done

    def standing(self) -> list[tuple[str, str]]:
        """The tripwires that hold something, by id, each with the group that it is about."""
        dial = self._dial
        found = [(one.actor, str(one.scope)) for one in dial.board.settings]
        found += [(one.actor, one.scope) for one in dial.restraints()]
        own = [(actor.name, group) for actor, group in found if actor.kind is ActorKind.TRIPWIRE]
        return list(dict.fromkeys(own))

    async def _turn(self, turned: Turned, reaction: TurnDial) -> str:
        scope, word = Scope.parse(turned.group), reaction.level.word
        if await self._person_turned(scope, turned.began):
            return f"{scope} was left as it is: a person has turned it since the breach began"
        actor = Actor.tripwire(turned.tripwire.id)
        done = await self._dial.set(
            scope, reaction.level, actor=actor, reason=reason_of(turned), ttl_s=reaction.ttl_s
        )
        holds = "" if done.level is reaction.level else f"; {done.level.word} holds there, by another setting"
        return f"{scope} is set to {word}{_for(reaction.ttl_s)}{holds}"

    async def _person_turned(self, scope: Scope, since: float) -> bool:
        """Whether somebody has looked already: they know better than a tripwire, until it has been well."""
        try:
            stored = [one.change for one in await self._dial.changes(TRAIL_LOOK)]
        except StoreError:
            stored = []  # tightening in vain does less harm than not tightening
        return any(
            change.actor.kind is ActorKind.PERSON
            and change.action in _PERSONS_TURNS
            and change.scope == str(scope)
            and change.at >= since
            for change in (*stored, *(change for _, change in self._dial.unstored()))
        )

    async def _restrain(self, turned: Turned, kind: Kind, about: str, value: str, ttl_s: float | None) -> str:
        actor = Actor.tripwire(turned.tripwire.id)
        does = "blocked" if kind is Kind.BLOCK else f"limited to {value}"
        if any(
            one.kind is kind and one.about == about and one.value == value for one in self._dial.restraints()
        ):
            return f"{about} is {does} already"
        await restrain(self._dial, kind, about, value, actor=actor, reason=reason_of(turned), ttl_s=ttl_s)
        return f"{about} is {does}{_for(ttl_s)}"

    async def _roll_back(self, turned: Turned, reaction: RollBack) -> str:
        model = turned.group.removeprefix("model:")
        known = self._models.get(model)
        if known is None or reaction.version not in known.versions:
            return f"FAILED: rolling {model} back: the settings have no version {reaction.version} of it"
        if self._dial.restraints().get((Kind.ROLLBACK, model)) is not None:
            return f"{model} is rolled back already"
        if known.serve == reaction.version:
            return f"{model} is served as {reaction.version} already"
        await restrain(
            self._dial, Kind.ROLLBACK, model, reaction.version,
            actor=Actor.tripwire(turned.tripwire.id), reason=reason_of(turned), ttl_s=reaction.ttl_s,
        )  # fmt: skip
        return f"{model} is served as {reaction.version}{_for(reaction.ttl_s)}"


def reason_of(turned: Turned) -> str:
    """For the trail of changes, in one line."""
    wire = turned.tripwire
    value = "" if turned.value is None else f" is {turned.value:.3g}"
    return f"tripwire {wire.id}: {wire.stat} of {wire.metric}{value}, {limit_of(turned)}"


def limit_of(turned: Turned) -> str:
    """What is too much, in words."""
    now = turned.limits
    sides = [("over", now.top), ("under", now.floor)]
    said = [f"{side} {limit:.4g}" for side, limit in sides if limit is not None]
    limits = f"the limit is {' or '.join(said)}" if said else "what is normal is not known yet"
    return limits if now.expected is None else f"{limits}, expected {now.expected.value:.3g} at this hour"


def _for(ttl_s: float | None) -> str:
    return "" if ttl_s is None else f" for {span(ttl_s)}"


def span(seconds: float) -> str:
    """As a ttl is written."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _words(reaction: Reaction) -> str:
    match reaction:
        case TurnDial():
            return f"setting the level {reaction.level.word}"
        case BlockCaller():
            return "blocking the caller"
        case LimitCaller():
            return f"limiting the caller to {reaction.rate}"
        case RollBack():
            return f"serving the version {reaction.version}"
    return "telling somebody"
