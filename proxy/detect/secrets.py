"""Credentials: many kinds in one pass, each by its format, its checksum or its context.

One RE2 set says which forms could occur at all; only those are located, and a check (`secret_checks`) has the
last word. What is held is what could still become a match of some form, as for patterns: an open token, not
the word before it. A finding is the secret's value, without the name that it was given to. Where findings of
one rule overlap they become one, under the kind that stands first in `secret_kinds`. A match that reaches its
form's bound (a long key block) is `cut` there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.detect import prefixes
from proxy.detect.base import HELD_CHARS_MAX, Context, InlineScan, Progress
from proxy.detect.escapes import ESCAPE
from proxy.detect.hold import hold_of
from proxy.detect.normalise import Reader, View, latin
from proxy.detect.regexes import AtNeed, Found
from proxy.detect.secret_kinds import FORMS, KINDS, Form
from proxy.detect.sieve import Sieve
from proxy.errors import GuardrailError
from proxy.model.finding import Match

__all__ = ["KINDS", "SecretEntry", "SecretError", "SecretsBank"]

SECRET_CHARS_MIN: Final = 6
"""No match of any form is shorter."""

_CONTEXT_CHARS: Final = 24  # before a match: what its left edge and its name are judged by
_COUNT: Final = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_COUNT_KEPT_MAX: Final = 16
_RANK: Final[Mapping[str, int]] = {kind: rank for rank, kind in enumerate(KINDS)}
# A letter before the value belongs to it unless it ends an escape: JSON's \n, a terminal's colour, a URL's %3D.
_RUNS_ON: Final = re.compile(r"[A-Za-z0-9]\Z")
_GROUP: Final = re.compile(r"(?:\\.|\[(?:\\.|[^\]\\])*\]|\(\?|[^\\\[(])*\((?!\?)", re.DOTALL)
"""Up to the first group, in a pattern that has one."""
_UNDERSCORED: Final = re.compile(r"\[[^\]]*_[^\]]*\]|\\w|\[\^")
_ESCAPE: Final = re.compile(rf"(?:{ESCAPE}|%[0-9A-Fa-f]{{2}})\Z")
_ESCAPE_CHARS_MAX: Final = 12


class SecretError(GuardrailError):
    """A kind that is none of KINDS."""


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """One rule's kinds, of KINDS."""

    rule: int
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Form:
    form: Form
    pattern: AtNeed  # what it searches is ASCII
    group: int
    length: int
    bounded: bool
    underscored: bool
    """Whether `_` may be a letter of the value, and so run on behind it."""


@dataclass(frozen=True, slots=True, order=True)
class _Secret:
    """A value found, in offsets of the Latin view."""

    start: int
    end: int
    rank: int
    score: float
    cut: bool


def loosened(pattern: str) -> str:
    """A pattern that matches wherever the given one does, with its large counts gone: small automata."""

    def loose(count: re.Match[str]) -> str:
        least = int(count[1])
        most = int(count[3]) if count[3] else None if count[2] else least
        if most is not None and most <= _COUNT_KEPT_MAX:
            return count[0]
        return f"{{{least if least <= _COUNT_KEPT_MAX else 4},}}"

    return _COUNT.sub(loose, pattern)


