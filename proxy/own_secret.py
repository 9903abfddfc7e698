"""Secrets that the proxy makes for itself at its first start, each in a file of its own in `data_dir`."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from proxy.errors import GuardrailError

SECRET_CHARS_MIN: Final = 32
SECRET_CHARS_MAX: Final = 4096


class SecretFileError(GuardrailError):
    """A secret's file cannot be used; the text says why and never what it holds."""


def own_secret(path: Path, what: str) -> tuple[str, bool]:
    """The secret of that file, and whether it was made just now: 256 random bits as ASCII text, mode 0600. `what`
    names it in errors. Raises SecretFileError."""
    try:
        return _read_or_make(path, what)
    except OSError as error:
        raise SecretFileError(f"{path}: {error.strerror or error}") from error


def _read_or_make(path: Path, what: str) -> tuple[str, bool]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return _make(path), True
    with os.fdopen(handle, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        raw = file.read(SECRET_CHARS_MAX + 1)
    if mode & 0o077:
        raise SecretFileError(
            f"{path} is readable by others (mode {mode:o}): delete it, and a new {what} is made"
        )
    value = raw.decode("ascii", "replace").strip()
    if (
        not SECRET_CHARS_MIN <= len(value) <= SECRET_CHARS_MAX
        or not value.isascii()
        or not value.isprintable()
    ):
        raise SecretFileError(f"{path} holds no {what} of at least {SECRET_CHARS_MIN} characters: delete it")
    return value, False


def _make(path: Path) -> str:
    value = secrets.token_urlsafe(32)
    # Written whole beside it and linked into place: a crash leaves no half secret, and nobody reads it early.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return value
