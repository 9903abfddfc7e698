"""The folder of one proxy: made at its first start, held by one process at a time, with a key of its own."""

from __future__ import annotations

import fcntl
import os
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from proxy.errors import GuardrailError
from proxy.own_secret import own_secret

LOCK_FILE: Final = "lock"
PSEUDONYM_KEY_FILE: Final = "pseudonym.key"


class AlreadyRunning(GuardrailError):
    """Another proxy holds the data folder."""


class CannotStart(GuardrailError):
    """Something that the settings name cannot be used; the text says which key, and why."""


def claim(folder: Path) -> IO[str]:
    """Make the folder if need be, and hold it until the handle is closed: two proxies on one would chain two logs
    into one. Raises AlreadyRunning, CannotStart."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.fdopen(os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError as error:
        raise CannotStart(f"data_dir: {folder} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise AlreadyRunning(
            f"another proxy is using {folder}; give this one a data_dir of its own"
        ) from None
    return handle


def pseudonym_key(folder: Path) -> bytes:
    """What makes this proxy's pseudonyms its own. Without the file, made at the first start, values get others.
    Raises SecretFileError."""
    value, _ = own_secret(folder / PSEUDONYM_KEY_FILE, "key")
    return sha256(value.encode()).digest()
