"""The journal: where records are durable first, a group of them by one write, until they come into the tables.

A commit of the tables costs the same whatever is in it; with the journal in front, many groups of records share
one. As in SQLite's own write-ahead log a frame counts that is whole: one that is not was being written when the
process ended, or was changed. The file is overwritten with zeros once its records are in the
tables, so nothing that is removed from those is left here.

A frame, integers big endian: four bytes that begin each, the length of its payload, a random id of 16 bytes, a
hash of 16 bytes (BLAKE2b keyed with the store's key, over id and payload), and the payload (journal_form.py),
sealed where the store is.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from proxy.log.encode import Codec, Damaged

JOURNAL_BYTES_MAX: Final = 4 * 1024 * 1024
"""Past this nothing is taken until it was cleared."""
FRAME_BYTES_MAX: Final = 1024 * 1024
"""A group that is larger goes into the tables at once: to write it twice would cost more than it saves."""
_MODE: Final = 0o600
_MAGIC: Final = b"grj\x01"
_ID_BYTES: Final = 16
_IDS_AT_ONCE: Final = 64
_HASH_BYTES: Final = 16
_SEAL_BYTES_MAX: Final = 64
"""What sealing adds is less: past the end of what is read, a frame would be lost."""
_HEAD_BYTES: Final = len(_MAGIC) + 4 + _ID_BYTES + _HASH_BYTES


def journal_path(store: Path) -> Path:
    """Where the journal of the store at that path lies."""
    return store.with_suffix(".journal")


class Journal:
    """One file, open for writing, readable by its owner alone; made where there is none. Raises OSError."""

    def __init__(self, path: Path, key: bytes, codec: Codec) -> None:
        self._path = path
        self.key = key
        self._codec = codec
        # Each write is on the disk when it returns: one call, and the interpreter's lock let go of once.
        self._file = _open(path, os.O_RDWR | os.O_CREAT | os.O_DSYNC)
        found = os.fstat(self._file)
        self._inode = found.st_ino
        try:
            if stat.S_IMODE(found.st_mode) != _MODE:
                os.fchmod(self._file, _MODE)
            if not found.st_size:
                _keep_entry(path.parent)
        except OSError:
            os.close(self._file)
            raise
        self._ids: list[bytes] = []
        self._used = 0
        self._stained = found.st_size  # behind it all is zeros
        self._known = False  # whether what is in it is what was written to it here

    @property
    def in_place(self) -> bool:
        """Whether it is still what lies at its path."""
        return lies_at(self._path, self._inode)

    def takes(self, payload: bytes) -> bool:
        """Whether there is room for it."""
        return self._used + _HEAD_BYTES + len(payload) + _SEAL_BYTES_MAX <= JOURNAL_BYTES_MAX

    def append(self, payload: bytes) -> None:
        """Make it durable, behind what is there. Raises OSError; it then counts as not written."""
        id = self._new_id()
        kept = self._codec.seal(payload, _place(id))
        head = b"".join((_MAGIC, len(kept).to_bytes(4, "big"), id, self._hash(id, kept)))
        self._stained = max(self._stained, self._used + _HEAD_BYTES + len(kept))
        try:
            self._write(head + kept, self._used)
        except OSError:
            with suppress(OSError):  # where the disk takes nothing there is most likely nothing to take back
                self._write(bytes(_HEAD_BYTES), self._used)
            raise
        self._used += _HEAD_BYTES + len(kept)

    def read(self) -> tuple[list[bytes], int]:
        """All payloads in their order, and how many bytes between and behind them are neither a frame nor empty.
        What `append` failed with is not among them, even where the disk took it after all. Clear it before anything
        is appended. Raises OSError."""
        limit = self._used if self._known else JOURNAL_BYTES_MAX
        data = os.pread(self._file, limit, 0).rstrip(b"\0")
        payloads: list[bytes] = []
        at = 0
        unreadable = 0 if self._known else max(0, self._stained - JOURNAL_BYTES_MAX)
        while at < len(data):
            payload, end = self._frame(data, at)
            if payload is None:
                # One that was changed costs no other: the hashes tell where the next one begins.
                end = data.find(_MAGIC, at + 1)
                end = len(data) if end < 0 else end
                unreadable += len(data[at:end].strip(b"\0"))
            else:
                payloads.append(payload)
            at = end
        return payloads, unreadable

    def _frame(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        """The payload of the frame that begins there, and where it ends; None where none does."""
        head = data[at : at + _HEAD_BYTES].ljust(_HEAD_BYTES, b"\0")
        end = at + _HEAD_BYTES + int.from_bytes(head[4:8], "big")
        # The last one may end with zeros, which were taken off.
        kept = data[at + _HEAD_BYTES : end].ljust(min(end - at - _HEAD_BYTES, JOURNAL_BYTES_MAX), b"\0")
        id, hash = head[8 : 8 + _ID_BYTES], head[8 + _ID_BYTES :]
        if not head.startswith(_MAGIC) or self._hash(id, kept) != hash:
            return None, at
        try:
            return self._codec.unseal(kept, _place(id)), end
        except Damaged:
            return None, at

    def clear(self) -> None:
        """Overwrite all that is in it. Raises OSError."""
        if self._stained > JOURNAL_BYTES_MAX:  # none of ours
            os.ftruncate(self._file, JOURNAL_BYTES_MAX)
            self._stained = JOURNAL_BYTES_MAX
        if self._stained:
            self._write(bytes(self._stained), 0)
        self._used = self._stained = 0
        self._known = True

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _new_id(self) -> bytes:
        if not self._ids:
            drawn = os.urandom(_ID_BYTES * _IDS_AT_ONCE)  # a call lets go of the interpreter's lock
            self._ids = [drawn[at : at + _ID_BYTES] for at in range(0, len(drawn), _ID_BYTES)]
        return self._ids.pop()

    def _write(self, data: bytes, at: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, at)
            view, at = view[written:], at + written

    def _hash(self, id: bytes, kept: bytes) -> bytes:
        state = blake2b(id, digest_size=_HASH_BYTES, key=self.key, person=b"guardrail.jrnl")
        state.update(kept)
        return state.digest()


def lies_at(path: Path, inode: int) -> bool:
    """Whether that file is the one at that path: it may have been moved, or another put in its place."""
    try:
        return os.stat(path).st_ino == inode
    except FileNotFoundError:
        return False


def first_frame(store: Path) -> bytes | None:
    """The head of the first frame in the journal of the store at that path, whole or damaged; None where that is
    empty. It changes when all that was there has come into the tables. Raises OSError."""
    try:
        file = _open(journal_path(store), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        data = os.pread(file, JOURNAL_BYTES_MAX, 0)
    finally:
        os.close(file)
    return data[:_HEAD_BYTES] if data.count(0) < len(data) else None


def _open(path: Path, flags: int) -> int:
    """Nothing but a file of its own: through a link another would be overwritten, and a pipe might never answer."""
    try:
        file = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, _MODE)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    else:
        if stat.S_ISREG(os.fstat(file).st_mode):
            return file
        os.close(file)
    raise OSError(errno.EINVAL, "it is no plain file; move it away", str(path))


def _keep_entry(folder: Path) -> None:
    """A new file may be lost with all that is in it while its folder's entry is not on the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _place(id: bytes) -> bytes:
    return b"journal " + id
