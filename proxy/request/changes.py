"""What becomes of a text: what stands in place of what, in order and never overlapping.

Redactions put a placeholder in place of a finding. With pseudonyms, a text of a request gets them in place of
values, and a text of the reply leads back from them to the values; what is restored was judged before: rules
see the pseudonym. Offsets of findings count in the judged text, those of changes in the text as the wire
carries it; where that is JSON, changes keep it valid.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import deque
from dataclasses import replace
from typing import Final

from proxy.model.finding import Finding
from proxy.model.text import Edit, Replacement
from proxy.policy.pseudonym import Pseudonyms
from proxy.policy.redact import covers, placeholder, stand_in
from proxy.wire.json_text import JsonText

_HEAD_CHARS: Final = 64
_JSON_HEAD: Final = re.compile(r'\s*(?:```\w*\s+)?(?:\{\s*["}]|\[\s*[\["{\d-])')
"""How an answer begins that its reader will parse as JSON. ("[see](…)" is prose.)"""


class Changes:
    """The changes of one growing text. One reaches back at most over text that nobody has read yet."""

    __slots__ = (
        "_changes", "_covered", "_head", "_json", "_pseudonyms", "_restorable", "_restored", "_restorer",
        "_to_change", "_whole", "redacted",
    )  # fmt: skip

    def __init__(self, json: JsonText | None, pseudonyms: Pseudonyms | None, *, restore: bool) -> None:
        self.redacted = False
        self._json = json
        self._changes: list[Replacement] = []
        self._covered = 0  # the end of the last change, in judged characters
        self._pseudonyms = pseudonyms
        # A request's text is changed as a whole, once all of it was judged: what gets a pseudonym is not known
        # before all that overlaps it is.
        self._whole: list[str] | None = [] if pseudonyms is not None and not restore else None
        self._to_change: list[Finding] = []  # in judged characters
        self._restorer = pseudonyms.restorer() if pseudonyms and restore else None
        # In judged characters; waiting for the rules.
        self._restored: deque[Replacement] | None = deque() if self._restorer is not None else None
        self._restorable = 0  # before this no other pseudonym can begin
        self._head = ""  # how the text begins, where values are restored

    @property
    def restores(self) -> bool:
        """Whether values may come back in this text."""
        return self._restorer is not None

    def read(self, piece: str, *, final: bool) -> None:
        """The next judged characters."""
        if self._restorer is not None and self._restored is not None:
            found, self._restorable = self._restorer.feed(piece, final=final)
            self._restored.extend(found)
            if len(self._head) < _HEAD_CHARS:
                self._head += piece[: _HEAD_CHARS - len(self._head)]
        if self._whole is not None:
            self._whole.append(piece)

    def before(self, start: int) -> None:
        """A finding that acts begins there, in judged characters: what it reaches into is not restored."""
        self._restore(start, reached=True)

    def found(self, finding: Finding, start: int, end: int) -> None:
        """A finding that is to be redacted or to get a pseudonym, in judged characters."""
        if self._whole is not None:
            self._to_change.append(replace(finding, start=start, end=end))
        else:
            self._redact(start, end, placeholder(finding.label))

    def settle(self, settled: int) -> int:
        """The rules are settled so far, in judged characters; how far the text is so with its changes."""
        if self._restored is None:
            return settled
        self._restore(settled)
        return min(settled, self._restorable, *(change.start for change in self._restored))

    def finish(self) -> None:
        """All of the text was judged."""
        text = "".join(self._whole or ())
        for cover in covers(self._to_change):
            value = stand_in(cover, text, self._pseudonyms)
            changes = self._replaced(cover.start, cover.end, value)
            if len(changes) > 1:  # over several values of a JSON text: nothing could lead back
                changes = self._replaced(cover.start, cover.end, placeholder(cover.label))
            self._changes.extend(changes)
        self._to_change.clear()

    def cover(self, start: int, end: int, text: str, *, across: bool = False) -> None:
        """Have [start, end) of a text that is no JSON redacted. With what it overlaps it becomes one change, with
        the text of the one that begins first, whichever was found first: of two that begin here, the one that lies
        across this text's ends, and rather across its beginning (its text stands before)."""
        self.redacted = True
        self._covered = max(self._covered, end)
        behind: list[Replacement] = []
        while self._changes and self._changes[-1].end > start:
            last = self._changes.pop()
            if last.start >= end:
                behind.append(last)
                continue
            if last.start < start or (last.start == start and (not across or not last.text)):
                start, text = last.start, last.text
            end = max(end, last.end)
        self._changes.append(Replacement(start, end, text))
        self._changes.extend(reversed(behind))

    def edit(self, start: int, end: int) -> Edit | None:
        """What becomes of characters [start, end), relative to `start`; None where they stay as they are.

        A change stands in the range where it begins; of one that began before only the removal is left.
        """
        changes = self._changes
        if not changes:
            return None
        at = max(0, bisect_right(changes, start, key=lambda change: change.start) - 1)
        out: list[Replacement] = []
        while at < len(changes) and changes[at].start < end:
            change = changes[at]
            at += 1
            if change.end <= start:
                continue
            text = change.text if change.start >= start else ""
            out.append(Replacement(max(change.start, start) - start, min(change.end, end) - start, text))
        return Edit(tuple(out)) if out else None

    def applied(self, text: str) -> str:
        """The beginning of the text with what becomes of it."""
        out: list[str] = []
        at = 0
        for change in self._changes:
            if change.start >= len(text):
                break
            out += (text[at : change.start], change.text)
            at = change.end
        return "".join((*out, text[at:])) if out else text

    def edit_before(self, start: int, end: int, at: int) -> Edit:
        """As `edit`, with everything from `at` on taken away."""
        cut = min(max(at, start), end)
        before = self.edit(start, cut)
        kept = before.replacements if before is not None else ()
        return Edit((*kept, Replacement(cut - start, end - start, ""))) if cut < end else Edit(kept)

    def _restore(self, upto: int, *, reached: bool = False) -> None:
        """Restore what ends before `upto` in judged characters: every finding that acts there is known. Where one
        begins at `upto` (`reached`), what it reaches into stays as it is."""
        restored = self._restored
        while restored and restored[0].start < upto and (reached or restored[0].end <= upto):
            change = restored.popleft()
            if change.start >= self._covered and change.end <= upto:
                text = change.text
                # A pseudonym within the head is itself no part of how JSON begins, so a cut changes nothing.
                if self._json is None and _JSON_HEAD.match(self._head[: change.start]):
                    text = _inside_string(text)
                self._changes.extend(self._replaced(change.start, change.end, text))
                self._covered = change.end

    def _replaced(self, start: int, end: int, text: str) -> tuple[Replacement, ...]:
        if self._json is None:
            return (Replacement(start, end, text),)
        last = self._changes[-1].end if self._changes else 0
        return tuple(change for change in self._json.replacements(start, end, text) if change.end > last)

    def _redact(self, start: int, end: int, text: str) -> None:
        if self._json is None:
            self.cover(start, end, text)
        elif end > self._covered:
            self.redacted = True
            self._changes.extend(self._replaced(max(start, self._covered), end, text))
            self._covered = end


def _inside_string(value: str) -> str:
    """The value as it stands inside a JSON string; unchanged where it was taken from one."""
    if '\\"' in value:
        try:
            json.loads(f'"{value}"')
        except ValueError:
            pass
        else:
            return value
    return json.dumps(value, ensure_ascii=False)[1:-1]
