"""From the file's shape to usable settings: secrets fetched, paths made absolute, references checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from proxy.errors import ConfigError, Problem
from proxy.model.secret import Secrets
from proxy.model.text import Path as At
from proxy.regions import UnusableDatabase, regions
from proxy.settings.alerts import resolve_alert
from proxy.settings.file import (
    BackendFile,
    ClientFile,
    SettingsFile,
    TlsFile,
)
from proxy.settings.log import resolve_log
from proxy.settings.models import resolve_model
from proxy.settings.scoring import resolve_scoring
from proxy.settings.values import (
    Address,
    Admin,
    BackendSettings,
    ClientSettings,
    Identify,
    Limits,
    Network,
    Settings,
    Tls,
    Token,
    parse_address,
)
from proxy.yaml_model import validate
from proxy.yaml_source import Document, in_order, nearest, parse

SECRET_BYTES_MAX: Final = 16 * 1024
"""A longer key file is not a key."""
TOKEN_CHARS_MIN: Final = 16
"""An admin token turns everything off, and nothing limits how often a wrong one is tried."""


def load(path: Path, env: Mapping[str, str]) -> Settings:
    """Read the settings file. Relative paths in it count from its folder.

    Reads the secret files that it names, and `env` for its environment variables. Raises ConfigError with
    every problem; none of them repeats a secret.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError((Problem(str(path), 1, 1, f"cannot be read: {error.strerror}"),)) from None
    document = parse(str(path), raw)
    problems: list[Problem] = []
    file = validate(SettingsFile, document, problems)
    if file is None:
        raise ConfigError(in_order(problems))
    resolver = _Resolver(document, path.absolute().parent, env)
    settings = resolver.settings(file)
    if resolver.problems or settings is None:
        raise ConfigError(
            tuple(sorted(resolver.problems, key=lambda problem: (problem.line, problem.column)))
        )
    return settings


def log_secrets(path: Path, env: Mapping[str, str]) -> Secrets | None:
    """What a settings file encrypts the log with, read without any other secret. Raises ConfigError, OSError."""
    document = parse(str(path), path.read_bytes())
    stated = document.value.get("log") if isinstance(document.value, dict) else None
    if not isinstance(stated, dict) or stated.get("encryption") is None:
        return None
    resolver = _Resolver(document, path.absolute().parent, env)
    file = validate(SettingsFile, document, resolver.problems)
    log = None if file is None else resolve_log(file.log, resolver._secret, resolver._fault)
    if resolver.problems or log is None:
        raise ConfigError(tuple(resolver.problems))
    return log.secrets


