"""The prompt in the reply: runs of so many words of the system's and developer's texts.

A finding is the whole run, from its first word to its last; one of more than RUN_CHARS_MAX characters becomes
several, one behind the other. What is held is exact: the letters with which some run of a prompt begins, at most
one word less than a run. The words may stand in any spacing, and their letters apart or run together.

What the user wrote too is no exception: who can quote the prompt learns nothing from an exemption but that the
guess was right, and who can have it repeated would be exempt from the rule.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.detect.base import HELD_CHARS_MAX, Context, InlineScan, Progress
from proxy.detect.normalise import Reader, skeleton
from proxy.detect.prompt_leak_index import (
    BEGUN_LETTERS,
    PromptIndex,
    Prompts,
    Run,
    Seen,
    Units,
)
from proxy.detect.prompt_leak_known import KnownPrompts
from proxy.model.finding import Match

LABEL: Final = "PROMPT_LEAK"

RUN_CHARS_MAX: Final = HELD_CHARS_MAX // 2 - 64
"""Raw characters of one finding, and of the words that begin one."""

_NEAR_CHARS: Final = HELD_CHARS_MAX - RUN_CHARS_MAX
"""Raw characters from a run's first word within which the next must begin to be of the same finding."""


@dataclass(frozen=True, slots=True)
class PromptLeakEntry:
    """One rule: how many words of a prompt in a row it takes."""

    rule: int
    words: int


class PromptLeakBank:
    """The rules about prompts. Remembers what it made of prompts, since most exchanges share theirs."""

    detector = "prompt_leak"
    reads_context = True

    def __init__(self, entries: Sequence[PromptLeakEntry]) -> None:
        self.rules = frozenset(entry.rule for entry in entries)
        self.view = skeleton()
        self.units = Units()
        self._words = {
            words: tuple(entry.rule for entry in entries if entry.words == words)
            for words in sorted({entry.words for entry in entries})
        }
        self.known = KnownPrompts()

    def read(self, prompts: tuple[str, ...]) -> tuple[PromptIndex, ...]:
        """What `open` needs of prompts: some 0.2 ms for each 1,000 characters, in any thread. Raises
        PromptTooLong."""
        read = Prompts(prompts, self.view, self.units)
        return tuple(PromptIndex(read, words) for words in self._words)

    def open(self, context: Context) -> _PromptLeakScan:
        """Raises PromptTooLong."""
        indexes = self._indexes(context.prompts) if context.prompts else ()
        looks = [
            _Look(index, rules)
            for index, rules in zip(indexes, self._words.values(), strict=bool(indexes))
            if len(index)
        ]
        return _PromptLeakScan(self, looks)

    def _indexes(self, prompts: tuple[str, ...]) -> tuple[PromptIndex, ...]:
        found = self.known.get(prompts)
        if found is None:
            found = self.read(prompts)
            self.known.keep(prompts, found)
        return found


@dataclass(slots=True, eq=False)
class _Look:
    """Runs of one length, looked for in one text. Offsets count its letters."""

    index: PromptIndex
    rules: tuple[int, ...]
    at: int = 0  # what begins before is decided
    run: tuple[int, int] | None = None  # found, and may go on
    dead: int = -1  # where the open word begins, once no run can begin in it


