"""What a model and a backend take of a request, as the settings say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.settings import load
from proxy.settings.values import Supports

MODELS = """\
backends:
  main: {url: "https://api.example.com", api: openai, max_tokens_field: max_completion_tokens}
models:
  bot:
    supports: {temperature: false}
    versions:
      v2: {backend: main, model: two}
      v1: {backend: main, model: one, supports: {system: false, temperature: true}}
    serve: v2
  plain:
    versions: {v1: {backend: main, model: three}}
    serve: v1
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "proxy.yaml"
    path.write_text(text)
    return path


def test_a_versions_own_words_go_before_its_models(tmp_path: Path) -> None:
    settings = load(write(tmp_path, MODELS), {})
    assert settings.supports("main", "two") == Supports(temperature=False)
    assert settings.supports("main", "one") == Supports(temperature=True, system=False)
    assert settings.supports("main", "three") == Supports()
    assert settings.supports("main", "unlisted") == Supports()
    assert settings.supports("main", None) == Supports()
    assert settings.backends["main"].max_tokens_field == "max_completion_tokens"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "{temperature: false}",
            "{temprature: false}",
            "unknown key `temprature`; did you mean `temperature`?",
        ),
        ("{temperature: false}", "{temperature: 0}", "must be true or false, not 0"),
        ("max_completion_tokens", "max_toks", "must be one of max_tokens, max_completion_tokens"),
    ],
)
def test_what_cannot_be_meant(old: str, new: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=expected):
        load(write(tmp_path, MODELS.replace(old, new)), {})
