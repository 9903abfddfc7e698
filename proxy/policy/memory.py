"""What banks found in whole texts, so that a text which comes again is not read again.

The messages of a conversation recur in every turn. Remembered is what a bank said, before any rule's level,
mode or action; never what a failing one said. An entry belongs to the very bank (and so to its entries, and
to one direction), and for a bank that reads its context to that as well: a policy that takes a bank over from
the one before takes over what it knows, and a changed bank knows nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import count
from typing import Final
from weakref import ref

from proxy.detect.base import Bank, Context, InlineScan, Progress
from proxy.model.finding import Match

MEMORY_BYTES_MAX: Final = 32 << 20
"""What one memory may hold, as it is reckoned here; past it the entries longest unused are forgotten."""

ENTRY_BYTES: Final = 400
MATCH_BYTES: Final = 160
"""What an entry, and every match and score in it, is reckoned to take."""

REMEMBERED_CHARS_MIN: Final = 48
"""Shorter texts are judged anew: that costs about as much as remembering them."""


@dataclass(frozen=True, slots=True)
class Known:
    """All that a bank said of one text."""

    matches: tuple[Match, ...]
    scores: Mapping[str, float]

    @property
    def bytes(self) -> int:
        return ENTRY_BYTES + MATCH_BYTES * (len(self.matches) + len(self.scores))


NOTHING: Final = Known((), {})
"""What most banks say of most texts: one object for all, since the garbage collector walks each that there is."""


class Memory:
    """What is known of texts, bounded in bytes. For one thread."""

    def __init__(self, bytes_max: int = MEMORY_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self.numbers: dict[int, tuple[bytes, ref[Bank]]] = {}  # by the bank's id, while there is such a bank
        self._next = count()
        self.bytes = 0

    def of(self, text: str, *, unescaped: bool) -> Recall | None:
        """What is known of this text; None for one too short to be remembered. `unescaped`: its escapes are
        undone before it is judged."""
        return Recall(self, text, unescaped) if len(text) >= REMEMBERED_CHARS_MIN else None

    def quiet(self, banks: Sequence[Bank]) -> Quiet | None:
        """The texts of which none of these banks said anything; None where one of them reads more than a text."""
        if any(bank.reads_context for bank in banks):
            return None
        return Quiet(self, tuple(map(self.number, banks)))

    def number(self, bank: Bank) -> bytes:
        """The bank's own, never given to another."""
        known = self.numbers.get(id(bank))
        if known is None:
            number = next(self._next).to_bytes(8, "big")
            known = self.numbers[id(bank)] = (number, ref(bank, partial(_forget, self.numbers, id(bank))))
        return known[0]

    def get(self, key: bytes) -> Known | None:
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
        return known

    def put(self, key: bytes, known: Known) -> bool:
        """Whether it is remembered from now on."""
        size = known.bytes
        if size > self._bytes_max // 16 or key in self._known:
            return False  # a text made of findings must not drive out all others
        self._known[key] = known
        self.bytes += size
        while self.bytes > self._bytes_max:
            _, oldest = self._known.popitem(last=False)
            self.bytes -= oldest.bytes
        return True


class Quiet:
    """Whole texts of which none of some banks said anything: one look where there would be one for each bank, and
    nothing to be opened, fed and settled. Most of a long conversation is such texts."""

    __slots__ = ("_all", "_banks", "_memory")

    def __init__(self, memory: Memory, banks: tuple[bytes, ...]) -> None:
        self._memory = memory
        self._banks = banks
        self._all = blake2b(b"".join(banks), digest_size=16, person=b"quiet").digest()

    def holds(self, recall: Recall) -> bool:
        """Whether it is known that nothing is said of this text."""
        return not recall.new and self._memory.get(self._all + recall.digest) is not None

    def add(self, recall: Recall) -> None:
        """None of them says anything of this text."""
        recall.new = False
        self._memory.put(recall.digest, NOTHING)
        self._memory.put(self._all + recall.digest, NOTHING)

    def note(self, recall: Recall) -> None:
        """The text was judged. It is one of these if all of them said nothing: a verdict without findings is not
        enough, since what a bank said for a rule that is not active for this model is none of its findings."""
        if all(self._memory.get(bank + recall.digest) is NOTHING for bank in self._banks):
            self.add(recall)


class Recall:
    """One whole text before the memory."""

    __slots__ = ("_context", "_memory", "digest", "new")

    def __init__(self, memory: Memory, text: str, unescaped: bool) -> None:
        self._memory = memory
        self.digest = _digest(text, unescaped)
        self.new = memory.get(self.digest) is None  # nothing is known of it: no use to ask for each bank
        self._context: bytes | None = None

    def known(self, bank: Bank, context: Context) -> Known | None:
        """What the bank said of this text; None where it is not known."""
        return None if self.new else self._memory.get(self._key(bank, context))

    def keep(
        self, bank: Bank, context: Context, matches: Sequence[Match], scores: Mapping[str, float]
    ) -> Known:
        """Remember what the bank said, once all of it is said."""
        known = Known(tuple(matches), dict(scores)) if matches or scores else NOTHING
        if self._memory.put(self._key(bank, context), known) and self.new:
            self.new = False
            self._memory.put(self.digest, NOTHING)
        return known

    def _key(self, bank: Bank, context: Context) -> bytes:
        key = self._memory.number(bank) + self.digest
        return key + self._of_context(context) if bank.reads_context else key

    def _of_context(self, context: Context) -> bytes:
        if self._context is None:
            out = blake2b(f"{context.messages} {context.characters}".encode(), digest_size=16)
            for prompt in context.prompts:
                data = prompt.encode("utf-8", "surrogatepass")
                out.update(len(data).to_bytes(8, "big"))
                out.update(data)
            self._context = out.digest()
        return self._context


class Recalled(InlineScan):
    """Says of a text what was said before."""

    __slots__ = ("_known", "_length", "_next")

    def __init__(self, known: Known) -> None:
        self._known = known
        self._length = 0
        self._next = 0

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        self._length += len(piece)
        matches = self._known.matches
        safe = self._length
        told = at = self._next
        while at < len(matches) and matches[at].start < safe:
            if matches[at].end > self._length:
                safe = matches[at].start
                break
            at += 1
        self._next = at
        return Progress(matches[told:at], safe)

    @property
    def scores(self) -> Mapping[str, float]:
        return self._known.scores


def _forget(numbers: dict[int, tuple[bytes, ref[Bank]]], id: int, _: object) -> None:
    """Before another bank can have that id."""
    numbers.pop(id, None)


def _digest(text: str, unescaped: bool) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=16, person=b"json" if unescaped else b"text").digest()
