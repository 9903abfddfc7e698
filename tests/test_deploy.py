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
    in_kubernetes = load(DEPLOY / "kubernetes" / "proxy.yaml", SECRETS)
    assert (in_kubernetes.listen, in_kubernetes.admin.listen) == (settings.listen, settings.admin.listen)


def test_prometheus_scrapes_a_host_that_the_admin_listener_answers_to() -> None:
    settings = load(DEPLOY / "proxy.yaml", SECRETS)
    target = dig(read("prometheus/prometheus.yaml"), "scrape_configs", 0, "static_configs", 0, "targets", 0)
    assert target == f"proxy:{settings.admin.listen.port}"
    assert "proxy" in settings.admin.hosts
    services = dig(read("compose.yaml"), "services")
    assert isinstance(services, dict)
    assert "proxy" in services


def test_operators_reach_the_pod_under_names_that_it_answers_to() -> None:
    hosts = load(DEPLOY / "kubernetes" / "proxy.yaml", SECRETS).admin.hosts
    services = list(YAML(typ="safe").load_all(DEPLOY / "kubernetes" / "services.yaml"))
    name = dig(services[1], "metadata", "name")
    assert dig(services[1], "spec", "ports", 0, "port") == 8081
    assert name == dig(read("kubernetes/statefulset.yaml"), "spec", "serviceName")
    assert set(hosts) >= {name, f"{name}.default.svc.cluster.local"}


def test_nothing_runs_with_more_rights_than_it_needs() -> None:
    services = dig(read("compose.yaml"), "services")
    assert isinstance(services, dict)
    for name, service in services.items():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    pod = dig(read("kubernetes/statefulset.yaml"), "spec", "template", "spec")
    assert dig(pod, "securityContext", "runAsNonRoot") is True
    assert dig(pod, "containers", 0, "securityContext") == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
    }  # fmt: skip
    image = (DEPLOY / "Dockerfile").read_text()
    user = re.search(r"--uid (\d+)", image)
    assert user is not None
    assert f"\nUSER {user[1]}\n" in image
    assert dig(pod, "securityContext", "runAsUser") == int(user[1])


def test_what_must_outlive_the_container_is_mounted_and_nothing_else_is_written() -> None:
    settings = load(DEPLOY / "kubernetes" / "proxy.yaml", SECRETS)
    pod = dig(read("kubernetes/statefulset.yaml"), "spec", "template", "spec")
    mounts = dig(pod, "containers", 0, "volumeMounts")
    assert isinstance(mounts, list)
    writable = {one["mountPath"] for one in mounts if not one.get("readOnly")}
    assert writable == {str(settings.data_dir), "/tmp"}
    volumes = dig(read("compose.yaml"), "services", "proxy", "volumes")
    assert f"guardrail:{settings.data_dir}" in volumes  # type: ignore[operator]


def test_compose_mounts_only_what_exists() -> None:
    services = dig(read("compose.yaml"), "services")
    assert isinstance(services, dict)
    mounts = [one.split(":")[0] for service in services.values() for one in service["volumes"]]
    files = [one for one in mounts if one.startswith(".")]
    assert len(files) > 4
    assert [one for one in files if not (DEPLOY / one).exists()] == []


def test_stopping_waits_longer_than_draining() -> None:
    settings = load(DEPLOY / "proxy.yaml", SECRETS)
    pod = dig(read("kubernetes/statefulset.yaml"), "spec", "template", "spec")
    before = dig(pod, "containers", 0, "lifecycle", "preStop", "exec", "command", 1)
    grace = dig(pod, "terminationGracePeriodSeconds")
    assert isinstance(grace, int)
    assert int(str(before)) + load(DEPLOY / "kubernetes" / "proxy.yaml", SECRETS).drain_s < grace - 5
    assert dig(read("compose.yaml"), "services", "proxy", "stop_grace_period") == "40s"
    unit = (DEPLOY / "guardrail-proxy.service").read_text()
    assert re.search(r"^TimeoutStopSec=40$", unit, re.MULTILINE)
    assert settings.drain_s < 40


def test_the_image_copies_only_what_exists() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert len(names) > 5
    assert [name for name in names if not (ROOT / name).exists()] == []
    sent = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert sent[1] == "*"
    assert {line[1:] for line in sent if line.startswith("!")} == set(names)


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