class _PromptLeakScan(InlineScan):
    """One text. Its letters are the units that the view shows, run together."""

    __slots__ = (
        "_begins",
        "_complete",
        "_found",
        "_from",
        "_letters",
        "_looks",
        "_places",
        "_read",
        "_reader",
        "_units",
        "_word",
    )

    def __init__(self, bank: PromptLeakBank, looks: list[_Look]) -> None:
        self._reader = Reader(bank.view)
        self._units = bank.units
        self._looks = looks
        self._letters = ""  # from offset _from on
        self._from = 0
        self._complete = 0  # where the unit begins that may still grow; else where the letters end
        self._begins: list[int] = []  # where each unit begins, among the letters
        self._places: list[int] = []  # and where it is shown
        self._read = 0  # where, of what is shown, complete units end
        self._word = False  # whether a word that no run goes on with may go on there
        self._found: list[tuple[int, int, int]] = []  # start, -end, rule; raw

    @property
    def scores(self) -> Mapping[str, float]:
        return {}

    @property
    def _end(self) -> int:
        return self._from + len(self._letters)

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        reader = self._reader
        if not self._looks:
            reader.length += len(piece)
            return Progress((), reader.length)
        reader.push(piece)
        self._take(final)
        safe = reader.length
        keep = end = self._end
        for look in self._looks:
            self._advance(look, final)
            first = look.at if look.run is None else min(look.at, look.run[0])
            if first < end:
                safe = min(safe, reader.raw_start(self._place(first)))
                keep = min(keep, first)
        self._let_go(keep)
        if not self._found:
            return Progress((), safe)
        self._found.sort()
        ready = [one for one in self._found if final or one[0] < safe]
        self._found = self._found[len(ready) :]
        return Progress(tuple(Match(rule, LABEL, 1.0, start, -end) for start, end, rule in ready), safe)

    def _take(self, final: bool) -> None:
        """Read the units that are shown since, and once more the one that could still grow."""
        reader, units = self._reader, self._units
        if self._complete < self._end:
            del self._begins[bisect_left(self._begins, self._complete) :]
            del self._places[len(self._begins) :]
            self._letters = self._letters[: self._complete - self._from]
        if self._word:
            self._read += units.word_goes_on(reader.text[self._read - reader.base :])
            self._word = self._read == reader.end and not final
        text = reader.text[self._read - reader.base :]
        at = self._complete
        letters: list[str] = []
        begun = self._read
        for start, end in units.of(text):
            if final or reader.closed(begun + end):
                self._complete = at + end - start
            elif self._complete == at:
                self._read = begun + start  # from here on it is read again
            letters.append(text[start:end])
            self._begins.append(at)
            self._places.append(begun + start)
            at += end - start
        self._letters += "".join(letters)
        if self._complete == at:
            self._read = reader.end

    def _advance(self, look: _Look, final: bool) -> None:
        """Find what is complete; leaves `at` where a run may have begun."""
        index, end = look.index, self._end
        if look.dead >= 0:
            self._skip(look, look.dead)
        while look.at < end:
            at = look.at
            begin = at - self._from
            seen = index.look(self._letters[begin : begin + index.longest])
            if isinstance(seen, Run):
                until = at + seen.length
                if until <= self._complete or self._reader.closed(self._place(until - 1) + 1):
                    if self._ends_there(until, seen) and self._spread(at, until) < RUN_CHARS_MAX:
                        self._add(look, at, until)
                        look.at = at + seen.step
                        continue
                elif self._since(at) < RUN_CHARS_MAX:
                    break
            elif seen is Seen.OPEN and not final and self._since(at) < RUN_CHARS_MAX:
                break
            self._skip(look, at)
        run = look.run
        if run is not None:
            far = look.at == end == run[1] and self._since(run[0]) >= _NEAR_CHARS
            if final or look.at > run[1] or far:
                self._tell(look, run)
                look.run = None

    def _skip(self, look: _Look, at: int) -> None:
        """Go on with the first unit behind the one that holds offset `at` with which a run may begin."""
        begins, letters, begun = self._begins, self._letters, look.index.begun
        last = len(letters) - BEGUN_LETTERS
        after = bisect_right(begins, at)
        while after < len(begins):
            begin = begins[after] - self._from
            if letters[begin : begin + BEGUN_LETTERS] in begun or begin > last:
                look.at, look.dead = begins[after], -1
                return
            after += 1
        look.at = self._end
        look.dead = max(at, begins[-1]) if self._complete < self._end else -1

    def _ends_there(self, until: int, run: Run) -> bool:
        """Whether a run's last unit ends where the text's does, or the text's is more than that unit: letters
        of other words with it, run together."""
        last = bisect_right(self._begins, until - 1) - 1
        ends = self._begins[last + 1] if last + 1 < len(self._begins) else self._end
        return ends == until or self._begins[last] < until - run.last

    def _add(self, look: _Look, at: int, until: int) -> None:
        run = look.run
        if run is None:
            look.run = (at, until)
        elif at > run[1] or (at == run[1] and self._since(run[0]) - self._since(at) >= _NEAR_CHARS):
            self._tell(look, run)
            look.run = (at, until)
        elif self._spread(run[0], until) <= RUN_CHARS_MAX:
            look.run = (run[0], max(run[1], until))
        elif until > run[1]:
            self._tell(look, run)
            look.run = (run[1], until)

    def _tell(self, look: _Look, run: tuple[int, int]) -> None:
        start, end = self._reader.raw_start(self._place(run[0])), self._raw_end(run[1])
        self._found.extend((start, -end, rule) for rule in look.rules)

    def _place(self, at: int) -> int:
        """Where the letter at that offset is shown."""
        unit = bisect_right(self._begins, at) - 1
        return self._places[unit] + at - self._begins[unit]

    def _raw_end(self, until: int) -> int:
        return self._reader.raw_end(self._place(until - 1) + 1)

    def _since(self, at: int) -> int:
        """Raw characters from a letter to the text's end so far."""
        return self._reader.length - self._reader.raw_start(self._place(at))

    def _spread(self, at: int, until: int) -> int:
        """Raw characters of a range of letters."""
        return self._raw_end(until) - self._reader.raw_start(self._place(at))

    def _let_go(self, keep: int) -> None:
        """Forget the letters before `keep`."""
        end = self._end
        if keep < end:
            unit = bisect_right(self._begins, keep) - 1
            place = self._place(keep)
            if self._complete < keep:  # in the midst of the open unit: the rest of it counts as one
                self._complete, self._read = keep, place
                for look in self._looks:
                    look.dead = max(look.dead, keep) if look.dead >= 0 else -1
            self._begins[: unit + 1], self._places[: unit + 1] = [keep], [place]
            self._letters = self._letters[keep - self._from :]
            self._from = keep
            self._reader.let_go(place)
            return
        if self._complete < end and self._units.spaced(self._letters[-1]):
            # A word that no run goes on with: however it grows, it is not looked at again.
            self._word = True
            self._complete, self._read = end, self._reader.end
        if self._complete == end:
            self._begins.clear()
            self._places.clear()
            self._letters, self._from = "", end
        self._reader.let_go(self._read)