class SecretsBank:
    """The rules about secrets. Raises SecretError where a kind is none of KINDS."""

    detector = "secrets"
    reads_context = False

    def __init__(self, entries: Sequence[SecretEntry]) -> None:
        self.rules = frozenset(entry.rule for entry in entries)
        wanted = frozenset[str]().union(*(entry.kinds for entry in entries))
        for kind in sorted(wanted.difference(KINDS)):
            raise SecretError(f"{kind} is no kind of secret")
        self._view = latin()
        self._forms = tuple(_form(form) for form in FORMS if form.kind in wanted)
        loose = [loosened(one.form.pattern) for one in self._forms]
        self._set = Sieve(loose)
        lengths = [one.length for one in self._forms]
        # Where the value of every form that is open stands in the last word, the words before it are free.
        named = [form.group == 1 and not form.form.spaced for form in self._forms]
        self._hold = hold_of(zip(loose, lengths, strict=True))
        self._hold_whole = hold_of(
            (pattern, length) for pattern, length, late in zip(loose, lengths, named, strict=True) if not late
        )
        self._wanted = tuple(
            (entry.rule, frozenset(_RANK[kind] for kind in entry.kinds)) for entry in entries
        )

    def open(self, context: Context) -> _SecretsScan:
        return _SecretsScan(self._view, self)

    def hold(self, text: str, dead: int) -> tuple[int, int]:
        """Where the first match that is still open begins, and the first value that may be; the text's length
        where nothing is. Nothing is open before `dead`."""
        begun = self._hold.at(text, dead)
        if begun == len(text):
            return begun, begun
        last_word = len(text) if text[-1].isspace() else len(text) - len(text.rsplit(None, 1)[-1])
        if last_word <= begun:  # nearly always, in prose
            return begun, begun
        return begun, max(begun, min(last_word, self._hold_whole.at(text, begun)))

    def hits(self, text: str) -> Sequence[int]:
        """The numbers of the forms that could occur."""
        return self._set.hits(text)

    @property
    def forms(self) -> tuple[_Form, ...]:
        return self._forms

    @property
    def wanted(self) -> tuple[tuple[int, frozenset[int]], ...]:
        """Each rule with the ranks of its kinds."""
        return self._wanted


def _form(form: Form) -> _Form:
    width = prefixes.width(prefixes.parse(form.pattern))
    group = 1 if _GROUP.match(form.pattern) else 0
    underscored = group > 0 or _UNDERSCORED.search(form.pattern) is not None
    pattern = AtNeed(form.pattern)
    return _Form(form, pattern, group, min(width, form.length), width <= form.length, underscored)


