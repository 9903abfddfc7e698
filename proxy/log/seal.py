"""Encryption of the store's content at rest.

Every store has a random key of its own. From it come the addresses of content and the tokens of the index of words.
Where the settings name a key for encryption, the store's key lies in the file only *sealed* with that: encrypted by
AES-256-GCM (NIST SP 800-38D). Another key in the settings seals the same store's key anew, so nothing else has to
be written again. Content is then sealed too, each blob with a key derived from the store's and from its place (the
number of its part or record), which is bound to it as associated data as well: a blob in another's place does not
open. Nonces are random, and a key of its own for each place keeps far away from their bound.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.errors import GuardrailError
from proxy.log.encode import Codec, Damaged
from proxy.model.secret import KEY_BYTES, Secrets

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12
_STORE_KEY: Final = b"store key"


class StoreUnusable(GuardrailError):
    """The store cannot be used as it is, and trying again will not help: a person has to look."""


@dataclass(frozen=True, slots=True, repr=False)
class StoreKey:
    """A store's own key, opened."""

    key: bytes
    sealed: bool

    def codec(self) -> Codec:
        """What packs and unpacks the store's content."""
        return SealedCodec(self.key) if self.sealed else Codec()


class SealedCodec(Codec):
    """Packs content into blobs that only the store's key opens."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._key = key

    def pack_all(self, items: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """See `Codec.pack_all`."""
        blobs = super().pack_all(items)
        return [
            _seal(self._key_of(place), blob, place) for (_, place), blob in zip(items, blobs, strict=True)
        ]

    def unpack(self, blob: bytes, place: bytes) -> bytes:
        """See `Codec.unpack`."""
        return super().unpack(_open(self._key_of(place), blob, place), place)

    def seal(self, content: bytes, place: bytes) -> bytes:
        """See `Codec.seal`."""
        return _seal(self._key_of(place), content, place)

    def unseal(self, kept: bytes, place: bytes) -> bytes:
        """See `Codec.unseal`."""
        return _open(self._key_of(place), kept, place)

    def salt(self, stored: bytes) -> bytes:
        """See `Codec.salt`. A salt in the clear would let anyone confirm a guess by the hashes beside it."""
        return blake2b(stored, digest_size=len(stored), key=self._key, person=b"guardrail.salt").digest()

    def _key_of(self, place: bytes) -> bytes:
        return blake2b(place, digest_size=KEY_BYTES, key=self._key, person=b"guardrail.blob").digest()


def new_key(db: sqlite3.Connection, secrets: Secrets | None) -> bytes:
    """What a new store holds of its key; within the caller's transaction."""
    key = os.urandom(KEY_BYTES)
    if secrets is None:
        return key
    db.execute("INSERT INTO seal VALUES (1, ?)", (secrets.current.id,))
    return _seal(secrets.current.key, key, _STORE_KEY)


def open_key(db: sqlite3.Connection, path: Path, secrets: Secrets | None, *, writes: bool) -> StoreKey:
    """The store's own key. With `writes` one that is sealed with an older secret is sealed with the one in force.
    Raises StoreUnusable, sqlite3.Error."""
    kept = db.execute("SELECT key FROM store").fetchone()
    if kept is None:
        raise StoreUnusable(f"{path}: this is a damaged exchange log (its own key is gone)")
    stored = bytes(kept[0])
    row = db.execute("SELECT secret FROM seal").fetchone()
    if row is None and secrets is None:
        return StoreKey(stored, sealed=False)
    if row is None or secrets is None:
        raise StoreUnusable(
            f"{path}: the log was begun without encryption, and stays so: move it away together with log.heads "
            "(it can be read with settings that name no `log.encryption`); a new one will be encrypted"
            if row is None
            else f"{path}: the log is encrypted: name the settings whose `log.encryption` refers to its key "
            f"(key id {row[0]}) by --config, in place of --data-dir"
        )
    secret = next((one for one in (secrets.current, *secrets.older) if one.id == row[0]), None)
    if secret is None:
        raise StoreUnusable(
            f"{path}: the log is encrypted with another key: its id is {row[0]}, that of `log.encryption` is "
            f"{secrets.current.id}; refer to the right one, or list it under `older`"
        )
    try:
        key = _open(secret.key, stored, _STORE_KEY)
    except Damaged:
        raise StoreUnusable(f"{path}: the log's own key was changed: its seal does not open") from None
    if writes and secret is not secrets.current:
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE store SET key = ?", (_seal(secrets.current.key, key, _STORE_KEY),))
        db.execute("UPDATE seal SET secret = ?", (secrets.current.id,))
        db.execute("COMMIT")
    return StoreKey(key, sealed=True)


def _seal(key: bytes, content: bytes, place: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _aes(key).encrypt(nonce, content, place)


def _open(key: bytes, blob: bytes, place: bytes) -> bytes:
    aes = _aes(key)  # says so where the package is missing
    from cryptography.exceptions import InvalidTag

    try:
        return aes.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], place)
    except (InvalidTag, ValueError):
        raise Damaged("a stored blob does not open: it was changed, or belongs elsewhere") from None


def _aes(key: bytes) -> AESGCM:
    try:
        # Late: it is an extra, and slow to load.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise StoreUnusable(
            "log.encryption needs the package `cryptography`: make install-encryption"
        ) from None
    return AESGCM(key)
