"""Which backend and which model name a request goes to, and every name that its model answers to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from proxy.errors import BadRequest, UnknownPath
from proxy.model.subject import fold_name
from proxy.settings import Settings, Version

NO_ROLLBACKS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Route:
    """Where one request goes. `names` are all the names under which rules and the dial know its model."""

    backend: str
    sent: str | None  # the model name that the backend is asked for
    version: str | None
    names: frozenset[str]
    rollback: str | None = None  # the public model whose rollback decided


class Router:
    """The models of the settings, seen from both sides: by public name, and by backend and backend name."""

    def __init__(self, settings: Settings) -> None:
        self._models = settings.models
        self._deny_unlisted = settings.unlisted_models == "deny"
        self._defaults: Mapping[str, str | None] = {
            api: settings.backend_for(api) for api in ("openai", "anthropic")
        }
        self._apis: Mapping[str, str] = {name: backend.api for name, backend in settings.backends.items()}
        public: dict[tuple[str, str], set[str]] = {}
        folded: dict[str, set[str]] = {}
        at_backend: dict[str, set[str]] = {}
        for name, model in settings.models.items():
            for version in model.versions.values():
                public.setdefault((version.backend, version.model), set()).add(name)
                at_backend.setdefault(version.backend, set()).add(name)
                for known in (name, *_forms(version.model)):
                    folded.setdefault(fold_name(known), set()).add(name)
        self._public = {key: frozenset(names) for key, names in public.items()}
        self._folded = {key: frozenset(names) for key, names in folded.items()}
        self._at_backend = {key: frozenset(names) for key, names in at_backend.items()}

    def route(self, api: str, requested: str | None, rollbacks: Mapping[str, str] = NO_ROLLBACKS) -> Route:
        """`rollbacks` gives public models the version that they are served as. Raises BadRequest `wrong_api`, and
        UnknownPath `model_not_found` for a model that is not served."""
        route = self._planned(api, requested)
        rolled = (
            self._rolled_back(route, requested, rollbacks) if rollbacks and requested is not None else None
        )
        if rolled is None or requested is None:
            return route
        word = rollbacks[rolled]
        version = self._models[rolled].versions[word]
        if (version.backend, version.model) == (route.backend, route.sent):
            return replace(route, version=word if rolled == requested else route.version, rollback=rolled)
        self._check_api(version.backend, api, f"model {requested!r}, rolled back to {word},")
        there = self._named(version.backend, requested, version.model, word)
        # Asked for by a backend's name, it is still that model for whoever turns the dial.
        names = there.names if requested in self._models else there.names | route.names
        return replace(there, names=names, rollback=rolled)

    def fallbacks(
        self, requested: str | None, route: Route, rollbacks: Mapping[str, str] = NO_ROLLBACKS
    ) -> Iterator[Route]:
        """Where a request for a public model may go in place of `route`, in order.

        Of a model that is rolled back only the version that it is rolled back to, and what stands behind that: what
        stands before was not chosen. No version is taken that another model is rolled back from.
        """
        model = self._models.get(requested) if requested is not None else None
        if model is None or requested is None or route.rollback not in (None, requested):
            return
        order = model.fallback
        chosen = rollbacks.get(requested)
        if chosen is not None and chosen in model.versions:
            order = order[order.index(chosen) :] if chosen in order else (chosen,)
        for word in order:
            version = model.versions[word]
            there = self._named(version.backend, requested, version.model, word)
            if not any(self._rolled_from(version, other, rollbacks) for other in there.names - {requested}):
                yield replace(there, rollback=requested if word == chosen else None)

    def _rolled_from(self, version: Version, model: str, rollbacks: Mapping[str, str]) -> bool:
        """Whether that public model is rolled back to anything but this."""
        known, word = self._models.get(model), rollbacks.get(model)
        there = known.versions.get(word) if known is not None and word is not None else None
        return there is not None and there != version

    def without_effect(self, rollbacks: Mapping[str, str]) -> tuple[str, ...]:
        """The models whose rollback holds for nothing: the settings do not have them, or that version, any more."""
        return tuple(
            model
            for model, version in rollbacks.items()
            if model not in self._models or version not in self._models[model].versions
        )

    def _rolled_back(self, route: Route, requested: str, rollbacks: Mapping[str, str]) -> str | None:
        """The public model whose rollback holds for what was asked for: the one of that name, else one that has it
        as one of its versions. A rollback to a version that the settings do not have any more holds for nothing."""
        for model in (requested, *sorted(route.names)):
            known = self._models.get(model)
            if known is not None and rollbacks.get(model) in known.versions:
                return model
        return None

    def _planned(self, api: str, requested: str | None) -> Route:
        if requested is not None and not requested.strip():
            requested = None
        if requested is not None and (requested != requested.strip() or not requested.isprintable()):
            raise BadRequest("a model's name has no outer blanks and no control characters")
        model = self._models.get(requested) if requested is not None else None
        if model is not None and requested is not None:
            version = model.versions[model.serve]
            self._check_api(version.backend, api, f"model {requested!r}")
            return self._named(version.backend, requested, version.model, model.serve)
        if requested is not None and self._deny_unlisted:
            raise UnknownPath(f"the model {requested!r} is not served here", code="model_not_found")
        backend = self._backend_for(api)
        if requested is None:
            # A backend may serve a default model without being named one: every model there may be meant.
            return Route(backend, None, None, self._at_backend.get(backend, frozenset()))
        return self._named(backend, requested, requested, None)

    def _named(self, backend: str, requested: str, sent: str, version: str | None) -> Route:
        names = {requested, sent} | self._public.get((backend, sent), frozenset())
        for form in _forms(requested):
            # Backends that ignore case, or the maker's name before a slash, serve the same model.
            names |= {fold_name(form)} | self._folded.get(fold_name(form), frozenset())
        return Route(backend, sent, version, frozenset(names))

    def _backend_for(self, api: str) -> str:
        backend = self._defaults.get(api)
        if backend is None:
            raise BadRequest(f"no backend here speaks the {api} API", code="wrong_api")
        return backend

    def _check_api(self, backend: str, api: str, what: str) -> None:
        if self._apis[backend] != api:
            raise BadRequest(
                f"{what} is served by a backend of the {self._apis[backend]} API, not {api}", code="wrong_api"
            )


def _forms(model: str) -> tuple[str, ...]:
    """A model's name, and without its maker's: openai/gpt-4 is also gpt-4."""
    _, slash, short = model.rpartition("/")
    return (model, short) if slash and short else (model,)
