"""The hashes of the log, all BLAKE2b-256 (RFC 7693), told apart by their personalisation.

- An *address* finds content again: keyed with the store's key, so that it tells nothing outside the store.
- A *response* address finds the exchanges about a reply that its backend keeps, keyed in the same way.
- A *commitment* stands for content in a record's hash: keyed with a salt kept beside the content. Once both
  are erased the commitment remains, and it neither gives anything away nor lets anyone guess.
- A *window digest* runs along a context window, one step per part, over the commitments.
- A record's *hash* covers its begin digest, its end digest, its place in the chain, and the hash before it.
- A *removal* is a record too: its begin digest covers what it says of itself, the digest of the runs of places that
  it took out of the chain, each with the hash that the chain goes on from, and that of the exchanges' numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from proxy.log.encode import encode_plain

HASH_BYTES: Final = 32
SALT_BYTES: Final = 16
KEY_BYTES: Final = 32
RESPONSE_BYTES: Final = 16
EMPTY_WINDOW: Final = bytes(HASH_BYTES)
"""The digest of a window with no parts: where every chain of nodes begins."""

Scalar = int | str | None


def address(store_key: bytes, content: bytes) -> bytes:
    return blake2b(content, digest_size=HASH_BYTES, key=store_key, person=b"guardrail.addr").digest()


def response(store_key: bytes, id: str) -> bytes:
    """Where the exchanges about a reply that a backend keeps are found, by its id there; short, being no proof."""
    text = id.encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=RESPONSE_BYTES, key=store_key, person=b"guardrail.resp").digest()


def commitment(salt: bytes, content: bytes) -> bytes:
    return blake2b(content, digest_size=HASH_BYTES, key=salt, person=b"guardrail.part").digest()


def subject_commitment(salt: bytes, names: Sequence[Scalar]) -> bytes:
    content = encode_plain(names)
    return blake2b(content, digest_size=HASH_BYTES, key=salt, person=b"guardrail.subj").digest()


def window(parent: bytes, slot: int, part: bytes) -> bytes:
    """The digest after one more part. `parent` is the digest so far, `part` the part's commitment."""
    text = parent + slot.to_bytes(2, "big") + part
    return blake2b(text, digest_size=HASH_BYTES, person=b"guardrail.node").digest()


def half(plain: Sequence[Scalar], commitments: Sequence[bytes | None]) -> bytes:
    """The digest of one half of a record (its begin, its end): plain fields, and commitments to the rest."""
    fields = (*plain, *[None if value is None else value.hex() for value in commitments])
    return blake2b(encode_plain(fields), digest_size=HASH_BYTES, person=b"guardrail.half").digest()


def genesis(store_key: bytes, created_ms: int) -> bytes:
    """What the first record has as its previous hash: bound to this very store."""
    text = created_ms.to_bytes(8, "big")
    return blake2b(text, digest_size=HASH_BYTES, key=store_key, person=b"guardrail.root").digest()


def link(previous: bytes, place: int, kind: int, begin: bytes, end: bytes) -> bytes:
    """The hash of the record at that place (from 1) of the chain."""
    text = previous + place.to_bytes(8, "big") + bytes((kind,)) + begin + end
    return blake2b(text, digest_size=HASH_BYTES, person=b"guardrail.link").digest()


def removal(at_ms: int, last_seq: int, content: bytes) -> bytes:
    """What stands for a removal in the chain, in place of a begin digest."""
    text = at_ms.to_bytes(8, "big") + last_seq.to_bytes(8, "big") + content
    return blake2b(text, digest_size=HASH_BYTES, person=b"guardrail.gone").digest()


class Runs:
    """The digest of runs of places, in ascending order."""

    def __init__(self) -> None:
        self._state = blake2b(digest_size=HASH_BYTES, person=b"guardrail.runs")

    def add(self, first: int, last: int, hash: bytes = b"") -> None:
        self._state.update(first.to_bytes(8, "big") + last.to_bytes(8, "big") + hash)

    def hex(self) -> str:
        return self._state.hexdigest()
