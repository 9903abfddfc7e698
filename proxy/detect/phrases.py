"""Words and phrases: one Aho-Corasick automaton for the lists of all rules.

A scan costs the same for ten phrases and for ten thousand. What it holds back is exact: the longest end of
the text that some phrase begins with, and a match whose next character is still unknown. Two more looks, see
`disguise`, run only where there is something for them to see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.detect import disguise
from proxy.detect.automaton import Word, automaton, word_of
from proxy.detect.base import HELD_CHARS_MAX, Context, InlineScan, Progress
from proxy.detect.normalise import Reader, View, skeleton
from proxy.detect.words import beginnings, begun, joins
from proxy.errors import GuardrailError
from proxy.model.finding import Match

PHRASE_CHARS_MAX: Final = 1000
"""A longer phrase is no phrase: whole documents are not matched word for word."""
APART_CHARS_MAX: Final = 8192  # in a longer text letters that stand apart are put together by slices


class PhraseError(GuardrailError):
    """A phrase that cannot be looked for."""


@dataclass(frozen=True, slots=True)
class PhraseEntry:
    """One rule's phrases. With `whole_word` a phrase counts only where no word runs on beside it."""

    rule: int
    phrases: tuple[str, ...]
    whole_word: bool = True


def check_phrase(phrase: str, view: View | None = None) -> None:
    """Raises PhraseError where nothing of the phrase is left to look for, or it is too long. Who checks many
    hands in the skeleton view, which takes a while to make."""
    shown = (view or skeleton()).of(phrase).strip()
    if not shown:
        raise PhraseError("the phrase has no visible character")
    if (size := len(shown)) > PHRASE_CHARS_MAX:
        raise PhraseError(f"the phrase has {size} characters; at most {PHRASE_CHARS_MAX} are looked for")


class PhraseBank:
    """The phrases of many rules. Raises PhraseError as `check_phrase` does."""

    detector = "phrases"
    reads_context = False

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
        self.every = automaton({word: word_of(word, *rules) for word, rules in words.items()})
        # Where a phrase may begin in the midst of a word: those taken anywhere, and those of scripts without
        # spaces.
        inside = [word for word, (_, loose) in words.items() if loose or not joins(word[0])]
        self.inside = automaton(dict.fromkeys(inside, _NONE))
        self.first = frozenset(word[0] for word in words)
        self.first_inside = frozenset(word[0] for word in inside)
        self.longest = max(map(len, words), default=0)
        self._disguised(words)
        self.anywhere = disguise.anywhere(words)
        self.begins = beginnings(self.first, self.first_inside)

    def _disguised(self, words: Mapping[str, tuple[set[int], set[int]]]) -> None:
        """The automata of the other looks."""
        leet: dict[str, Word] = {}  # of two phrases that differ in i and l alone, the first
        apart: dict[str, tuple[set[int], set[int]]] = {}
        for word, (whole, loose) in words.items():
            if disguise.may_be_leet(word):
                leet.setdefault(word.translate(disguise.LEET), word_of(word, whole, loose, word))
            letters = disguise.compact(word)
            if letters is not None:
                both = apart.setdefault(letters, (set(), set()))
                both[0].update(whole)
                both[1].update(loose)
        inside = {shown: word for shown, word in leet.items() if word.loose or not joins(shown[0])}
        self.leet, self.leet_inside = automaton(leet), automaton(inside)
        self.apart = automaton({letters: word_of(letters, *rules) for letters, rules in apart.items()})
        self.first_apart = frozenset(letters[0] for letters in apart)
        signs = [(chr(sign), letter) for sign, letter in disguise.LEET.items() if chr(sign) != "l"]
        begin, begin_inside = {shown[0] for shown in leet}, {shown[0] for shown in inside}
        self.first |= {sign for sign, letter in signs if letter in begin}
        self.first_inside |= {sign for sign, letter in signs if letter in begin_inside}

    def open(self, context: Context) -> _PhraseScan:
        return _PhraseScan(self)

    def glance(self, text: str, /) -> Iterable[bool]:
        """See `Glancing`: no phrase is written out but within a longer word, and nothing may be one in disguise."""
        return (self._nothing_in(text),)

    def _nothing_in(self, text: str) -> bool:
        if not self.longest or not text.isascii():
            return not self.longest
        subject = text.encode()
        if self.anywhere is not None and self.anywhere.at(subject) == len(subject):
            return True
        reader = Reader(self.view)
        shown = reader.push(text)
        if not reader.in_step:
            return False
        for at, word in self.every.iter(shown, 0):
            if word.loose or not _within_a_word(shown, at + 1 - word.length, at + 1):
                return False
        mixed, apart = disguise.may_hide(shown.encode())
        if self.leet and mixed and any(True for _ in self.leet.iter(shown.translate(disguise.LEET), 0)):
            return False
        if not (apart and self.apart) or len(shown) > APART_CHARS_MAX:
            return not (apart and self.apart)
        runs = disguise.runs(reader, final=True)
        return not any(True for run in runs for _ in self.apart.iter(run.text, 0))


def _within_a_word(text: str, start: int, end: int) -> bool:
    """Whether a word runs on at either end of that range."""
    if start > 0 and joins(text[start - 1]) and joins(text[start]):
        return True
    return end < len(text) and joins(text[end]) and joins(text[end - 1])


_NONE: Final = Word(0, (), ())
_PARTS_OF_ONE: Final = re.compile("[\u1160-\u11ff\u3099\u309a]")  # jamo and voicing marks that end a syllable


