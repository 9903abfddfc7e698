"""The public models of the settings: their versions, which is served, and what that falls back to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from proxy.model.text import Path as At
from proxy.settings.file import ModelFile, SupportsFile
from proxy.settings.values import BackendSettings, ModelSettings, Supports, Version
from proxy.yaml_source import nearest


def resolve_model(
    name: str,
    file: ModelFile,
    backends: Mapping[str, BackendSettings],
    fault: Callable[[At, str], None],
) -> ModelSettings:
    """The model; `fault` is told what is wrong with it, and where."""
    at: At = ("models", name)
    for word, version in file.versions.items():
        if version.backend not in backends:
            tail = nearest(version.backend, list(backends))
            fault((*at, "versions", word, "backend"), f"there is no backend `{version.backend}`{tail}")
    if file.serve not in file.versions:
        fault((*at, "serve"), f"there is no version `{file.serve}`{nearest(file.serve, list(file.versions))}")
    for index, word in enumerate(file.fallback):
        if (wrong := _unfit(file, index, word, backends)) is not None:
            fault((*at, "fallback", index), wrong)
    versions = {
        word: Version(item.backend, item.model, _supports(item.supports or file.supports))
        for word, item in file.versions.items()
    }
    return ModelSettings(MappingProxyType(versions), file.serve, file.fallback)


def _unfit(file: ModelFile, index: int, word: str, backends: Mapping[str, BackendSettings]) -> str | None:
    """Why a version cannot stand in for the one that is served; None where it can."""
    served, version = file.versions.get(file.serve), file.versions.get(word)
    if version is None:
        return f"there is no version `{word}`{nearest(word, list(file.versions))}"
    if word == file.serve:
        return f"`{word}` is what is served already"
    if word in file.fallback[:index]:
        return f"the version `{word}` stands twice"
    if served is None or not {served.backend, version.backend} <= backends.keys():
        return None
    api, other = backends[served.backend].api, backends[version.backend].api
    if api != other:
        return f"`{word}` is at a backend of the {other} API, and cannot answer what `{file.serve}` is asked, {api}"
    return None


def _supports(file: SupportsFile) -> Supports:
    return Supports(file.temperature, file.system)
