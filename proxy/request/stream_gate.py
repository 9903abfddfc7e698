"""The gate that a streamed reply passes: frames go out as they came, once all their text is settled.

Frames leave in the order in which they came, as the backend's own bytes, and are rendered anew only where a
redaction falls. A frame waits while any of its text could still become part of a finding. A block ends its
own choice; other choices run on. What ends the reply (the finish reason and all that follows it) gathers
in `tail`, so that the exchange's end can be on the log before its client sees it.

Pure: bytes in, bytes out; no clock, no I/O.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from proxy.errors import UnreadableReply
from proxy.model.text import Channel, Edit, Kind, Replacement
from proxy.request.judged import JudgedText
from proxy.wire.base import Event, StreamReader
from proxy.wire.sse import Frame, FrameDecoder

HELD_TOTAL_CHARS_MAX = 65_536
"""The most text that waits in one reply, over all its channels. Past it settled texts overtake the open one that
holds them up; where that does not help, the reply is unreadable."""

HELD_FRAMES_MAX = 16_384
"""The most frames that wait; the answer is the same."""

TAIL_BYTES_MAX = 64 << 20
"""The most bytes that may follow a finish reason; a reply with more is unreadable."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a frame waits for: characters [start, end) of a text, or (closing) the text's end."""

    text: JudgedText
    start: int
    end: int
    piece: int  # its index in the event; -1 where the event only closes the text


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: Event
    marks: tuple[_Mark, ...]
    last: bool  # it belongs to the reply's end


