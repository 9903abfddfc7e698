"""Words and phrases: one Aho-Corasick automaton for the lists of all rules.

A scan costs the same for ten phrases and for ten thousand. What it holds back is exact: the longest end of
the text that some phrase begins with, and a match whose next character is still unknown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

import ahocorasick

from proxy.detect.base import HELD_CHARS_MAX, Progress
from proxy.detect.normalise import Reader, skeleton
from proxy.errors import GuardrailError
from proxy.model.finding import Match

PHRASE_CHARS_MAX: Final = 1000
"""A longer phrase is no phrase: whole documents are not matched word for word."""

# Scripts that do not part words with spaces: a phrase may stand anywhere in them.
_RUN_TOGETHER: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x31FF),  # Han radicals, kana, bopomofo
    (0x3400, 0x9FFF),  # Han
    (0xA000, 0xA4CF),  # Yi
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


class PhraseError(GuardrailError):
    """A phrase that cannot be looked for."""


@dataclass(frozen=True, slots=True)
class PhraseEntry:
    """One rule's phrases. With `whole_word` a phrase counts only where no word runs on beside it."""

    rule: int
    phrases: tuple[str, ...]
    whole_word: bool = True


class _Automaton(Protocol):
    def add_word(self, word: str, value: object) -> bool: ...
    def make_automaton(self) -> None: ...
    def match(self, text: str) -> bool: ...
    def iter(self, text: str, start: int) -> Iterator[tuple[int, _Word]]: ...


@dataclass(frozen=True, slots=True)
class _Word:
    """What stands at a phrase's end in the automaton: its length and whose it is."""

    length: int
    whole: tuple[int, ...]  # rules that want it as a whole word
    loose: tuple[int, ...]  # rules that take it anywhere


def check_phrase(phrase: str) -> None:
    """Raises PhraseError where nothing of the phrase is left to look for, or it is too long."""
    shown = skeleton().of(phrase).strip()
    if not shown:
        raise PhraseError("the phrase has no visible character")
    if len(shown) > PHRASE_CHARS_MAX:
        raise PhraseError(
            f"the phrase has {len(shown)} characters; at most {PHRASE_CHARS_MAX} are looked for"
        )


class PhraseBank:
    """The phrases of many rules. Raises PhraseError as `check_phrase` does."""

    detector = "phrases"

    def __init__(self, entries: Sequence[PhraseEntry]) -> None:
        self.rules = frozenset(entry.rule for entry in entries)
        self.view = skeleton()
        words: dict[str, tuple[set[int], set[int]]] = {}
        for entry in entries:
            for phrase in entry.phrases:
                shown = self.view.of(phrase).strip()
                if not 0 < len(shown) <= PHRASE_CHARS_MAX:
                    check_phrase(phrase)
                whole, loose = words.setdefault(shown, (set(), set()))
                (whole if entry.whole_word else loose).add(entry.rule)
        self.every = _automaton({word: _word(word, *rules) for word, rules in words.items()})
        # Where a phrase may begin in the midst of a word: those taken anywhere, and those of scripts without
        # spaces.
        inside = [word for word, (_, loose) in words.items() if loose or not _joins(word[0])]
        self.inside = _automaton(dict.fromkeys(inside, _NONE))
        self.first = frozenset(word[0] for word in words)
        self.first_inside = frozenset(word[0] for word in inside)
        self.longest = max(map(len, words), default=0)

    def open(self) -> _PhraseScan:
        return _PhraseScan(self)


_NONE: Final = _Word(0, (), ())


def _word(word: str, whole: set[int], loose: set[int]) -> _Word:
    return _Word(len(word), tuple(sorted(whole - loose)), tuple(sorted(loose)))


def _automaton(words: Mapping[str, _Word]) -> _Automaton:
    automaton = cast(_Automaton, ahocorasick.Automaton())
    for word, value in words.items():
        automaton.add_word(word, value)
    automaton.make_automaton()
    return automaton


def _joins(char: str) -> bool:
    """Whether the character makes one word with a like one beside it."""
    if char.isascii():
        return char.isalnum()
    if not (char.isalnum() or unicodedata.category(char).startswith("M")):
        return False
    code = ord(char)
    return not any(first <= code <= last for first, last in _RUN_TOGETHER)


