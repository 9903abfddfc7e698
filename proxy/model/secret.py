"""Keys of the operator's that content is encrypted with."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

KEY_BYTES: Final = 32
SECRET_CHARS_MIN: Final = 32
"""A shorter secret could be guessed: 32 characters of hexadecimal digits are 128 bits."""
_ID_BYTES: Final = 8


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A key of the operator's: 32 bytes, and how the store names it."""

    key: bytes
    id: str

    @classmethod
    def of(cls, text: str) -> Secret:
        """From the text that the settings refer to, of at least `SECRET_CHARS_MIN` characters."""
        key = blake2b(text.encode(), digest_size=KEY_BYTES, person=b"guardrail.oper").digest()
        return cls(key, blake2b(key, digest_size=_ID_BYTES, person=b"guardrail.opid").hexdigest())


@dataclass(frozen=True, slots=True)
class Secrets:
    """The key in force, and older ones that a store may still be sealed with."""

    current: Secret
    older: tuple[Secret, ...] = ()
