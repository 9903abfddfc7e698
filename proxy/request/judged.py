"""One text under judgement, whole or growing: what was found in it, and what becomes of it.

Requests, whole replies and streams all go through this class, so that a text's findings and its delivered
form cannot depend on how it arrived. Offsets count in the text as the wire carries it; where that text is
itself JSON (tool arguments) detectors read it unescaped, and ranges are mapped back.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from proxy.model.finding import Finding
from proxy.model.level import Action
from proxy.model.text import Channel, Edit, Replacement
from proxy.policy.match import Judge, Ruling
from proxy.policy.pseudonym import Pseudonyms
from proxy.policy.redact import covers, placeholder, stand_in
from proxy.wire.json_text import JsonText

REOPENED_CONTEXT_CHARS = 512
"""How much of a text that was judged as ended is read again when it grows after all."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class JudgedText:
    """One text, its judge, and the changes that its findings ask for.

    With `pseudonyms` a text of a request gets them in place of values, and `restore` says that it is a text of
    the reply, where they lead back. What is restored was judged before: rules see the pseudonym.
    """

    def __init__(
        self,
        channel: Channel,
        judge: Callable[[], Judge],
        pseudonyms: Pseudonyms | None = None,
        *,
        restore: bool = False,
    ) -> None:
        self.channel = channel
        self.length = 0  # characters so far, as the wire carries them
        self.settled = 0  # everything that starts before this is known
        self.released = 0  # characters that went to the reader, set by whoever releases
        self.block: Finding | None = None
        self.block_at = 0
        self.errors: set[tuple[str, str]] = set()
        self.scores: dict[str, float] = {}
        self.redacted = False
        self._found: list[Finding] = []
        self._block_end = 0
        self._new_judge = judge
        self._judge: Judge | None = judge()
        self._json = JsonText() if channel.json else None
        self._parts: list[str] = []
        self._changes: list[Replacement] = []
        self._covered = 0  # the end of the last redaction, in judged characters
        self._judged = 0  # judged characters so far
        self._base = 0  # where the present judge's text begins, in judged characters
        self._tail = ""  # the last of the judged text, where that is not the wire's
        self._reread = 0  # findings that end before this were reported by an earlier judge
        self._closed = False
        self._pseudonyms = pseudonyms
        # A request's text is changed as a whole, once all of it was judged: what gets a pseudonym is not known
        # before all that overlaps it is.
        self._whole: list[str] | None = [] if pseudonyms is not None and not restore else None
        self._to_change: list[Finding] = []  # in judged characters
        # Signed text stays as the model wrote it.
        self._restorer = pseudonyms.restorer() if pseudonyms and restore and not channel.sealed else None
        self._restored: deque[Replacement] = deque()  # in judged characters; waiting for the rules

    @property
    def text(self) -> str:
        """The whole text so far."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def findings(self) -> list[Finding]:
        """What was found, by start. A text ends with the finding that blocks it: a stream is read no further, and
        a whole reply is held to the same."""
        if self.block is None:
            return self._found
        return [finding for finding in self._found if finding.end <= self._block_end]

    def read(self, whole: str) -> None:
        """The whole text at once: `grow` and `close` in one pass."""
        if self._json is not None or self.length:
            self.grow(whole)
            self.close()
            return
        self._closed = True
        self._parts.append(whole)
        self.length = len(whole)
        self._feed(whole, final=True)
        self._judge = None

    def grow(self, piece: str) -> None:
        """The text goes on."""
        if self._judge is None:
            self._reopen()
        self._parts.append(piece)
        self.length += len(piece)
        if self._json is not None:
            piece = self._json.feed(piece)
        self._feed(piece, final=False)

    def close(self) -> None:
        """The text is complete: everything about it is settled."""
        if self._closed:
            return
        self._closed = True
        rest = self._json.end() if self._json is not None else ""
        if self._judge is not None:
            self._feed(rest, final=True)
            self._judge = None
        self.settled = self.length

    def pause(self) -> None:
        """Judge the text as if it ended here, though it may go on: nothing of it is held any longer."""
        if self._judge is not None and not self._closed:
            self._feed("", final=True)
            self._judge = None
        self.settled = self.length

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

    def edit_before_block(self, start: int, end: int) -> Edit:
        """As `edit`, with everything from the blocking finding's first character on taken away."""
        cut = min(max(self.block_at, start), end)
        before = self.edit(start, cut)
        kept = before.replacements if before is not None else ()
        return Edit((*kept, Replacement(cut - start, end - start, ""))) if cut < end else Edit(kept)

    def delivered(self) -> str:
        """The text as its reader got it: as far as it was released, with changes, and a block's message."""
        edit = self.edit(0, self.released)
        text = self.text[: self.released]
        if edit is not None:
            text = edit.apply(text)
        return text

    def _feed(self, piece: str, *, final: bool) -> None:
        judge = self._judge
        assert judge is not None
        if not piece.isascii():
            # Detectors want valid Unicode; half a surrogate pair (its other half may come in the next piece)
            # counts as one character that matches nothing.
            piece = _SURROGATE.sub("\ufffd", piece)
        restorable = None
        if self._restorer is not None:
            found, restorable = self._restorer.feed(piece, final=final)
            self._restored.extend(found)
        ruling = judge.feed(piece, final=final)
        self._judged += len(piece)
        if self._json is not None:
            self._tail = (self._tail + piece)[-REOPENED_CONTEXT_CHARS:]
        if self._whole is not None:
            self._whole.append(piece)
        self._take(ruling, judge, restorable)
        if final and self._to_change:
            self._change_all()

    def _take(self, ruling: Ruling, judge: Judge, restorable: int | None = None) -> None:
        for finding in ruling.findings:
            start, end = finding.start + self._base, finding.end + self._base
            if self._reread and end <= self._reread:
                continue
            raw_start, raw_end = self._raw(start), self._raw(end)
            self._found.append(replace(finding, start=raw_start, end=raw_end))
            if not finding.acts:
                continue
            if self._restored:
                self._restore(start, reached=True)
            # What cannot be edited whole is blocked: signed text, and a finding whose beginning has gone out (of a
            # text that was taken to have ended, and went on).
            gone = raw_start < self.released
            if finding.action is Action.BLOCK or self.channel.sealed or gone:
                if self.block is None or raw_start < self.block_at:
                    self.block, self.block_at = finding, max(raw_start, self.released)
                    self._block_end = raw_end
            elif self._whole is not None:
                self._to_change.append(replace(finding, start=start, end=end))
            else:
                self._redact(start, end, placeholder(finding.label))
        for label, score in judge.scores.items():
            if score > self.scores.get(label, 0.0):
                self.scores[label] = score
        if judge.errors:
            self.errors.update(judge.errors)
        settled = ruling.settled + self._base
        if restorable is not None:
            self._restore(settled)
            settled = min(settled, restorable, *(change.start for change in self._restored))
        self.settled = max(self.settled, settled if self._json is None else self._json.raw_settled(settled))

    def _restore(self, upto: int, *, reached: bool = False) -> None:
        """Restore what ends before `upto` in judged characters: every finding that acts there is known. Where one
        begins at `upto` (`reached`), what it reaches into stays as it is."""
        restored = self._restored
        while restored and restored[0].start < upto and (reached or restored[0].end <= upto):
            change = restored.popleft()
            if change.start >= self._covered and change.end <= upto:
                self._changes.extend(self._replaced(change.start, change.end, change.text))
                self._covered = change.end

    def _change_all(self) -> None:
        text = "".join(self._whole or ())
        for cover in covers(self._to_change):
            value = stand_in(cover, text, self._pseudonyms)
            changes = self._replaced(cover.start, cover.end, value)
            if len(changes) > 1:  # over several values of a JSON text: nothing could lead back
                changes = self._replaced(cover.start, cover.end, placeholder(cover.label))
            self._changes.extend(changes)
        self._to_change = []

    def _replaced(self, start: int, end: int, text: str) -> tuple[Replacement, ...]:
        if self._json is None:
            return (Replacement(start, end, text),)
        return tuple(
            change
            for change in self._json.replacements(start, end, text)
            if change.end > self._last_changed()
        )

    def _redact(self, start: int, end: int, text: str) -> None:
        start = max(start, self._reread)
        if end <= self._covered:
            return
        self.redacted = True
        if self._json is not None:
            self._changes.extend(self._replaced(max(start, self._covered), end, text))
        elif start < self._covered:
            last = self._changes[-1]
            self._changes[-1] = Replacement(last.start, end, last.text)
        else:
            self._changes.append(Replacement(max(start, self.released), end, text))
        self._covered = end

    def _last_changed(self) -> int:
        return self._changes[-1].end if self._changes else 0

    def _raw(self, judged: int) -> int:
        return judged if self._json is None else self._json.raw_offset(judged)

    def _reopen(self) -> None:
        context = self._tail if self._json is not None else self.text[-REOPENED_CONTEXT_CHARS:]
        self._judge = self._new_judge()
        self._closed = False
        self._reread = self._judged
        self._judged -= len(context)
        self._base = self._judged
        if context:
            self._feed(context, final=False)
