"""The files of deploy/ fit the proxy and one another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from ruamel.yaml import YAML

from proxy.settings import load
from proxy.shipped import shipped_rules
from tests.tidy import ROOT

DEPLOY: Final = ROOT / "deploy"
SECRETS: Final = {"ONCALL_TOKEN": "t" * 32, "BACKEND_KEY": "b" * 32, "SHOP_KEY": "s" * 32}


def read(name: str) -> object:
    value: object = YAML(typ="safe").load(DEPLOY / name)
    return value


def dig(value: object, *keys: str | int) -> object:
    for key in keys:
        assert isinstance(value, dict | list)
        value = value[key]  # type: ignore[index]
    return value


def test_the_settings_load_with_the_secrets_that_compose_demands() -> None:
    settings = load(DEPLOY / "proxy.yaml", SECRETS)
    assert (settings.listen.port, settings.admin.listen.port) == (8080, 8081)
    environment = dig(read("compose.yaml"), "services", "proxy", "environment")
    assert isinstance(environment, dict)
    assert environment.keys() == SECRETS.keys()


def test_prometheus_scrapes_a_host_that_the_admin_listener_answers_to() -> None:
    settings = load(DEPLOY / "proxy.yaml", SECRETS)
    target = dig(read("prometheus.yaml"), "scrape_configs", 0, "static_configs", 0, "targets", 0)
    assert target == f"proxy:{settings.admin.listen.port}"
    assert "proxy" in settings.admin.hosts
    services = dig(read("compose.yaml"), "services")
    assert isinstance(services, dict)
    assert "proxy" in services


def test_stopping_waits_longer_than_draining() -> None:
    settings = load(DEPLOY / "proxy.yaml", SECRETS)
    assert dig(read("compose.yaml"), "services", "proxy", "stop_grace_period") == "40s"
    unit = (DEPLOY / "guardrail-proxy.service").read_text()
    assert re.search(r"^TimeoutStopSec=40$", unit, re.MULTILINE)
    assert settings.drain_s < 40


def test_the_image_copies_only_what_exists() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert len(names) > 5
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("place", ["checkout", "installed"])
def test_the_shipped_rules_are_found(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if place == "installed":
        (tmp_path / "proxy" / "shipped_rules").mkdir(parents=True)
        monkeypatch.setattr("proxy.shipped._PACKAGE", tmp_path / "proxy")
        assert shipped_rules() == tmp_path / "proxy" / "shipped_rules"
    else:
        assert list(shipped_rules().glob("*.yaml"))


def test_an_installation_without_rules_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.shipped._PACKAGE", tmp_path / "proxy")
    with pytest.raises(FileNotFoundError, match="no shipped rules"):
        shipped_rules()
