"""The settings `log:`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from pydantic import SecretStr

from proxy.model.level import Outcome
from proxy.model.secret import SECRET_CHARS_MIN, Secret, Secrets
from proxy.model.text import Path as At
from proxy.settings.file import EncryptionFile, LogFile, OlderKeyFile
from proxy.settings.values import LogSettings
from proxy.yaml_source import nearest

SecretOf = Callable[[At, str, str | None, str | None], SecretStr | None]

OTHER: Final = "other"
"""In `log.keep`: every outcome that is not named."""
_AGE: Final = re.compile(r"([1-9][0-9]{0,5})([smhdy])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "y": 365 * 86_400}


def resolve_log(file: LogFile, secret: SecretOf, fault: Callable[[At, str], None]) -> LogSettings:
    """The values; what cannot be read is a fault."""
    if file.request_logprobs:
        fault(("log", "request_logprobs"), "`request_logprobs` is not available in this version yet")
    keep = _keep(file.keep, fault)
    secrets = None if file.encryption is None else _secrets(file.encryption, secret, fault)
    return LogSettings(file.durability, file.on_failure, keep, file.max_bytes, file.keep_media, secrets)


def _secrets(file: EncryptionFile, secret: SecretOf, fault: Callable[[At, str], None]) -> Secrets | None:
    found: list[Secret] = []
    named: tuple[OlderKeyFile, ...] = (file, *file.older)
    for number, one in enumerate(named):
        at: At = ("log", "encryption") if number == 0 else ("log", "encryption", "older", number - 1)
        if one.key_env is None and one.key_file is None:
            fault(at, "the key `key_env` (or `key_file`) is missing")
            continue
        text = secret(at, "key", one.key_env, one.key_file)
        if text is not None and len(text.get_secret_value()) < SECRET_CHARS_MIN:
            fault(at, f"a key has {SECRET_CHARS_MIN} characters and more: make one by `openssl rand -hex 32`")
        elif text is not None:
            found.append(Secret.of(text.get_secret_value()))
    return Secrets(found[0], tuple(found[1:])) if len(found) == 1 + len(file.older) else None


def _keep(ages: Mapping[str, str], fault: Callable[[At, str], None]) -> Mapping[str, float]:
    kept: dict[str, float] = {}
    names = [*(str(outcome) for outcome in Outcome), OTHER]
    for name, text in ages.items():
        at: At = ("log", "keep", name)
        age = _AGE.fullmatch(text)
        if name not in names:
            tail = nearest(name, names) or f"; there are {', '.join(names)}"
            fault(at, f"`{name}` is no outcome{tail}")
        elif age is None:
            fault(at, "an age is a whole number and s, m, h, d or y, as `30d`")
        else:
            kept[name] = float(int(age[1]) * _UNIT_S[age[2]])
    other = kept.pop(OTHER, None)
    if other is not None:
        kept = {name: kept.get(name, other) for name in names if name != OTHER}
    return MappingProxyType(kept)