class _PhraseScan:
    """One text. Offsets are those of the skeleton until a match is reported."""

    __slots__ = (
        "_all",
        "_covered",
        "_first",
        "_first_inside",
        "_found",
        "_inside",
        "_longest",
        "_open",
        "_pending",
        "_reader",
    )

    def __init__(self, bank: PhraseBank) -> None:
        self._reader = Reader(bank.view)
        self._all = bank.every
        self._inside = bank.inside
        self._first = bank.first
        self._first_inside = bank.first_inside
        self._longest = bank.longest
        self._open: list[int] = []  # where a phrase may have begun that is not complete
        self._pending: list[tuple[int, int, _Word]] = []  # complete, but what follows is not known
        self._found: list[
            tuple[int, int, int]
        ] = []  # start, -end, rule: certain, but something before is open
        self._covered: dict[int, int] = {}  # rule → how far its reported matches reach

    @property
    def scores(self) -> Mapping[str, float]:
        return {}

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        reader = self._reader
        if not self._longest:
            reader.length += len(piece)
            return Progress((), reader.length)
        old = reader.end
        shown = reader.push(piece)
        if shown:
            # Again from the earliest place where a phrase may have begun. (An iterator's `set` would go on with
            # more text, but corrupts memory where some of it is astral: WojciechMula/pyahocorasick#221.)
            first = min([old, *self._open[:1]])
            for at, word in self._all.iter(reader.text, first - reader.base):
                end = reader.base + at + 1
                if end > old:
                    self._pending.append((end - word.length, end, word))
            self._find_open(old, shown)
        if self._pending:
            self._judge_pending(final)
        hold = reader.end
        if not final:
            if self._open:
                hold = self._open[0]
            for start, _, _ in self._pending:
                hold = min(hold, start)
        else:
            self._open.clear()
        matches = self._report(hold, final) if self._found else ()
        safe_upto = reader.length if hold == reader.end else reader.raw_start(hold)
        reader.let_go(hold - 1)
        return Progress(matches, safe_upto)

    def _find_open(self, old: int, shown: str) -> None:
        """Keep the places whose text, up to now, some phrase begins with; those of the new text included."""
        reader, text, base = self._reader, self._reader.text, self._reader.base
        limit = reader.length - HELD_CHARS_MAX
        still = [start for start in self._open if self._may_begin(start)]
        first, inside, skip = self._first, self._first_inside, max(0, len(shown) - self._longest)
        at = old + skip - base
        joined = at > 0 and _joins(text[at - 1])
        for start, char in enumerate(shown[skip:] if skip else shown, old + skip):
            joins = char.isalnum() if char.isascii() else _joins(char)
            # Most phrases begin with a word; few at any letter.
            if char in (inside if joined and joins else first) and self._may_begin(start):
                still.append(start)
            joined = joins
        if still and not reader.in_step:
            still = [start for start in still if reader.raw_start(start) >= limit]
        self._open = still

    def _may_begin(self, start: int) -> bool:
        """Whether some phrase begins with the text from there on."""
        automaton = self._inside if self._in_word(start) else self._all
        return automaton.match(self._reader.text[start - self._reader.base :])

    def _in_word(self, start: int) -> bool:
        at = start - self._reader.base
        return at > 0 and _joins(self._reader.text[at - 1]) and _joins(self._reader.text[at])

    def _judge_pending(self, final: bool) -> None:
        reader, text, base = self._reader, self._reader.text, self._reader.base
        waiting: list[tuple[int, int, _Word]] = []
        for hit in self._pending:
            start, end, word = hit
            bound = reader.raw_start(start) + HELD_CHARS_MAX
            if reader.raw_start(end - 1) >= bound:
                # spread over more than is ever held: what reaches the bound is judged as if it ended there
                continue
            if not (final or reader.closed(end) or reader.length >= bound):
                waiting.append(hit)
                continue
            rules = word.loose
            follows = end < reader.end and reader.raw_start(end) < bound
            runs_on = follows and _joins(text[end - base]) and _joins(text[end - 1 - base])
            if word.whole and not runs_on and not self._in_word(start):
                rules += word.whole
            self._found.extend((start, -end, rule) for rule in rules)
        self._pending = waiting

    def _report(self, hold: int, final: bool) -> tuple[Match, ...]:
        """The matches that start before `hold`, by start; none that lies within another of its rule."""
        self._found.sort()
        reader = self._reader
        matches: list[Match] = []
        later: list[tuple[int, int, int]] = []
        for found in self._found:
            start, end, rule = found[0], -found[1], found[2]
            if start >= hold and not final:
                later.append(found)
            elif end > self._covered.get(rule, 0):
                self._covered[rule] = end
                first = reader.raw_start(start)
                last = min(reader.raw_end(end), first + HELD_CHARS_MAX)
                matches.append(Match(rule, "phrase", 1.0, first, last))
        self._found = later
        return tuple(matches)
