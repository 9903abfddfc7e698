"""One text under judgement, whole or growing: what was found in it, and what becomes of it.

Requests, whole replies and streams all go through this class, so that a text's findings and its delivered
form cannot depend on how it arrived. Offsets count in the text as the wire carries it; where that text is
itself JSON (tool arguments) detectors read it unescaped, and ranges are mapped back. What comes is only noted
(`grow`, `pause`, `close`); `work` judges it, in steps, and `poll` takes what scorers answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from proxy.detect.base import Ticket
from proxy.model.finding import Finding
from proxy.model.level import Action
from proxy.model.text import Channel
from proxy.policy.match import Judge, Plan, Ruling
from proxy.policy.pseudonym import Pseudonyms
from proxy.policy.redact import placeholder
from proxy.policy.view import ERROR_LABEL
from proxy.request.changes import Changes
from proxy.request.opening import NewJudge, highest, ordered, restated, spared, under
from proxy.request.pieces import REOPENED_CONTEXT_CHARS, Grown, Pieces, readable
from proxy.request.seam import Seam
from proxy.request.unlogged import Unlogged
from proxy.wire.json_text import JsonText


class JudgedText:
    """One text, its judge, and the changes that its findings ask for (see Changes for pseudonyms)."""

    __slots__ = (
        "_answering", "_base", "_behind", "_cap", "_closing", "_fed", "_followed", "_follows", "_found", "_gone",
        "_grown", "_json", "_judge", "_judged", "_lax", "_new_judge", "_own", "_reread", "_scores", "_seam",
        "_tail", "_todo", "_whole", "block", "block_at", "block_end", "changes", "channel", "closed", "errors",
        "length", "released", "settled", "unlogged",
    )  # fmt: skip

    def __init__(
        self, channel: Channel, make: NewJudge, pseudonyms: Pseudonyms | None = None, *, restore: bool = False
    ) -> None:
        self.channel = channel
        self.length = 0  # characters so far, as the wire carries them
        self.settled = 0  # everything that starts before this is known
        self.released = 0  # characters that went to the reader, set by whoever releases
        self.block: Finding | None = None
        self.block_at = self.block_end = 0
        self.errors: set[tuple[str, str]] = set()
        self._scores: dict[str, float] = {}  # what judges that are done scored
        self._found: list[Finding] = []
        self._new_judge = make
        self._judge: Judge | None = None
        self._whole: str | None = None
        self._json = JsonText() if channel.json else None
        self._grown, self._todo = Grown(), Pieces()
        self._fed = self._own = 0  # characters that were judged; how far it is settled by itself
        self._cap: int | None = None  # how far the seams at its ends let it be
        # Signed text stays as the model wrote it.
        self.changes = Changes(self._json, pseudonyms, restore=restore and not channel.sealed)
        self.unlogged = Unlogged(self._json)
        self._judged = self._base = 0  # judged characters so far; those before the present judge's text
        self._tail = ""  # the last of the judged text, where that is not the wire's
        self._reread = 0  # findings that end before this were reported by an earlier judge
        self._gone = self._lax = 0  # how far it had gone out: as one that seemed to end; under a laxer plan
        self._closing = self.closed = False
        self._answering = self._behind = False  # the judge waits for answers; has yet to do what it was fed
        self._follows: JudgedText | None = None
        self._followed = channel.chain != ""  # whether another text may follow that is read with it
        self._seam: Seam | None = None  # at its end

    @property
    def text(self) -> str:
        """The whole text so far."""
        return self._grown.text

    @property
    def findings(self) -> list[Finding]:
        """What was found, by start. A text ends with what blocks it, in a stream and in a whole reply."""
        end = self.length if self.block is None else min(self.length, self.block_end)
        return ordered(self._found, end) if self._found else []

    @property
    def findings_most(self) -> int:
        """How many findings there are at most; to look at them all takes long where they are many."""
        return len(self._found)

    @property
    def scores(self) -> dict[str, float]:
        """The highest score per label so far."""
        return self._scores if self._judge is None else highest(self._scores, self._judge.scores)

    @property
    def waiting(self) -> Sequence[Ticket]:
        """The tickets whose answers are yet to be polled."""
        own = self._judge.waiting if self._judge is not None else ()
        return own if self._seam is None else (*own, *self._seam.waiting)

    def read(self, whole: str, *, quiet: bool = False) -> bool:
        """The whole text at once; whether no work is left. `quiet`: it is known that nothing is said of it. It is
        judged all the same where values are restored: what stands for them is in it."""
        self._whole = whole
        if not quiet or self.changes.restores:
            self.grow(whole)
            self.close()
            return False
        self._grown.parts.append(whole)
        self.length = self._fed = self._own = self.settled = len(whole)
        self._closing = self.closed = True
        return True

    def grow(self, piece: str) -> None:
        """The text goes on."""
        if piece:
            self._grown.parts.append(piece)
            self.length += len(piece)
            self._todo.add(piece)
            if self._closing:
                self._go_on()

    def pause(self) -> None:
        """Judge the text as if it ended here, though it may go on: nothing of it is held any longer."""
        if not self._closing:
            self._todo.pause()

    def close(self) -> None:
        """The text is complete: everything about it is to be settled."""
        self._closing = True

    def follow(self, before: JudgedText) -> None:
        """This text stands right behind another, and its reader may put both together."""
        before.close()
        self._follows = before

    def unfollowed(self) -> None:
        """No text comes that could be read together with this one."""
        self._followed = False
        if self._seam is not None:
            self._seam.end()

    def cut(self, at: int) -> None:
        """The reply ends here for its reader: what came behind it is no part of it."""
        if at < self.length or at == 0:
            self.length = self._grown.limit = at
            if at <= self._fed:
                self._todo.clear()

    @property
    def dropped(self) -> bool:
        """Whether the reply had ended before it began."""
        return self._grown.limit == 0

    def work(self, chars: int) -> int:
        """Judge up to so many of the characters that came, or a step of what they left to do. Returns how many, at
        least 1; 0 where nothing is left, or an answer must come first."""
        if self._behind and (judge := self._judge) is not None:
            self._take(judge.go_on(), judge)
            self._stop_if_answered(judge)
            return 1
        done = 0
        while done < chars and not (self._answering or self._behind) and self._todo:
            if self._todo.take_pause():
                self._feed("", final=True)
                continue
            piece = self._todo.take(chars - done)
            done += len(piece)
            # The end of a text that another may follow is a step of its own.
            self._feed(piece, final=self._closing and not self._todo and not self.channel.chain)
        if self._closing and not (self.closed or self._answering or self._behind or self._todo):
            self._feed("", final=True)
        return done or int(self._behind)

    def poll(self, *, last: bool = False) -> None:
        """Take what scorers answered; with `last` no other answer is waited for."""
        if (judge := self._judge) is not None and judge.waiting:
            self._take(judge.give_up() if last else judge.poll(), judge)
            self._stop_if_answered(judge)
        if self._seam is not None:
            self._seam.poll(last=last)

    def tighten(self, plan: Plan) -> None:
        """Go on under a stricter plan, from the first character that has not gone out."""
        self._new_judge = under(self._new_judge, plan)
        if self._judge is not None:
            settled = self._judge.tighten(plan) + self._base
            own = settled if self._json is None else self._json.raw_settled(settled)
            self._own = max(self.released, min(self._own, own))
        if self._seam is not None:
            self._seam.tighten(plan)
        for told in restated(self._found, plan, self.released, editable=self._json is None):
            if told.acts and not self._blocks(told, told.start, told.end):
                self.changes.cover(told.start, told.end, placeholder(told.label))
        self.settled = self._lax = self.released
        self._settle()

    def hold(self, upto: int | None) -> None:
        """A seam at one of its ends is settled only so far into this text; None: all the way."""
        self._cap = upto
        self._settle()

    def delivered(self) -> str:
        """The text as its reader got it: as far as it was released, with changes, and a block's message."""
        return self.changes.applied(self.text[: self.released])

    def found(self, finding: Finding, start: int, end: int, text: str) -> None:
        """Something that begins or ends in another text covers characters [start, end) of this one; `text` stands
        in their place where it is redacted."""
        finding = replace(finding, field=self.channel.field, start=start, end=end)
        self._found.append(finding)
        self.unlogged.note(finding, start, end)
        if finding.acts and not self._blocks(finding, start, end):
            self.changes.cover(start, end, text, across=True)

    def _feed(self, raw: str, *, final: bool = False) -> None:
        """Judge the next characters, as the wire carries them; with `final` as if the text ended behind them."""
        self._fed += len(raw)
        before = self._follows._seam if self._follows is not None else None
        if before is not None and raw:
            before.feed(self, raw)
        piece = raw if self._json is None else self._json.feed(raw)
        if final and self._closing and not self._todo:
            if self._json is not None:
                piece += self._json.end()
            if self.channel.chain:
                if piece:
                    self._judge_piece(piece, final=False)
                    piece = ""
                self._end_seam(before)
        if piece or self._judge is not None:
            self._judge_piece(piece, final=final)
        if final:
            self._answering = True
            self._stop_if_answered(self._judge)

    def _end_seam(self, before: Seam | None) -> None:
        """This text ends. What follows is read together with its end: from where this text alone had to hold on."""
        if before is None or not before.open:
            if not self._followed:
                return
            start = max(0, self._own - REOPENED_CONTEXT_CHARS)
            before = Seam(self, start, self._new_judge(None))
            before.feed(self, self.text[start : self._fed])
        self._seam = before
        if not self._followed:
            before.end()

    def _judge_piece(self, piece: str, *, final: bool) -> None:
        if (judge := self._judge) is None:
            judge = self._judge = self._reopen() if self._judged else self._new_judge(self._whole)
        piece = readable(piece)
        self.changes.read(piece, final=final)
        ruling = judge.feed(piece, final=final, by_steps=True)
        self._judged += len(piece)
        if self._json is not None:
            self._tail = (self._tail + piece)[-REOPENED_CONTEXT_CHARS:]
        self._take(ruling, judge)

    def _stop_if_answered(self, judge: Judge | None) -> None:
        if not self._answering or self._behind or (judge is not None and judge.waiting):
            return
        self._answering = False
        self._scores = self.scores
        self._judge = None
        self.changes.finish()
        self._own = self._fed
        self.closed = self._closing and not self._todo
        self._settle()

    def _settle(self) -> None:
        self.settled = max(self.settled, self._own if self._cap is None else min(self._own, self._cap))

    def _take(self, ruling: Ruling, judge: Judge) -> None:
        self._behind = ruling.behind
        for finding in ruling.findings:
            start, end = finding.start + self._base, finding.end + self._base
            if end <= self._reread and finding.label != ERROR_LABEL:
                continue
            raw_start, raw_end = self._raw(start), self._raw(end)
            self._found.append(finding := spared(replace(finding, start=raw_start, end=raw_end), self._lax))
            self.unlogged.note(finding, start, end)
            if finding.acts:
                self.changes.before(start)
                if not self._blocks(finding, raw_start, raw_end):
                    self.changes.found(finding, start, end)
        if judge.errors:
            self.errors.update(judge.errors)
        settled = self.changes.settle(ruling.settled + self._base)
        self._own = max(self._own, settled if self._json is None else self._json.raw_settled(settled))
        self._settle()

    def _blocks(self, finding: Finding, start: int, end: int) -> bool:
        """Whether it blocks the text. So does what cannot be edited whole: in signed text, and where its beginning
        has gone out (of a text that was taken to have ended, and went on)."""
        gone = max(self.released, self._gone)
        if finding.action is not Action.BLOCK and not self.channel.sealed and start >= gone:
            return False
        if self.block is None or start < self.block_at:
            self.block, self.block_at, self.block_end = finding, max(start, gone), end
        return True

    def _raw(self, judged: int) -> int:
        return judged if self._json is None else self._json.raw_offset(judged)

    def _go_on(self) -> None:
        """A text that was complete goes on: what stands behind its end does not stand behind it any more."""
        self._closing = self.closed = False
        if self._seam is not None:
            self._seam.leave()
            self._seam = None

    def _reopen(self) -> Judge:
        begin = max(0, self._own - REOPENED_CONTEXT_CHARS)
        context = self._tail if self._json is not None else self.text[begin : self._own]
        judge = self._new_judge(None)
        self._reread = self._judged
        self._gone = self._own
        self._base = self._judged - len(context)
        if context:
            self._take(judge.feed(readable(context)), judge)
        return judge
