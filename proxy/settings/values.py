"""proxy.yaml as frozen, typed values: secrets resolved, paths absolute, every reference checked.

Other modules read these values and never the file. Each problem carries its file, line and column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from pydantic import SecretStr

from proxy.model.secret import Secrets
from proxy.subjects import SubjectKind, SubjectName

Network: TypeAlias = IPv4Network | IPv6Network
Api: TypeAlias = Literal["openai", "anthropic"]
Role: TypeAlias = Literal["viewer", "operator", "admin"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener binds. Port 0 asks the system for a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Tls:
    cert_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class Token:
    """One operator's credential for the admin API."""

    name: str
    role: Role
    token: SecretStr


@dataclass(frozen=True, slots=True)
class Admin:
    listen: Address
    tokens: tuple[Token, ...] = ()
    hosts: tuple[str, ...] = ()
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """One model server. `url` has no trailing slash; without `key` the client's credential is passed on."""

    url: str
    api: Api
    timeout_s: float = 120.0
    key: SecretStr | None = None
    ca_file: Path | None = None
    connect_timeout_s: float = 10.0
    max_connections: int = 1000
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None


@dataclass(frozen=True, slots=True)
class Supports:
    """Which parts of a request a model takes; None where its name has to tell."""

    temperature: bool | None = None
    system: bool | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a public model: the model of that name at that backend."""

    backend: str
    model: str
    supports: Supports = field(default=Supports(), compare=False)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """`fallback` names the versions that are tried, in this order, where the one that is served fails."""

    versions: Mapping[str, Version]
    serve: str
    fallback: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One application's key for the proxy."""

    name: str
    app: str | None
    key: SecretStr


@dataclass(frozen=True, slots=True)
class Identify:
    """Header names are lower case."""

    user_header: str | None = None
    app_header: str | None = None
    region_header: str | None = None
    geoip_db: Path | None = None
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`keep` is for how many seconds exchanges of an outcome are kept; one that it lacks is kept for ever."""

    durability: Literal["before_release", "async"] = "before_release"
    on_failure: Literal["block", "allow"] = "block"
    keep: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    max_bytes: int | None = None
    keep_media: bool = False
    secrets: Secrets | None = None  # what content is encrypted with


@dataclass(frozen=True, slots=True)
class Toxicity:
    """`checkpoint` is an exported model's folder or a checkpoint file; None for the place in the data folder."""

    engine: Literal["auto", "lexical", "detoxify"] = "auto"
    checkpoint: Path | None = None


