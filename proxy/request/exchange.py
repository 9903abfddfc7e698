"""One exchange while it is under way: the only mutable object of a request, passed from step to step."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from aiohttp import web
from multidict import CIMultiDict

from proxy.backend.client import Backend, Upstream
from proxy.backend.route import Route, Router
from proxy.clock import Clock
from proxy.detect.base import NO_CONTEXT, Context
from proxy.dial.control import Dial, Effective
from proxy.dial.levels import PERMITS
from proxy.dial.windows import Windows
from proxy.log.port import Recorder
from proxy.metrics import Metrics
from proxy.model.finding import Finding
from proxy.model.level import Direction, Level, Outcome
from proxy.model.record import Attempt, Json
from proxy.model.subject import Reach, Subject
from proxy.model.text import Kind, Media, Text
from proxy.policy.compile import Policy
from proxy.policy.match import Selection
from proxy.policy.pseudonym import Pseudonyms
from proxy.request.judged import JudgedText
from proxy.request.probing import Probing
from proxy.request.stream_gate import StreamGate
from proxy.settings import ClientSettings, Settings
from proxy.watch.watch import Watch
from proxy.wire.base import ReplyFacts, RequestView, Wire
from proxy.wire.openai_responses_kept import KeptConversation

T = TypeVar("T")

LARGE_SCANS_AT_ONCE = 2
"""How many bodies over the slice bound are scanned at the same time; others wait their turn."""


class Killed(Exception):
    """The dial ended this exchange while it ran: it rose to `killed`, or to `restricted` and the caller is not on
    the list. Control flow, not a fault."""

    def __init__(self, effective: Effective) -> None:
        super().__init__("killed")
        self.level = effective.level
        setting = effective.setting
        self.reason = f"{self.level.word} while it ran" + (f": {setting.reason}" if setting else "")


class PolicySource(Protocol):
    """Where the policy in force comes from."""

    @property
    def current(self) -> Policy: ...


@dataclass(slots=True)
class Answer:
    """What the client is to get: a whole body, or a stream whose last bytes come from `Exchange.tail`."""

    status: int
    headers: CIMultiDict[str]
    body: bytes = b""
    stream: AsyncGenerator[bytes, None] | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that the steps use and do not own."""

    settings: Settings
    clock: Clock
    policy: PolicySource
    dial: Dial
    windows: Windows
    region_of: Callable[[str], str | None] | None
    router: Router
    backends: dict[str, Backend]
    recorder: Recorder
    metrics: Metrics
    watch: Watch
    pseudonym_key: bytes
    spawn: Callable[[Coroutine[None, None, None]], asyncio.Task[None]]
    stopping: asyncio.Event
    large_scans: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LARGE_SCANS_AT_ONCE))