class _PhraseScan(InlineScan):
    """One text. Offsets are those of the skeleton until a match is reported."""

    __slots__ = (
        "_apart_open",
        "_bank",
        "_covered",
        "_found",
        "_hold",
        "_longest",
        "_open",
        "_pending",
        "_reader",
    )

    def __init__(self, bank: PhraseBank) -> None:
        self._reader = Reader(bank.view)
        self._bank = bank
        self._apart_open = False  # whether letters set apart may go on into a phrase
        self._hold = 0  # where the last answer's safe part ended
        self._longest = bank.longest
        self._open: list[int] = []  # where a phrase may have begun that is not complete
        self._pending: list[tuple[int, int, Word]] = []  # complete, but what follows is not known
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
            for at, word in self._bank.every.iter(reader.text, first - reader.base):
                end = reader.base + at + 1
                if end > old:
                    self._pending.append((end - word.length, end, word))
            if self._bank.leet and disguise.MIXED.search(reader.text, first - reader.base):
                self._find_leet(old, first - reader.base)
            if not final:
                self._find_open(old, shown)
        if self._pending:
            self._judge_pending(final)
        hold = reader.end
        if final:
            self._open.clear()
        elif self._open or self._pending:
            hold = min([*self._open[:1], *(start for start, _, _ in self._pending)])
        near = old - reader.base - disguise.NEAR_CHARS
        if near < 0 or self._apart_open or disguise.ALONE.search(reader.text, near):
            hold = min(hold, self._find_apart(old, final))
        matches = self._report(hold, final) if self._found else ()
        safe_upto = reader.length if hold == reader.end else reader.raw_start(hold)
        reader.let_go(hold - disguise.CONTEXT_CHARS)
        self._hold = hold
        return Progress(matches, safe_upto)

    def _find_leet(self, old: int, first: int) -> None:
        """Phrases that are complete now, with signs in place of some letters."""
        text, base = self._reader.text, self._reader.base
        for at, word in self._bank.leet.iter(text.translate(disguise.LEET), first):
            start, end = at + 1 - word.length, at + 1
            if base + end > old and disguise.written_as(text[start:end], word.leet):
                self._pending.append((base + start, base + end, word))

    def _find_apart(self, old: int, final: bool) -> int:
        """Take note of phrases whose letters stand apart; gives where one may have begun, else the end."""
        reader, bank = self._reader, self._bank
        hold = reader.end
        if not self._apart_open and not disguise.two_alone(reader.text, old - reader.base):
            at = None if final else disguise.one_alone(reader.text)
            if at is None:
                return hold
            if at >= 0 and reader.in_step and reader.text[at].isalpha():  # the most of them, in prose
                return reader.base + at if reader.text[at] in bank.first_apart else hold
        for run in disguise.runs(reader, final=final):
            length = len(run.text)
            for at, word in bank.apart.iter(run.text, 0):
                first = at + 1 - word.length
                start = run.at[first]
                if start < self._hold or not run.fits(first, at, reader):
                    continue
                stops = run.stops(at + 1)
                if stops is None:
                    hold = min(hold, start)
                    continue
                rules = word.loose + (word.whole if stops and run.begins(first) else ())
                self._found.extend((start, -run.at[at] - 1, rule) for rule in rules)
            for first in range(length if run.open else 0):
                start = run.at[first]
                if hold <= start:
                    break
                fits = start >= self._hold and run.fits(first, length - 1, reader)
                if fits and bank.apart.match(run.text[first:]):
                    hold = start
        self._apart_open = hold < reader.end
        return hold

    def _find_open(self, old: int, shown: str) -> None:
        """Keep the places whose text, up to now, some phrase begins with; those of the new text included."""
        reader, text, base = self._reader, self._reader.text, self._reader.base
        limit = reader.length - HELD_CHARS_MAX
        still = [start for start in self._open if self._may_begin(start)]
        at = old + max(0, len(shown) - self._longest) - base
        if text.isascii():
            starts: Iterable[int] = (one.start() for one in self._bank.begins.finditer(text, at))
        else:
            starts = begun(text, at, self._bank.first, self._bank.first_inside)
        # Most phrases begin with a word; few at any letter.
        still += [base + start for start in starts if self._may_begin(base + start)]
        if still and not reader.in_step:
            still = [start for start in still if reader.raw_start(start) >= limit]
        self._open = still

    def _may_begin(self, start: int) -> bool:
        """Whether some phrase begins with the text from there on."""
        bank, inside = self._bank, self._in_word(start)
        begun = self._reader.text[start - self._reader.base :]
        if (bank.inside if inside else bank.every).match(begun):
            return True
        if not bank.leet or not disguise.SIGN.search(begun):
            return False
        return (bank.leet_inside if inside else bank.leet).match(begun.translate(disguise.LEET))

    def _in_word(self, start: int, *, sign: bool = False) -> bool:
        """Whether a word runs on there; with `sign` the character counts as the letter that it stands for."""
        at = start - self._reader.base
        return at > 0 and joins(self._reader.text[at - 1]) and (sign or joins(self._reader.text[at]))

    def _judge_pending(self, final: bool) -> None:
        reader, text, base = self._reader, self._reader.text, self._reader.base
        waiting: list[tuple[int, int, Word]] = []
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
            if follows and _PARTS_OF_ONE.match(text[end - base]):
                continue  # what was found ends in the midst of a syllable
            sign = bool(word.leet)
            runs_on = follows and joins(text[end - base]) and (sign or joins(text[end - 1 - base]))
            if word.whole and not runs_on and not self._in_word(start, sign=sign):
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