class StreamGate:
    """Judges one streamed reply and says which bytes may go to the client."""

    def __init__(self, reader: StreamReader, choices: int, judged: Callable[[Channel], JudgedText]) -> None:
        self.reader = reader
        self.texts: dict[Channel, JudgedText] = {}
        self.tail = bytearray()
        self.ended = False  # nothing more can come: the wire's end was read, or every choice was blocked
        self.failed = False  # the backend told of an error inside its stream
        self.blocked: dict[int, str] = {}  # choice: message
        self.held_max = 0
        self.unscanned: Counter[str] = Counter()
        self._choices = choices
        self._new_text = judged
        self._decoder = FrameDecoder()
        self._queue: deque[_Waiting] = deque()
        self._copies: list[JudgedText] = []
        self._grown = 0
        self._released = 0

    def feed(self, data: bytes) -> bytes:
        """The backend's next bytes in, the bytes that may go out now. Raises UnreadableReply."""
        out = bytearray()
        for frame in self._decoder.feed(data):
            if self.ended:
                break
            self._read(frame)
            # Frame by frame, so that what is read and found before a block does not depend on how the bytes came.
            self._drain(out)
            held = self._grown - self._released
            if held > HELD_TOTAL_CHARS_MAX or len(self._queue) > HELD_FRAMES_MAX:
                self._overtake(out)
            if held > self.held_max:
                self.held_max = held
        return bytes(out)

    @property
    def all_blocked(self) -> bool:
        return len(self.blocked) >= self._choices

    def end(self, *, cut: bool = False) -> bool:
        """The backend's bytes ended. All that is held is settled and joins the tail.

        With `cut` they broke off: a half-read frame is dropped. Returns whether the reply was complete: it had
        its wire's end, or a finish reason for every choice. Raises UnreadableReply, never with `cut`.
        """
        rest = None if cut else self._decoder.end()
        if rest is not None and not self.ended:
            self._read(rest)
        complete = self.ended or (self.reader.facts.finish_reason is not None and not self.reader.closing())
        for text in self.texts.values():
            text.close()
        self._drain(self.tail)
        return complete

    def settle(self) -> None:
        """The reply ends here for its reader; what is held is judged for the log's sake only."""
        for text in self.texts.values():
            text.close()

    def interrupt(self, message: str) -> bytes:
        """End every open choice in the wire's filtered form. What is held stays back."""
        self.settle()
        self._queue.clear()
        self.ended = True
        return self.reader.interrupt(message)

    def fail(self, code: str, message: str) -> bytes:
        """The wire's error frame."""
        self.settle()
        self.ended = True
        self._queue.clear()
        return self.reader.fail(code, message)

    def judged(self) -> Iterator[JudgedText]:
        """Every text, the copies that differed from what they repeat included."""
        yield from self.texts.values()
        yield from self._copies

    def _read(self, frame: Frame) -> None:
        event = self.reader.read(frame)
        if event.fails:
            self.failed = True
        if event.unread is not None:
            self.unscanned["unknown_event"] += len(frame.data or b"")
        if event.choices and event.choices <= self.blocked.keys():
            if event.ends:
                self.ended = True
            return
        marks: list[_Mark] = []
        copies: list[int] = []
        for index, piece in enumerate(event.pieces):
            if piece.copy:
                copies.append(index)
                continue
            text = self._text(piece.channel)
            start = text.length
            text.grow(piece.text)
            self._grown += len(piece.text)
            marks.append(_Mark(text, start, text.length, index))
        last = event.ends or (self._choices == 1 and self.reader.facts.finish_reason is not None)
        closes = event.closes if not event.ends else tuple(self.texts)
        # After its finish a reply waits for the log anyway: its texts stay open, in case they go on all the same.
        for channel in closes if event.ends or not last else ():
            closing = self.texts.get(channel)
            if closing is not None:
                closing.close()
                marks.append(_Mark(closing, closing.length, closing.length, -1))
        marks.extend(self._copy(event, index) for index in copies)
        self.ended = self.ended or event.ends
        self._queue.append(_Waiting(event, tuple(marks), last))

    def _text(self, channel: Channel) -> JudgedText:
        text = self.texts.get(channel)
        if text is None:
            text = self.texts[channel] = self._new_text(channel)
            # Reasoning has no end of its own on some wires: the answer that follows it must not wait for one.
            for other in self.texts.values():
                reasoned = other.channel.kind is Kind.REASONING and other.channel.choice == channel.choice
                if reasoned and channel.kind is not Kind.REASONING:
                    other.pause()
        return text

    def _copy(self, event: Event, index: int) -> _Mark:
        """A copy is edited as the text that it repeats; one that says something else is judged by itself."""
        piece = event.pieces[index]
        text = self.texts.get(piece.channel)
        if text is not None and text.text == piece.text:
            return _Mark(text, 0, text.length, index)
        fresh = self._new_text(piece.channel)
        fresh.grow(piece.text)
        fresh.close()
        if text is None:
            self.texts[piece.channel] = fresh
        else:
            self._copies.append(fresh)
        self._grown += fresh.length
        return _Mark(fresh, 0, fresh.length, index)

    def _drain(self, out: bytearray) -> None:
        queue = self._queue
        while queue:
            waiting = queue[0]
            blocking = self._blocking(waiting)
            if blocking is None and not all(self._is_settled(mark) for mark in waiting.marks):
                break
            queue.popleft()
            if blocking is not None:
                self._block(waiting, blocking, out)
            else:
                self._release(waiting, out)

    def _overtake(self, out: bytearray) -> None:
        """One text's open end holds up too much: let frames of settled texts go before it, in order within each
        text. Raises UnreadableReply where that does not help."""
        kept: deque[_Waiting] = deque()
        held, choices = set[JudgedText](), set[int]()
        for waiting in self._queue:
            texts = {mark.text for mark in waiting.marks}
            free = (
                bool(texts)
                and not waiting.last
                and texts.isdisjoint(held)
                and choices.isdisjoint(waiting.event.choices)
                and all(mark.text.block is None and self._is_settled(mark) for mark in waiting.marks)
            )
            if free:
                self._release(waiting, out)
            else:
                kept.append(waiting)
                held |= texts
                choices |= waiting.event.choices if not texts else frozenset()
        self._queue = kept
        if self._grown - self._released > HELD_TOTAL_CHARS_MAX or len(kept) > HELD_FRAMES_MAX:
            raise UnreadableReply("its texts cannot be judged in the order in which they came")

    def _release(self, waiting: _Waiting, out: bytearray) -> None:
        edits: dict[int, Edit] = {}
        for mark in waiting.marks:
            if mark.piece < 0:
                continue
            edit = self._edit_of(mark)
            if edit is not None:
                edits[mark.piece] = edit
            self._let_go(mark.text, mark.end)
        event = waiting.event
        if edits or not event.choices.isdisjoint(self.blocked):
            # A frame with several choices may also finish one that was blocked: the wire cuts that out.
            raw = self.reader.edit(event, edits)
        else:
            raw = event.frame.raw
        self.reader.released(event)
        if waiting.last:
            self.tail += raw
            if len(self.tail) > TAIL_BYTES_MAX:
                raise UnreadableReply(f"more than {TAIL_BYTES_MAX} bytes follow the finish reason")
        else:
            out += raw

    def _edit_of(self, mark: _Mark) -> Edit | None:
        if mark.text.channel.choice in self.blocked:
            return _nothing(mark)
        return mark.text.edit(mark.start, mark.end)

    def _block(self, waiting: _Waiting, blocking: _Mark, out: bytearray) -> None:
        text = blocking.text
        finding = text.block
        assert finding is not None
        choice = text.channel.choice
        edits: dict[int, Edit] = {}
        for mark in waiting.marks:
            if mark.piece < 0:
                continue
            if mark.text is text:
                edits[mark.piece] = text.edit_before_block(mark.start, mark.end)
                self._let_go(text, max(mark.start, min(mark.end, text.block_at)))
            elif mark.text.channel.choice == choice and mark.text.settled < mark.end:
                edits[mark.piece] = _nothing(mark)
            else:
                edits[mark.piece] = self._edit_of(mark) or Edit(())
                self._let_go(mark.text, mark.end)
        data = self.reader.block(waiting.event, text.channel, edits, finding.message)
        self.blocked[choice] = finding.message
        self._drop(choice)
        if self.all_blocked:
            self.tail += data + self.reader.done()
            self._queue.clear()
            self.ended = True
        else:
            out += data

    def _let_go(self, text: JudgedText, upto: int) -> None:
        self._released += max(0, upto - text.released)
        text.released = max(text.released, upto)

    def _drop(self, choice: int) -> None:
        """What waits of a blocked choice never goes out."""
        kept = [w for w in self._queue if not (w.event.choices and w.event.choices <= self.blocked.keys())]
        self._queue.clear()
        self._queue.extend(kept)
        for text in self.texts.values():
            if text.channel.choice == choice:
                self._grown -= text.length - text.released

    def _blocking(self, waiting: _Waiting) -> _Mark | None:
        """The first mark at which a block falls, if all that must go out with it is settled."""
        for mark in waiting.marks:
            text = mark.text
            if text.channel.choice in self.blocked:
                continue
            if text.block is not None and text.block_at < mark.end + (mark.piece < 0):
                choice = text.channel.choice
                others = (other for other in waiting.marks if other.text.channel.choice != choice)
                return mark if all(self._is_settled(other) for other in others) else None
            if text.settled < mark.end:
                return None
        return None

    def _is_settled(self, mark: _Mark) -> bool:
        return mark.text.settled >= mark.end or mark.text.channel.choice in self.blocked


def _nothing(mark: _Mark) -> Edit:
    length = mark.end - mark.start
    return Edit((Replacement(0, length, ""),)) if length else Edit(())