@dataclass(frozen=True, slots=True)
class Scoring:
    """Processes for each scorer, and how long an answer may take."""

    workers: int = 1
    deadline_s: float = 5.0
    toxicity: Toxicity = Toxicity()


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_body_bytes` and `max_reply_bytes` hold for what came and for what it decompresses to."""

    max_body_bytes: int = 64 * 1024 * 1024
    max_reply_bytes: int = 64 * 1024 * 1024
    max_in_flight: int = 1000


@dataclass(frozen=True, slots=True)
class AlertTarget:
    """Where alerts go: a webhook, whose bodies `secret` signs, or a service by its Apprise URL. Both URLs may hold
    credentials. What is less severe than `min_severity` is not sent there."""

    name: str
    webhook: SecretStr | None = None
    secret: SecretStr | None = None
    apprise: SecretStr | None = None
    min_severity: Literal["low", "medium", "high", "critical"] = "low"


@dataclass(frozen=True, slots=True)
class Settings:
    listen: Address
    data_dir: Path
    rules_dir: Path
    admin: Admin
    backends: Mapping[str, BackendSettings]
    default_backend: str
    models: Mapping[str, ModelSettings] = field(default_factory=lambda: MappingProxyType({}))
    unlisted_models: Literal["pass", "deny"] = "pass"
    clients: tuple[ClientSettings, ...] = ()
    open: bool = False
    tls: Tls | None = None
    identify: Identify = Identify()
    unknown_paths: Literal["deny", "pass"] = "deny"
    log: LogSettings = LogSettings()
    scoring: Scoring = Scoring()
    limits: Limits = Limits()
    alerts: tuple[AlertTarget, ...] = ()
    drain_s: float = 30.0
    log_format: Literal["console", "json"] = "console"

    def backend_for(self, api: Api) -> str | None:
        """Where calls of that API go that name no listed model."""
        if self.backends[self.default_backend].api == api:
            return self.default_backend
        return next((name for name, backend in self.backends.items() if backend.api == api), None)

    def unmatched(self, subject: SubjectName) -> str | None:
        """Why no exchange can carry that name, where none can: a slip of a tired hand must not pass for a block."""
        names = self.identify
        clients = sorted(client.name for client in self.clients)
        apps = sorted({client.app for client in self.clients if client.app is not None})
        match subject.kind:
            case SubjectKind.KEY if subject.value not in clients:
                return f"the keys of `clients` in the settings are {', '.join(clients) or 'none'}"
            case SubjectKind.APP if clients and subject.value not in apps:
                return f"the apps of `clients` in the settings are {', '.join(apps) or 'none'}"
            case SubjectKind.APP if not clients and names.app_header is None:
                return "the settings name neither `clients` nor `identify.app_header`"
            case SubjectKind.REGION if names.geoip_db is not None:
                return None
            case SubjectKind.REGION if names.region_header is None:
                return "the settings name neither `identify.region_header` nor `identify.geoip_db`"
            case SubjectKind.REGION if not names.trusted_proxies:
                return "a region's header counts only from `identify.trusted_proxies`, and there are none"
        return None

    @property
    def alert_names(self) -> frozenset[str]:
        """The names of the alert targets."""
        return frozenset(one.name for one in self.alerts)

    @property
    def stand_ins(self) -> Mapping[str, str | None]:
        """Every backend, with why it cannot answer in place of a killed model: it must not be one."""
        asked = {name: self._asked_for(name, backend) for name, backend in self.backends.items()}
        models = {self.backends[name].url: name for name, why in asked.items() if why is not None}
        for name, backend in self.backends.items():
            if asked[name] is None and backend.url in models:
                asked[name] = f"it has the address of `{models[backend.url]}`"
        return MappingProxyType(asked)

    def _asked_for(self, name: str, backend: BackendSettings) -> str | None:
        for model, versions in self.models.items():
            if any(version.backend == name for version in versions.versions.values()):
                return f"it serves `{model}`"
        if self.backend_for(backend.api) == name:
            return f"calls of the {backend.api} API go there that name no listed model"
        return None

    def supports(self, backend: str, model: str | None) -> Supports:
        """What is said of the model of that name at that backend, by whichever public name."""
        for known in self.models.values():
            for version in known.versions.values():
                if (version.backend, version.model) == (backend, model) and version.supports != Supports():
                    return version.supports
        return Supports()


def parse_address(text: str) -> Address:
    """`host:port` or `[::1]:8080`. Raises ValueError that says what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError("an address is written host:port, as 127.0.0.1:8080 or [::1]:8080")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ValueError(f"`{port}` is no port: a number from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address stands in brackets, as [::1]:8080")
    if not host or any(char.isspace() or char in "/[]@" for char in host):
        raise ValueError(f"`{host}` is no host name or address")
    return Address(host, int(port))


def demo_settings(
    listen: Address, admin_listen: Address, data_dir: Path, rules_dir: Path, backend_url: str
) -> Settings:
    """The settings of the built-in demo: one scripted backend that speaks both wires, any client welcome."""
    url = backend_url.rstrip("/")
    return Settings(
        listen=listen,
        data_dir=data_dir.absolute(),
        rules_dir=rules_dir.absolute(),
        admin=Admin(listen=admin_listen),
        backends=MappingProxyType(
            {"demo": BackendSettings(url, "openai"), "demo-anthropic": BackendSettings(url, "anthropic")}
        ),
        default_backend="demo",
    )