class _SecretsScan(InlineScan):
    """One text. Offsets are those of the Latin view until a match is reported."""

    __slots__ = ("_bank", "_decided", "_next", "_reader", "_waiting")

    def __init__(self, view: View, bank: SecretsBank) -> None:
        self._reader = Reader(view)
        self._bank = bank
        self._next: dict[int, int] = {}  # where a form's next match may begin, where it has had one
        self._decided = 0  # every match that begins before here is known
        self._waiting: list[_Secret] = []  # known, but not their whole group, or not their raw end

    @property
    def scores(self) -> Mapping[str, float]:
        return {}

    def feed(self, piece: str, *, final: bool = False) -> Progress:
        reader = self._reader
        reader.push(piece)
        text, base = reader.text, reader.base
        # RE2 counts bytes. No form asks for a character beyond ASCII, so any stands for it, and offsets agree.
        plain = text if text.isascii() else text.encode("ascii", "replace").decode()
        open_at, value_at = (len(text), len(text)) if final else self._bank.hold(plain, self._decided - base)
        hold, safe = base + open_at, base + value_at
        if reader.end - self._decided >= SECRET_CHARS_MIN and (hold > self._decided or final):
            subject = plain.encode()
            for index in self._bank.hits(plain):
                self._waiting.extend(self._find(index, subject, hold - base, final))
        if hold < safe - SECRET_CHARS_MIN:
            safe = min(safe, self._first_open(plain, hold - base))
        self._decided = hold
        matches: list[Match] = []
        if self._waiting:
            self._waiting.sort()
            if not final:
                safe = self._settled(safe)
            ready = [one for one in self._waiting if final or one.start < safe]
            self._waiting = self._waiting[len(ready) :]
            for rule, ranks in self._bank.wanted:
                matches.extend(self._match(rule, one) for one in joined(ready, ranks))
            matches.sort(key=lambda match: (match.start, -match.end, match.rule))
        safe_upto = reader.length if safe >= reader.end else reader.raw_start(safe)
        reader.let_go(min(safe, self._decided) - _CONTEXT_CHARS)
        return Progress(tuple(matches), safe_upto)

    def _settled(self, hold: int) -> int:
        """The start of the first group of overlapping secrets that something may still join, or whose last
        character may still get invisible company; `hold` where there is none."""
        reader = self._reader
        start = end = -1
        for one in self._waiting:
            if one.start >= end:
                if end >= 0 and not reader.closed(end):
                    return min(hold, start)
                start = one.start
            end = max(end, one.end)
            if end > hold:
                return min(hold, start)
        return hold if reader.closed(end) else min(hold, start)

    def _match(self, rule: int, one: _Secret) -> Match:
        first = self._reader.raw_start(one.start)
        last = min(self._reader.raw_end(one.end), first + HELD_CHARS_MAX)
        return Match(rule, KINDS[one.rank], one.score, first, last, one.cut)

    def _find(self, index: int, subject: bytes, hold: int, final: bool) -> Iterator[_Secret]:
        """The secrets of one form whose match begins before `hold`, an offset in the window."""
        pos = max(self._next.get(index, 0), self._decided) - self._reader.base
        for secret, (start, after) in self._walk(self._bank.forms[index], subject, pos, final):
            if start >= hold:
                return
            self._next[index] = self._reader.base + after
            if secret is not None:
                yield secret

    def _walk(
        self, form: _Form, subject: bytes, pos: int, final: bool
    ) -> Iterator[tuple[_Secret | None, tuple[int, int]]]:
        """The matches of a form from `pos` on: the secret, if it is one, where the match begins and where the
        next may."""
        regex = form.pattern.regex
        while pos <= len(subject):
            found = regex.search(subject, pos)
            if found is None:
                return
            start, end = found.span()
            if end - start > form.length:
                found = regex.match(subject, start, start + form.length)
            secret = None
            if found is not None:
                end = found.span()[1]
                bound = not form.bounded and end - start == form.length
                secret = self._judged(form, found, cut=bound and (end < len(subject) or not final))
            # What was no secret may hide the beginning of one.
            pos = start + 1 if secret is None else end
            yield secret, (start, pos)

    def _first_open(self, plain: str, hold: int) -> int:
        """Where the first value stands that a match from `hold` on, an offset in the window, has so far: one form
        may be done with it while another is still open before it."""
        subject, first = plain.encode(), self._reader.end
        for index in self._bank.hits(plain[hold:]):
            for secret, _ in self._walk(self._bank.forms[index], subject, hold, False):
                if secret is not None:
                    first = min(first, secret.start)
                    break
        return first

    def _judged(self, form: _Form, found: Found, *, cut: bool) -> _Secret | None:
        text, base = self._reader.text, self._reader.base
        whole, (start, end) = found.span()[0], found.span(form.group)
        after = text[end : end + 1]
        if not cut and after.isascii() and (after.isalnum() or (after == "_" and form.underscored)):
            return None
        if form.group and after == "(":
            return None  # a call
        if form.group == 0 and text[start].isalnum():
            left = text[max(0, start - _ESCAPE_CHARS_MAX) : start]
            if _RUNS_ON.search(left) and not _ESCAPE.search(left):
                return None
        score = form.form.check(text[max(0, whole - _CONTEXT_CHARS) : start], text[start:end])
        if score <= 0.0:
            return None
        return _Secret(base + start, base + end, _RANK[form.form.kind], score, cut)


def joined(secrets: Iterable[_Secret], ranks: frozenset[int]) -> Iterator[_Secret]:
    """The secrets of those kinds, by start; those that overlap as one, with the first kind's name."""
    before: _Secret | None = None
    for one in secrets:
        if one.rank not in ranks:
            continue
        if before is None:
            before = one
        elif one.start < before.end and one.end - before.start <= HELD_CHARS_MAX:
            name = min(before, one, key=lambda secret: secret.rank)
            before = _Secret(
                before.start, max(before.end, one.end), name.rank, name.score, before.cut or one.cut
            )
        else:
            yield before
            before = one
    if before is not None:
        yield before
