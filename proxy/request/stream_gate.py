"""The gate that a streamed reply passes: frames in, their texts judged, and out once all their text is settled.

What ends the reply (the finish reason and all that follows it) gathers in `tail`, so that the exchange's end
can be on the log before its client sees it.

The bytes of one read may bring many frames: they are read together, their texts judged once, and then released
(`read`, `pump`), by steps, so that whoever drives the gate can give others their turn in between.

Pure: bytes in, bytes out; no clock, no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from proxy.detect.base import Ticket
from proxy.errors import UnreadableReply
from proxy.model.text import Channel, Kind
from proxy.policy.match import Plan
from proxy.request.judged import JudgedText
from proxy.request.media_out import MediaOut
from proxy.request.order import Order
from proxy.request.outlet import MARKS_AT_ONCE, Outlet
from proxy.request.turn import LOOKED_AT_ONCE, READ_INLINE_BYTES_MAX, TEXTS_AT_ONCE, Job
from proxy.request.waiting import Look, Mark, Taken, Waiting, taken
from proxy.wire.base import Event, ReplyFacts, StreamReader
from proxy.wire.once import STREAM_TEXTS_MAX
from proxy.wire.sse import Frame, FrameDecoder

ANSWERS_CHARS_MAX = 32_768
"""While more text than this is held and scorers have yet to answer, the backend is not read."""

BATCH_FRAMES = 64
BATCH_CHARS = 2048
"""How many frames of one read, or how much text, are read before it is judged and released."""


class StreamGate:
    """Judges one streamed reply and says which bytes may go to the client."""

    def __init__(self, reader: StreamReader, choices: int, text: Callable[[Channel], JudgedText]) -> None:
        self.reader = reader
        self.texts: dict[Channel, JudgedText] = {}
        self.out = bytearray()  # what may go out now; whoever sends it empties it
        self.failed = False  # the backend told of an error inside its stream
        self.held_max = 0
        self.unscanned: Counter[str] = Counter()
        self._outlet = Outlet(reader, choices)
        self._choices = choices
        self._new_text = text
        self._decoder = FrameDecoder()
        self._copies: list[JudgedText] = []
        self._order = Order()
        self._unjudged: dict[JudgedText, None] = {}  # in the order in which they are to be judged
        self._unjudged_chars = 0
        self._reasoning: dict[int, dict[JudgedText, None]] = {}  # by choice, what grew since it last paused
        self._halfway = False  # within a frame: it is judged, but nothing is let out
        self._asking: list[JudgedText] = []  # those that wait for answers
        self._ended = False  # the wire's end was read
        self._over = False  # nothing more is read: all that is released is the tail's

    @property
    def ended(self) -> bool:
        """Nothing more can come: the wire's end was read, or every choice was blocked."""
        return self._ended or self._outlet.all_blocked

    @property
    def tail(self) -> bytearray:
        """What is to wait until the exchange's end is on the log."""
        return self._outlet.tail

    @property
    def let_go(self) -> dict[JudgedText, int]:
        """How much of each text was let go of since whoever sends it last emptied this."""
        return self._outlet.let_go

    @property
    def blocked(self) -> Mapping[int, str]:
        """The choices that were blocked, and the messages that they ended with."""
        return self._outlet.blocked

    @property
    def all_blocked(self) -> bool:
        return self._outlet.all_blocked

    @property
    def media(self) -> MediaOut:
        """What went out that is no text."""
        return self._outlet.media

    @property
    def facts(self) -> ReplyFacts:
        """What the reply told about itself, up to where it ended."""
        return self._outlet.facts or self.reader.facts

    def read(self, data: bytes) -> Iterator[Job[Taken] | None]:
        """Take the backend's next bytes; whenever this yields None, `pump`. Raises UnreadableReply."""
        frames = 0
        # What follows the end is nobody's, and the decoder may have been left within a frame.
        for frame in () if self.ended else self._decoder.feed(data):
            if self.ended:
                return
            yield from self._read(frame)
            frames += 1
            if frames >= BATCH_FRAMES or self._unjudged_chars >= BATCH_CHARS:
                yield None
                frames = 0
        if frames:
            yield None

    def pump(self, slice_chars: Callable[[], int]) -> Iterator[int | Job[Look]]:
        """Judge what was read and take what was answered, then let out what that settles. Goes by steps of at most
        `slice_chars()` characters, and yields how many each judged. Raises UnreadableReply."""
        yield from self.judge(slice_chars)
        if self._halfway:
            return
        outlet = self._outlet
        out = self.tail if self._over else self.out
        yield from outlet.drain(out)
        if outlet.overfull and not self._asking:
            outlet.overtake(out)
        if outlet.held > self.held_max:
            self.held_max = outlet.held

    def judge(self, slice_chars: Callable[[], int]) -> Iterator[int]:
        """The first half of `pump`; by itself once the reply is over for its reader."""
        for text in self._asking:
            text.poll()
        self._unjudged.update(dict.fromkeys(self._asking))
        texts = tuple(self._unjudged)
        self._unjudged.clear()
        self._unjudged_chars = 0
        for number, text in enumerate(texts, start=1):
            while judged := text.work(slice_chars()):
                yield judged
            if number % TEXTS_AT_ONCE == 0:
                yield 0
        if len(texts) > TEXTS_AT_ONCE:
            yield 0
        asking: list[JudgedText] = []
        for number, text in enumerate(texts, start=1):
            if text.waiting:
                asking.append(text)
            if number % LOOKED_AT_ONCE == 0:
                yield 0
        self._asking = asking

    @property
    def waiting(self) -> Sequence[Ticket]:
        """The tickets whose answers `pump` would take."""
        return [ticket for text in self._asking for ticket in text.waiting] if self._asking else ()

    @property
    def full(self) -> bool:
        """Whether so much waits for answers that nothing more is to be read."""
        return bool(self._asking) and not self._halfway and self._outlet.held > ANSWERS_CHARS_MAX

    def end(self, *, cut: bool = False) -> bool:
        """The backend's bytes ended. Whoever drives the gate pumps until nothing is waited for; then all that was
        held has joined the tail.

        With `cut` they broke off: a half-read frame is dropped. Returns whether the reply was complete: it had
        its wire's end, or a finish reason for every choice. Raises UnreadableReply, never with `cut`.
        """
        rest = None if cut else self._decoder.end()
        if rest is not None and not self.ended:
            for _ in self._read(rest):
                pass  # a frame without its blank line
        complete = self.ended or (self.reader.facts.finish_reason is not None and not self.reader.closing())
        self.settle()
        return complete

    def settle(self) -> None:
        """The reply ends here for its reader; what is held is to be judged all the same."""
        self._over = True
        self._halfway = False
        for text in chain(self.texts.values(), self._copies):
            if not text.closed:
                text.close()
                self._unjudged[text] = None
        self._order.ended()

    def give_up(self) -> None:
        """Wait for no answer any longer."""
        for text in self._asking:
            text.poll(last=True)

    def tighten(self, plan: Plan) -> None:
        """A stricter plan holds for all that has not been let out."""
        self._outlet.when_idle(partial(self._tighten, plan))

    def _tighten(self, plan: Plan) -> None:
        for text in (*self.texts.values(), *self._copies):
            text.tighten(plan)

    def interrupt(self, message: str) -> bytes:
        """End every open choice in the wire's filtered form. What is held stays back, and so does the tail. Empty
        where the wire's end has gone out, or a block of the last choice stands in the tail."""
        self.settle()
        self._outlet.clear()
        self._ended = True
        return self.reader.interrupt(message)

    def fail(self, code: str, message: str, *, after_tail: bool = False) -> bytes:
        """The wire's error frame, in the place of all that has not gone out, or after the tail."""
        self.settle()
        if after_tail:
            self._outlet.tell()
        self._outlet.clear()
        self._ended = True
        return self.reader.fail(code, message)

    def judged(self) -> Iterator[JudgedText]:
        """Every text, the copies that differed from what they repeat included."""
        for text in (*self.texts.values(), *self._copies):
            if not text.dropped:
                yield text

    def _read(self, frame: Frame) -> Iterator[Job[Taken] | None]:
        """Take one frame; yields within it where it is long or holds many texts."""
        large = len(frame.data or b"") > READ_INLINE_BYTES_MAX
        if large:
            job = Job(partial(taken, self.reader, frame))
            yield job
            event, media = job.result()
        else:
            event, media = taken(self.reader, frame)
        if event.fails:
            self.failed = True
        if event.unread is not None and not media:
            self.unscanned["unknown_event"] += len(frame.data or b"")
        if event.choices and event.choices <= self.blocked.keys():
            if event.ends:
                self._ended = True
            return
        already = self._unjudged_chars
        marks: list[Mark] = []
        copies: list[int] = []
        for index, piece in enumerate(event.pieces):
            if piece.copy:
                copies.append(index)
                continue
            if index % TEXTS_AT_ONCE == TEXTS_AT_ONCE - 1:
                yield from self._between()
            text = self._text(piece.channel)
            if piece.channel.kind is Kind.REASONING:
                self._reasoning.setdefault(piece.channel.choice, {})[text] = None
            start = text.length
            text.grow(piece.text)
            self._unjudged[text] = None
            self._unjudged_chars += len(piece.text)
            marks.append(Mark(text, start, text.length, index, start))
        facts = self.reader.facts
        last = event.ends or (self._choices == 1 and facts.finish_reason is not None)
        closes = event.closes if not event.ends else tuple(self.texts)
        # After its finish a reply waits for the log anyway: its texts stay open, in case they go on all the same.
        for number, channel in enumerate(closes if event.ends or not last else (), start=1):
            closing = self.texts.get(channel)
            if number % LOOKED_AT_ONCE == 0:
                yield from self._between()
            if closing is not None:
                closing.close()
                self._unjudged[closing] = None
                marks.append(Mark(closing, closing.length, closing.length, -1, closing.length))
        if copies:
            marks.extend(self._copy(event, index) for index in copies)
        if event.ends:
            self._order.ended()
        self._ended = self._ended or event.ends
        chars = self._unjudged_chars - already
        large = large or len(marks) > MARKS_AT_ONCE
        self._outlet.put(Waiting(event, tuple(marks), last, facts, chars, large, media))

    def _between(self) -> Iterator[None]:
        """Others have their turn within a frame: what it holds so far is judged, and nothing is let out."""
        self._halfway = True
        yield None
        self._halfway = False

    def _text(self, channel: Channel) -> JudgedText:
        text = self.texts.get(channel)
        if text is None:
            if len(self.texts) + len(self._copies) >= STREAM_TEXTS_MAX:
                raise UnreadableReply(f"it has more than {STREAM_TEXTS_MAX} texts")
            text = self.texts[channel] = self._new_text(channel)
            before = self._order.opened(text)
            if before is not None:
                self._unjudged[before] = None
            # Reasoning has no end of its own on some wires: the answer that follows it must not wait for one.
            if channel.kind is not Kind.REASONING:
                for other in self._reasoning.pop(channel.choice, ()):
                    other.pause()
                    self._unjudged[other] = None
        return text

    def _copy(self, event: Event, index: int) -> Mark:
        """A copy is edited as the text that it repeats; one that says something else is judged by itself."""
        piece = event.pieces[index]
        text = self.texts.get(piece.channel)
        if text is not None and text.text == piece.text:
            return Mark(text, 0, text.length, index, text.length)
        if len(self.texts) + len(self._copies) >= STREAM_TEXTS_MAX:
            raise UnreadableReply(f"it has more than {STREAM_TEXTS_MAX} texts")
        fresh = self._new_text(piece.channel)
        fresh.read(piece.text)
        fresh.unfollowed()
        if text is None:
            self.texts[piece.channel] = fresh
        else:
            self._copies.append(fresh)
        self._unjudged[fresh] = None
        self._unjudged_chars += fresh.length
        return Mark(fresh, 0, fresh.length, index, 0)