@dataclass(slots=True)
class _Resolver:
    document: Document
    folder: Path
    env: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)

    def settings(self, file: SettingsFile) -> Settings | None:
        """The settings; None only with a problem noted."""
        listen = self._address(("listen",), file.listen)
        admin = self._admin(file, listen)
        backends = {name: self._backend(name, backend) for name, backend in file.backends.items()}
        models = {
            name: resolve_model(name, model, backends, self._fault) for name, model in file.models.items()
        }
        default = self._default_backend(file)
        clients = self._clients(file.clients)
        if listen is not None and not (listen.loopback or clients or file.open):
            self._fault(
                ("listen",),
                "any caller could use this address: name `clients`, listen on loopback, or say `open: true`",
            )
        log = resolve_log(file.log, self._secret, self._fault)
        data_dir = self.folder / file.data_dir
        scoring = resolve_scoring(file.scoring, self.folder, data_dir, self._fault)
        tls = self._tls(("tls",), file.tls)
        identify = self._identify(file)
        alerts = tuple(
            resolve_alert(name, one, self._secret, self._fault) for name, one in file.alerts.items()
        )
        if listen is None or admin is None or self.problems:
            return None
        return Settings(
            listen=listen,
            data_dir=data_dir,
            rules_dir=self.folder / file.rules_dir,
            admin=admin,
            backends=MappingProxyType(backends),
            default_backend=default,
            models=MappingProxyType(models),
            unlisted_models=file.unlisted_models,
            clients=clients,
            open=file.open,
            tls=tls,
            identify=identify,
            unknown_paths=file.unknown_paths,
            log=log,
            scoring=scoring,
            limits=Limits(file.limits.max_body_bytes, file.limits.max_reply_bytes, file.limits.max_in_flight),
            alerts=alerts,
            drain_s=file.drain_s,
            log_format=file.log_format,
        )

    def _admin(self, file: SettingsFile, listen: Address | None) -> Admin | None:
        at: At = ("admin", "listen")
        address = self._address(at, file.admin.listen)
        if address is not None and address == listen and address.port:
            self._fault(at, "the admin API never shares the clients' port: give it its own")
        tokens: list[Token] = []
        for index, token in enumerate(file.admin.tokens):
            where: At = ("admin", "tokens", index)
            secret = self._required_secret(where, "token", token.token_env, token.token_file)
            if 0 < len(secret.get_secret_value()) < TOKEN_CHARS_MIN:
                source = "token_env" if token.token_env is not None else "token_file"
                self._fault(
                    (*where, source),
                    f"the token is shorter than {TOKEN_CHARS_MIN} characters and could be guessed: make one with"
                    " `openssl rand -hex 24`",
                )
            self._unique(where, token.name, secret, [(known.name, known.token) for known in tokens])
            tokens.append(Token(token.name, token.role, secret))
        if address is None:
            return None
        return Admin(address, tuple(tokens), file.admin.hosts, self._tls(("admin", "tls"), file.admin.tls))

    def _backend(self, name: str, file: BackendFile) -> BackendSettings:
        at: At = ("backends", name)
        self._check_url((*at, "url"), file.url)
        return BackendSettings(
            url=file.url.rstrip("/"),
            api=file.api,
            timeout_s=file.timeout_s,
            key=self._secret(at, "key", file.key_env, file.key_file),
            ca_file=self._file((*at, "ca_file"), file.ca_file),
            connect_timeout_s=file.connect_timeout_s,
            max_connections=file.max_connections,
            max_tokens_field=file.max_tokens_field,
        )

    def _default_backend(self, file: SettingsFile) -> str:
        names = list(file.backends)
        if file.default_backend is None:
            if len(names) > 1:
                self._fault((), "`default_backend` is missing: say which of the backends it is")
            return names[0]
        if file.default_backend not in file.backends:
            tail = nearest(file.default_backend, names)
            self._fault(("default_backend",), f"there is no backend `{file.default_backend}`{tail}")
        return file.default_backend

    def _clients(self, files: tuple[ClientFile, ...]) -> tuple[ClientSettings, ...]:
        clients: list[ClientSettings] = []
        for index, client in enumerate(files):
            at: At = ("clients", index)
            key = self._required_secret(at, "key", client.key_env, client.key_file)
            self._unique(at, client.name, key, [(known.name, known.key) for known in clients])
            clients.append(ClientSettings(client.name, client.app, key))
        return tuple(clients)

    def _identify(self, file: SettingsFile) -> Identify:
        names = file.identify
        networks: list[Network] = []
        for index, text in enumerate(names.trusted_proxies):
            try:
                networks.append(ip_network(text))
            except ValueError as error:
                self._fault(
                    ("identify", "trusted_proxies", index), f"must be a network, as 10.0.0.0/8: {error}"
                )
        return Identify(
            user_header=names.user_header.lower() if names.user_header else None,
            app_header=names.app_header.lower() if names.app_header else None,
            region_header=names.region_header.lower() if names.region_header else None,
            geoip_db=self._database(("identify", "geoip_db"), names.geoip_db),
            trusted_proxies=tuple(networks),
        )

    def _unique(self, at: At, name: str, secret: SecretStr, known: list[tuple[str, SecretStr]]) -> None:
        """A name or a secret that two share would leave open who called."""
        for other, other_secret in known:
            if name == other:
                self._fault((*at, "name"), f"the name `{name}` stands twice")
            if secret.get_secret_value() and secret == other_secret:
                self._fault(at, f"has the same secret as `{other}`: nobody could tell them apart")

    def _address(self, at: At, text: str) -> Address | None:
        try:
            return parse_address(text)
        except ValueError as error:
            self._fault(at, str(error))
            return None

    def _check_url(self, at: At, url: str) -> None:
        try:
            parts = urlsplit(url)
            port_ok = parts.port is None or parts.port > 0
        except ValueError:
            self._fault(at, "is no URL")
            return
        if parts.scheme not in {"http", "https"} or not parts.hostname or not port_ok:
            self._fault(at, "must be an http or https URL with a host, as https://api.example.com")
        elif parts.username is not None or parts.password is not None:
            self._fault(at, "holds a credential: use key_env or key_file")
        elif parts.query or parts.fragment or "?" in url or "#" in url:
            self._fault(at, "must end with the path: no query and no fragment")
        elif not url.isascii() or any(char.isspace() for char in url):
            self._fault(at, "holds a blank or a character outside ASCII")

    def _tls(self, at: At, file: TlsFile | None) -> Tls | None:
        if file is None:
            return None
        cert = self._file((*at, "cert_file"), file.cert_file)
        key = self._file((*at, "key_file"), file.key_file)
        return Tls(cert, key) if cert and key else None

    def _database(self, at: At, name: str | None) -> Path | None:
        path = self._file(at, name)
        if path is not None and path.is_file():
            try:
                regions(path)
            except UnusableDatabase as error:
                self._fault(at, str(error))
        return path

    def _file(self, at: At, name: str | None) -> Path | None:
        if name is None:
            return None
        path = self.folder / name
        if not path.is_file():
            self._fault(at, f"there is no file `{path}`")
        return path

    def _required_secret(self, at: At, word: str, env: str | None, file: str | None) -> SecretStr:
        secret = self._secret(at, word, env, file)
        if env is None and file is None:
            self._fault(at, f"the key `{word}_env` (or `{word}_file`) is missing")
        return secret or SecretStr("")

    def _secret(self, at: At, word: str, env: str | None, file: str | None) -> SecretStr | None:
        """The secret that a reference names; None where there is no reference or it has a problem."""
        if env is not None and file is not None:
            self._fault(at, f"`{word}_env` and `{word}_file` are both given: keep one")
            return None
        if env is not None:
            at = (*at, f"{word}_env")
            text = self.env.get(env, "")
            source = f"the environment variable `{env}`"
            if env not in self.env:
                self._fault(at, f"{source} is not set")
                return None
        elif file is not None:
            at = (*at, f"{word}_file")
            source = f"the file `{file}`"
            try:
                with (self.folder / file).open("rb") as handle:
                    text = handle.read(SECRET_BYTES_MAX + 1).decode("ascii").strip("\r\n")
            except UnicodeDecodeError:
                self._fault(at, f"{source} holds more than ASCII characters")
                return None
            except OSError as error:
                self._fault(at, f"{source} cannot be read: {error.strerror}")
                return None
        else:
            return None
        if not text:
            self._fault(at, f"{source} is empty")
        elif len(text) > SECRET_BYTES_MAX or not all("!" <= char <= "~" for char in text):
            self._fault(
                at, f"{source} holds something that cannot stand in a header (blanks, control characters)"
            )
        else:
            return SecretStr(text)
        return None

    def _fault(self, at: At, message: str) -> None:
        self.problems.append(self.document.problem(at, message))