class Exchange:
    """The state of one exchange. Steps fill it in, in the pipeline's order; nothing else writes to it."""

    __slots__ = (
        "_context", "answer", "api", "app", "app_verified", "attempts", "backend_first_byte", "backend_seconds",
        "begun", "body", "body_bytes", "body_read", "client", "counted", "cut", "effective", "error", "facts",
        "failures", "findings", "first_byte", "first_sent_at", "gate", "given", "given_bytes", "given_messages",
        "guard_s", "http", "id", "judged", "judged_raw", "kept", "killed", "level", "logged", "messages",
        "outcome", "passed", "passing", "path", "policy", "probe", "pseudonyms", "raw", "reach", "received",
        "recorded", "reply_bytes", "reply_media", "response", "resumed", "rose", "route", "scores", "sent",
        "sent_at", "sent_raw", "settled", "stand_in", "started", "started_at", "static", "subject", "tail",
        "taken_back", "task", "texts", "unscanned", "upstream", "user_verified", "view", "waiting", "wire",
    )  # fmt: skip

    def __init__(self, http: web.BaseRequest, *, id: str, now: float, started: float, policy: Policy) -> None:
        self.http = http
        self.probe: Probing | None = None  # it is a question of the proxy's own
        self.id = id
        self.started_at = now
        self.started = started
        self.policy = policy
        self.path = http.path
        self.api = "openai"
        self.wire: Wire | None = None
        # authenticate, identify, admit, read
        self.client: ClientSettings | None = None
        self.subject = Subject()
        self.app: str | None = None
        self.app_verified = False
        self.user_verified = False
        self.raw = b""
        self.body: Json = None
        self.body_bytes = 0
        self.body_read = True
        self.counted: set[str] = set()  # the limits under which it counts
        self.view: RequestView | None = None
        self.received: RequestView | None = None  # before anything was cut
        self.kept: KeptConversation | None = (
            None  # what the log has of the conversation that its backend keeps
        )
        self._context: Context | None = None
        self.route: Route | None = None
        self.attempts: list[Attempt] = []  # what failed before `route` was asked
        self.resumed = started  # when it began, or was addressed to another version
        self.reach = Reach()
        # contain
        self.level = Level.GUARDED
        self.effective: Effective | None = None
        self.rose = False  # the level, since it was contained
        self.killed: Effective | None = None  # what ended it
        self.stand_in = False  # it is killed, and a backend that is no model answers
        self.task = asyncio.current_task()
        self.waiting = False
        # screen_input
        self.pseudonyms: Pseudonyms | None = None
        self.sent_raw = b""
        self.sent: Json = None
        self.judged: tuple[JudgedText, ...] = ()  # the texts of the request
        self.judged_raw = b""  # in which they stood
        self.findings: list[Finding] = []
        self.scores: dict[str, float] = {}
        self.unscanned: Counter[str] = Counter()
        self.reply_media: tuple[Media, ...] = ()
        self.reply_bytes: list[Json] = []  # of those, where they are kept: {field, data}
        self.failures: list[tuple[str, str]] = []  # rule, and why its detector gave no verdict on a text
        # forward, score_output
        self.begun: asyncio.Future[None] | None = None
        self.upstream: Upstream | None = None
        self.facts = ReplyFacts()
        self.texts: tuple[JudgedText, ...] = ()
        self.passed = bytearray()  # of a reply that no wire reads
        self.passing = 0  # how many bytes of that the client gets
        self.messages: dict[int, str] = {}  # what a choice ends with that was blocked, or cut by the dial
        self.gate: StreamGate | None = None  # of a stream
        self.logged: Json = None  # a large body without its credentials
        self.static: str | None = None  # the whole text of an answer of the proxy's own
        # release, record
        self.answer: Answer | None = None
        self.response: web.StreamResponse | None = None
        self.given: dict[JudgedText, int] = {}  # how much of each text was handed to the client's connection
        self.given_bytes = 0
        self.taken_back = False  # it gets nothing more of the reply
        self.given_messages: dict[int, str] = {}
        self.tail = b""
        self.outcome = Outcome.RELEASED
        self.error: str | None = None
        self.settled = False  # its findings are taken and nothing more can be found
        self.recorded = False
        self.cut = False  # the connection is to end without the wire's own end
        self.sent_at: float | None = None
        self.first_sent_at: float | None = None  # of several attempts
        self.backend_first_byte: float | None = None
        self.backend_seconds: float | None = None
        self.first_byte: float | None = None
        self.guard_s = 0.0

    @property
    def selection(self) -> Selection:
        """What decides which rules are active for it."""
        return Selection(self.level, self.reach.models, self.app)

    @property
    def screened(self) -> tuple[Text, ...]:
        """The texts that its model will read: its own, after those of the conversation that it goes on from."""
        assert self.view is not None
        goes_on = self._goes_on
        return (*goes_on.texts, *self.view.texts) if goes_on is not None else self.view.texts

    @property
    def _goes_on(self) -> KeptConversation | None:
        """What its backend will put before it, where it is sent as one that goes on from that."""
        return self.kept if self.view is not None and self.view.previous is not None else None

    @property
    def context(self) -> Context:
        """What detectors may know of it beside the text that they read."""
        if self.view is None:
            return NO_CONTEXT
        if self._context is None:
            goes_on = self._goes_on
            # Who only asks for a reply says nothing: what counts is what that reply was asked with.
            read = self.screened or (self.kept.texts if self.kept is not None else ())
            texts = [text for text in read if not text.again]
            self._context = Context(
                prompts=tuple(text.value for text in texts if text.channel.kind is Kind.PROMPT),
                messages=self.view.messages + (len(goes_on.items) if goes_on else 0),
                characters=sum(len(text.value) for text in texts),
            )
        return self._context

    @property
    def began(self) -> Level:
        """The level that it runs at (the dial's view of a running exchange)."""
        return self.level

    def tightened(self, effective: Effective) -> None:
        """The dial rose for this exchange while it runs. Called by the dial, on the event loop. What was let out
        before stays; rules act more strictly on all that was not."""
        permits = PERMITS[effective.level]
        if self.killed is not None:
            return
        if permits.serves and (self.allowed or not permits.allow_list):
            self.level, self.rose = effective.level, True
            if self.gate is not None:
                self.gate.tighten(self.policy.plan(Direction.OUTPUT, self.selection))
            return
        self.killed = effective
        if self.waiting and self.task is not None:
            self.task.cancel()

    @property
    def allowed(self) -> bool:
        """Whether the caller is on the list of those who are served at `restricted`: by names that somebody else
        than an unknown caller vouches for."""
        caller = self.subject if self.user_verified else replace(self.subject, user=None)
        return self.policy.containment.restricted.allows(caller, self.app if self.app_verified else None)

    def asks(self, view: RequestView) -> None:
        """This is what is asked from now on."""
        self.view, self._context = view, None

    async def on_backend(self, waited: Awaitable[T]) -> T:
        """Wait for the backend, and no longer than the dial allows. Raises Killed.

        The dial ends the wait by cancelling this task and nothing else: a cancellation from elsewhere (the
        client left) is told apart by the count of requests to cancel, as asyncio.timeout does it.
        """
        turned_before = self.killed
        if turned_before is not None:
            if asyncio.iscoroutine(waited):
                waited.close()
            raise Killed(turned_before)
        self.waiting = True
        try:
            return await waited
        except asyncio.CancelledError:
            effective = self.killed
            if effective is not None and self.task is not None and self.task.uncancel() == 0:
                raise Killed(effective) from None
            raise
        finally:
            self.waiting = False

    def give(self, data: bytes) -> None:
        """These bytes are handed to the client's connection: what the gate has let go of until now is given."""
        self.given_bytes += len(data)
        if self.gate is not None:
            self.given.update(self.gate.let_go)
            self.gate.let_go.clear()
            self.given_messages = dict(self.gate.blocked)

    def take_back(self) -> None:
        """The client gets nothing more of the reply: what was not given to it yet counts as not delivered."""
        self.taken_back = True
        self.messages = self.given_messages
        for text in self.texts:
            text.released = self.given.get(text, 0)
        self.passing = min(self.passing, self.given_bytes)
        self.static = None
        self.tail = b""

    def over(self) -> None:
        """Nobody reads it any more. Its texts and its gate hold it in turn: a cycle would keep them all until the
        collector comes by."""
        self.texts, self.judged, self.gate, self.given = (), (), None, {}

    def backend_done(self, now: float) -> None:
        """The backend has given all that it will."""
        if self.sent_at is not None and self.backend_seconds is None:
            self.backend_seconds = now - self.sent_at

    def take_findings(
        self, texts: Iterable[JudgedText], told: Callable[[JudgedText], Iterable[Finding]]
    ) -> None:
        """What is `told` of these texts belongs to the exchange's record; what failed to look, to the metrics."""
        for text in texts:
            self.findings.extend(told(text))
            self.failures.extend(text.errors)
            for label, score in text.scores.items():
                if score > self.scores.get(label, 0.0):
                    self.scores[label] = score
