"""The frames of a streamed reply that wait for their verdict, and how they leave.

Frames leave in the order in which they came, as the backend's own bytes, and are rendered anew only where a
redaction falls. A frame waits while any of its text could still become part of a finding. A block ends its
own choice; other choices run on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial

from proxy.errors import UnreadableReply
from proxy.model.text import Edit, Replacement
from proxy.request.judged import JudgedText
from proxy.request.media_out import MediaOut
from proxy.request.turn import Job
from proxy.request.waiting import Look, Mark, Rendered, Waiting
from proxy.wire.base import Event, ReplyFacts, StreamReader

HELD_TOTAL_CHARS_MAX = 65_536
"""The most text that waits in one reply, over all its channels. Past it settled texts overtake the open one that
holds them up; where that does not help, the reply is unreadable."""

HELD_FRAMES_MAX = 16_384
"""The most frames that wait; the answer is the same."""

TAIL_BYTES_MAX = 64 << 20
"""The most bytes that may follow a finish reason; a reply with more is unreadable."""

MARKS_AT_ONCE = 1024
"""A frame with more marks, or one too long to be read in a step, is rendered in a thread."""

RELEASED_AT_ONCE = 32
"""Frames released in one step; one that is edited counts for EDITED_WEIGHT."""

EDITED_WEIGHT = 8


class Outlet:
    """Releases frames, edited where that is asked for, and ends choices that are blocked."""

    def __init__(self, reader: StreamReader, choices: int) -> None:
        self.tail = bytearray()  # what is to wait for the log
        self.blocked: dict[int, str] = {}  # choice: message
        self.facts: ReplyFacts | None = None  # of a reply that ended with its last choice blocked
        self.held = 0  # characters that wait
        self.let_go: dict[
            JudgedText, int
        ] = {}  # how much of each text, where that is news to whoever sends it
        self.media = MediaOut()
        self._reader = reader
        self._choices = choices
        self._queue: list[Waiting] = []  # a deque of one takes 700 bytes more, and every open stream has one
        self._untold: list[tuple[Event, Mapping[int, Edit]]] = []  # of the tail, which may never go out
        self._rendering = False  # a thread reads the texts
        self._waits_for: Mark | None = None  # what the first frame waits for, where it is a large one
        self._changes: list[
            Callable[[], None]
        ] = []  # that wait for it: one for each level that the dial rises

    @property
    def all_blocked(self) -> bool:
        return len(self.blocked) >= self._choices

    @property
    def overfull(self) -> bool:
        return self.held > HELD_TOTAL_CHARS_MAX or len(self._queue) > HELD_FRAMES_MAX

    def put(self, waiting: Waiting) -> None:
        """A frame joins the queue."""
        self.held += waiting.chars
        self._queue.append(waiting)

    def clear(self) -> None:
        """What waits stays back."""
        self._queue.clear()

    def drain(self, out: bytearray) -> Iterator[int | Job[Look]]:
        """Release what is settled, by steps. Raises UnreadableReply."""
        released = 0
        while self._queue:
            waiting = self._queue[0]
            # From here to where it leaves nobody else changes its texts: it is looked at, and goes out, under one
            # plan.
            if self._waits_for is not None and self._is_open(self._waits_for):
                break
            look = (yield from self._beside(waiting)) if waiting.large else self._look(waiting)
            if look is None:
                continue
            self._waits_for = look.waits_for if waiting.large else None
            if look.waits_for is not None:
                break
            del self._queue[0]
            self.held -= waiting.chars
            if look.blocking:
                self._block(waiting, look.blocking, out)
            elif look.rendered is not None:
                self._put_out(waiting, look.rendered, out)
            released += 1 if look.rendered is not None and not look.rendered.edits else EDITED_WEIGHT
            if waiting.large or released >= RELEASED_AT_ONCE:
                released = 0
                yield 0

    def when_idle(self, change: Callable[[], None]) -> None:
        """Have a change of the texts made now, or once no thread reads them."""
        if self._rendering:
            self._changes.append(change)
        else:
            change()

    def _look(self, waiting: Waiting) -> Look:
        blocking = self._blocking(waiting)
        if blocking:
            return Look(blocking=blocking)
        for mark in waiting.marks:
            if not self._is_settled(mark):
                return Look(waits_for=mark)
        return Look(rendered=self._rendered(waiting))

    def _beside(self, waiting: Waiting) -> Generator[Job[Look], None, Look | None]:
        """The frame, looked at in a thread; None where what it says was changed meanwhile."""
        job = Job(partial(self._look, waiting))
        self._rendering = True
        yield job
        self._rendering = False
        look, changes = job.result(), self._changes
        self._changes = []
        for change in changes:
            change()
        return None if changes else look

    def overtake(self, out: bytearray) -> None:
        """One text's open end holds up too much: let frames of settled texts go before it, in order within each
        text. Raises UnreadableReply where that does not help."""
        kept: list[Waiting] = []
        held, choices = set[JudgedText](), set[int]()
        for waiting in self._queue:
            texts = {mark.text for mark in waiting.marks}
            free = (
                bool(texts)
                and not waiting.last
                and texts.isdisjoint(held)
                and choices.isdisjoint(waiting.event.choices)
                and all(text.block is None for text in texts)
                and self._ready(waiting)
            )
            if free:
                self.held -= waiting.chars
                self._release(waiting, out)
            else:
                kept.append(waiting)
                held |= texts
                choices |= waiting.event.choices if not texts else frozenset()
        self._queue = kept
        if self.overfull:
            raise UnreadableReply("its texts cannot be judged in the order in which they came")

    def _release(self, waiting: Waiting, out: bytearray) -> None:
        self._put_out(waiting, self._rendered(waiting), out)

    def _rendered(self, waiting: Waiting) -> Rendered:
        edits: dict[int, Edit] = {}
        gone: dict[JudgedText, int] = {}
        for mark in waiting.marks:
            if mark.piece < 0:
                continue
            if mark.text.channel.choice in self.blocked:
                edits[mark.piece] = _nothing(mark)
                continue
            gone[mark.text] = mark.end  # the marks of a text ascend
            edit = mark.text.changes.edit(mark.start, mark.end)
            if edit is not None:
                edits[mark.piece] = edit
        event = waiting.event
        raw = event.frame.raw
        if edits or not event.choices.isdisjoint(self.blocked):
            # A frame with several choices may also finish one that was blocked: the wire cuts that out.
            raw = self._reader.edit(event, edits)
        return Rendered(raw, edits, gone)

    def _put_out(self, waiting: Waiting, rendered: Rendered, out: bytearray) -> None:
        event, (raw, edits, gone) = waiting.event, rendered
        for text, upto in gone.items():
            if upto > text.released:
                text.released = upto
            self.let_go[text] = text.released
        if waiting.media:
            self.media.went_out(waiting.media)
        if waiting.last or out is self.tail:
            self._untold.append((event, edits))
        else:
            self._reader.released(event)
        if waiting.last:
            self.tail += raw
            if len(self.tail) > TAIL_BYTES_MAX:
                raise UnreadableReply(f"more than {TAIL_BYTES_MAX} bytes follow the finish reason")
        else:
            out += raw

    def tell(self) -> None:
        """The tail goes out before what the reader renders now."""
        for event, edits in self._untold:
            if edits:
                self._reader.edit(event, edits)
            self._reader.released(event)
        self._untold.clear()

    def _block(self, waiting: Waiting, blocking: Sequence[Mark], out: bytearray) -> None:
        edits: dict[int, Edit] = {}
        ended: set[int] = set()
        for mark in waiting.marks:
            text, choice = mark.text, mark.text.channel.choice
            if mark.piece < 0:
                if mark in blocking:
                    ended.add(choice)
                continue
            if choice in self.blocked or choice in ended:
                # A choice ends with what blocks it: whether what stands behind that is settled by now is chance.
                edits[mark.piece] = _nothing(mark)
            elif mark in blocking:
                ended.add(choice)
                edits[mark.piece] = text.changes.edit_before(mark.start, mark.end, text.block_at)
                self._let_go(text, text.block_at)
            else:
                edits[mark.piece] = text.changes.edit(mark.start, mark.end) or Edit(())
                self._let_go(text, mark.end)
        self.tell()
        blocks = {mark.text.channel: mark.text.block.message for mark in blocking if mark.text.block}
        data = self._reader.block(waiting.event, edits, blocks)
        last = waiting
        for mark in blocking:
            self.blocked[mark.text.channel.choice] = blocks[mark.text.channel]
            last = self._drop(waiting, mark.text)
        if self.all_blocked:
            self.tail += data + self._reader.done()
            self.facts = last.facts
            self._queue.clear()
        else:
            out += data

    def _let_go(self, text: JudgedText, upto: int) -> None:
        self.let_go[text] = text.released = max(text.released, upto)

    def _drop(self, waiting: Waiting, blocked: JudgedText) -> Waiting:
        """What waits of a blocked choice never goes out. The choice ended with the frame that holds the last of
        what blocked it, which is returned: what was read behind that frame, because it came with the same bytes
        or while answers were waited for, is no part of the reply."""
        last = waiting
        kept: list[Waiting] = []
        for later in self._queue:
            reached = any(mark.text is blocked and mark.end >= blocked.block_end for mark in last.marks)
            if not reached:
                last = later
            else:
                for mark in later.marks:
                    if mark.text.channel.choice == blocked.channel.choice:
                        mark.text.cut(mark.before)
            if later.event.choices and later.event.choices <= self.blocked.keys():
                self.held -= later.chars
            else:
                kept.append(later)
        self._queue = kept
        return last

    def _blocking(self, waiting: Waiting) -> tuple[Mark, ...]:
        """For each choice that a block ends in this frame the first mark at which it does, if all that must go out
        with the frame is settled."""
        blocked = self.blocked
        found: dict[int, Mark] = {}
        for mark in waiting.marks:
            text = mark.text
            choice = text.channel.choice
            if choice in found or (blocked and choice in blocked):
                continue
            if text.block is not None and text.block_at < mark.end + (mark.piece < 0):
                if text.settled < text.block_at:
                    return ()  # something before it may still be found
                found[choice] = mark
            elif text.settled < mark.end:
                return ()
        return tuple(found.values()) if found else ()

    def _ready(self, waiting: Waiting) -> bool:
        """Whether all that a frame waits for is settled."""
        for mark in waiting.marks:  # noqa: SIM110 - asked of every frame: no generator
            if not self._is_settled(mark):
                return False
        return True

    def _is_open(self, mark: Mark) -> bool:
        """Whether nothing has become of it."""
        return mark.text.block is None and not self._is_settled(mark)

    def _is_settled(self, mark: Mark) -> bool:
        return mark.text.settled >= mark.end or mark.text.channel.choice in self.blocked


def _nothing(mark: Mark) -> Edit:
    length = mark.end - mark.start
    return Edit((Replacement(0, length, ""),)) if length else Edit(())
