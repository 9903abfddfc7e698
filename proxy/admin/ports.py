"""What the admin API needs of the rest of the proxy, as it sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.dial.control import Dial
from proxy.dial.restraint import Restraint
from proxy.errors import Problem, Refused
from proxy.log.port import Page, Search
from proxy.model.record import Json
from proxy.policy.rule import Rule
from proxy.probe.prober import Prober
from proxy.respond.alerts import Alerts
from proxy.respond.responder import Responder
from proxy.settings import Settings, Token
from proxy.watch.watch import Watch


class PolicyView(Protocol):
    """A policy, as far as it is shown."""

    @property
    def digest(self) -> str: ...

    @property
    def rules(self) -> tuple[Rule, ...]: ...


class RefusedFiles(Protocol):
    """Why the rule files as they are now are not in force."""

    @property
    def problems(self) -> Sequence[Problem]: ...


class Reloaded(Protocol):
    """How a reload ended: `digest` is in force; with problems it is the one from before."""

    @property
    def digest(self) -> str | None: ...

    @property
    def problems(self) -> Sequence[Problem]: ...


class PolicyPort(Protocol):
    """The policy in force."""

    @property
    def current(self) -> PolicyView: ...

    @property
    def loaded_at(self) -> float: ...

    @property
    def last_error(self) -> RefusedFiles | None: ...

    async def reload(self) -> Reloaded: ...

    async def patch(self, patches: Sequence[Restraint]) -> None:
        """Have these patches, and no others, in force."""
        ...


class LogPort(Protocol):
    """Reads the exchange log, off the event loop. Both raise LogUnavailable."""

    async def search(self, search: Search) -> Page:
        """Raises ValueError for a search that makes no sense."""
        ...

    async def show(self, id: str) -> Mapping[str, Json] | None: ...


class Routed(Protocol):
    """Where a request for a model goes."""

    @property
    def names(self) -> frozenset[str]: ...

    @property
    def version(self) -> str | None: ...

    @property
    def rollback(self) -> str | None: ...


class RouterPort(Protocol):
    """Knows every name of a model, and the version that it is served as."""

    def route(self, api: str, requested: str | None, rollbacks: Mapping[str, str]) -> Routed:
        """Raises Refused."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """A model over whichever wire it is asked for: every name under which the dial knows it, the version that it is
    served as, and the public model whose rollback decides that."""

    names: frozenset[str]
    version: str | None = None
    rollback: str | None = None


def known_by(router: RouterPort) -> Callable[[str, Mapping[str, str]], Known]:
    """What is known of a model under some rollbacks."""

    def known(model: str, rollbacks: Mapping[str, str]) -> Known:
        found = Known(frozenset({model}))
        for api in ("openai", "anthropic"):
            try:
                route = router.route(api, model, rollbacks)
            except Refused:
                continue  # not served over that wire
            found = Known(
                found.names | route.names, found.version or route.version, found.rollback or route.rollback
            )
        return found

    return known


def only_itself(model: str, rollbacks: Mapping[str, str]) -> Known:
    """Where no router is known."""
    return Known(frozenset({model}))


@dataclass(frozen=True, slots=True)
class AdminContext:
    """Everything that the admin API uses and does not own.

    `ready` gives each check by name: None where it is well, else what is wrong, in words. `metrics` gives
    Prometheus text. `hosts` are names beyond loopback and the listener's own address under which it may be
    reached; `listen_host` is the name it was told to listen at. `known` gives every name of a model and
    the version that it is served as. `settings` say which models and callers there can be. `watch` has the models'
    cards, which of them are in use, and where the tripwires stand; `alerts` the targets of alerts; `probes` what is
    asked of models on a schedule; `responder` what follows from the tripwires, and what they have learned.
    """

    dial: Dial
    policy: PolicyPort
    log: LogPort
    status: Callable[[], Mapping[str, Json]]
    ready: Callable[[], Mapping[str, str | None]]
    metrics: Callable[[], Awaitable[bytes]]
    tokens: tuple[Token, ...]
    hosts: tuple[str, ...]
    clock: Callable[[], float]
    settings: Settings
    watch: Watch
    alerts: Alerts
    probes: Prober
    responder: Responder
    listen_host: str = ""
    known: Callable[[str, Mapping[str, str]], Known] = only_itself
