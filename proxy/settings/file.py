"""The shape of proxy.yaml, key by key, before secrets and references between keys are resolved."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.yaml_model import FileModel

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}$")]
"""A model's, backend's, client's or token's name: it stands in log rows, metrics and scopes."""

TargetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""An alert target's name, as tripwires and cards write it."""

Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]

MEBIBYTE: Final = 1024 * 1024


class TlsFile(FileModel):
    cert_file: Text
    key_file: Text


class TokenFile(FileModel):
    name: Name
    role: Literal["viewer", "operator", "admin"]
    token_env: Text | None = None
    token_file: Text | None = None


class AdminFile(FileModel):
    listen: Text = "127.0.0.1:8081"
    tokens: tuple[TokenFile, ...] = ()
    hosts: tuple[Text, ...] = ()
    tls: TlsFile | None = None


class BackendFile(FileModel):
    url: Text
    api: Literal["openai", "anthropic"]
    timeout_s: Seconds = 120.0
    connect_timeout_s: Seconds = 10.0
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 1000
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    key_env: Text | None = None
    key_file: Text | None = None
    ca_file: Text | None = None


class SupportsFile(FileModel):
    temperature: bool | None = None
    system: bool | None = None


class VersionFile(FileModel):
    backend: Name
    model: Text
    supports: SupportsFile | None = None  # instead of the model's


class ModelFile(FileModel):
    versions: Annotated[dict[Name, VersionFile], Field(min_length=1)]
    serve: Name
    supports: SupportsFile = SupportsFile()
    fallback: tuple[Name, ...] = ()


class ClientFile(FileModel):
    name: Name
    app: Name | None = None
    key_env: Text | None = None
    key_file: Text | None = None


class IdentifyFile(FileModel):
    user_header: Header | None = None
    app_header: Header | None = None
    region_header: Header | None = None
    geoip_db: Text | None = None
    trusted_proxies: tuple[Text, ...] = ()


class OlderKeyFile(FileModel):
    key_env: Text | None = None
    key_file: Text | None = None


class EncryptionFile(OlderKeyFile):
    older: tuple[OlderKeyFile, ...] = ()


class LogFile(FileModel):
    durability: Literal["before_release", "async"] = "before_release"
    on_failure: Literal["block", "allow"] = "block"
    request_logprobs: bool = False
    keep: dict[str, Text] = Field(default_factory=dict)
    keep_media: bool = False
    max_bytes: Annotated[int, Field(ge=MEBIBYTE)] | None = None
    encryption: EncryptionFile | None = None


class ToxicityFile(FileModel):
    engine: Literal["auto", "lexical", "detoxify"] = "auto"
    checkpoint: Text | None = None


class ScoringFile(FileModel):
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    deadline_s: Annotated[float, Field(ge=0.1, le=60)] = 5.0
    toxicity: ToxicityFile = ToxicityFile()


class LimitsFile(FileModel):
    max_body_bytes: Annotated[int, Field(ge=1024, le=1024 * MEBIBYTE)] = 64 * MEBIBYTE
    max_reply_bytes: Annotated[int, Field(ge=1024, le=1024 * MEBIBYTE)] = 64 * MEBIBYTE
    max_in_flight: Annotated[int, Field(ge=1, le=100_000)] = 1000


class AlertFile(FileModel):
    webhook: Text | None = None
    webhook_env: Text | None = None
    webhook_file: Text | None = None
    secret_env: Text | None = None
    secret_file: Text | None = None
    apprise_env: Text | None = None
    apprise_file: Text | None = None
    min_severity: Literal["low", "medium", "high", "critical"] = "low"


class SettingsFile(FileModel):
    listen: Text = "127.0.0.1:8080"
    data_dir: Text = "data"
    rules_dir: Text = "rules"
    admin: AdminFile = AdminFile()
    backends: Annotated[dict[Name, BackendFile], Field(min_length=1)]
    default_backend: Name | None = None
    models: dict[Name, ModelFile] = Field(default_factory=dict)
    unlisted_models: Literal["pass", "deny"] = "pass"
    clients: tuple[ClientFile, ...] = ()
    open: bool = False
    tls: TlsFile | None = None
    identify: IdentifyFile = IdentifyFile()
    unknown_paths: Literal["deny", "pass"] = "deny"
    log: LogFile = LogFile()
    scoring: ScoringFile = ScoringFile()
    limits: LimitsFile = LimitsFile()
    alerts: dict[TargetName, AlertFile] = Field(default_factory=dict)
    drain_s: Seconds = 30.0
    log_format: Literal["console", "json"] = "console"
