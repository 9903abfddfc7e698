"""What tripwires do, with a real dial on a real file and time that the test turns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import MappingProxyType

import pytest

from proxy.dial.control import Dial
from proxy.dial.restraint import Kind
from proxy.dial.restraint_turn import restrain
from proxy.dial.setting import Actor
from proxy.dial.state import SqliteDialStore
from proxy.metrics import Metrics
from proxy.model.card import Card, Owner
from proxy.model.level import Level
from proxy.model.observation import Metric, Observation
from proxy.model.record import Json
from proxy.model.subject import Reach
from proxy.model.tripwire import (
    BlockCaller,
    LimitCaller,
    Margin,
    Per,
    Reaction,
    RollBack,
    Stat,
    State,
    Tripwire,
    TurnDial,
)
from proxy.respond.alerts import Alerts
from proxy.respond.notice import Notice
from proxy.respond.responder import Responder
from proxy.scopes import Scope
from proxy.settings import ModelSettings, Version
from proxy.watch.watch import Watch
from tests.watch.support import LOOK_S, MIDNIGHT, Uncarded, at, clock, seen, tripwire
from tests.watch.test_tripwires import TOXIC, night

SCOPE = Scope.parse("model:support-bot")
PERSON = Actor.person("oncall")
MODELS = MappingProxyType(
    {"support-bot": ModelSettings({"v1": Version("main", "gpt-1"), "v2": Version("main", "gpt-2")}, "v2")}
)
CARD = Card(
    "support-bot", "v2", Owner("support-ml", "oncall"), base_model="gpt-test", risks=("promises refunds",)
)


class Clock:
    now = MIDNIGHT

    def __call__(self) -> float:
        return self.now


class Told(Alerts):
    """Keeps what there is to tell."""

    def __init__(self, clock: Clock) -> None:
        super().__init__((), Metrics((), ()), clock=clock)
        self.notices: list[Notice] = []

    def tell(self, notice: Notice) -> None:
        self.notices.append(notice)


class Node:
    """The parts of a proxy that tripwires need; `restart` makes them anew from what is on disk."""

    def __init__(self, folder: Path, *tripwires: Tripwire) -> None:
        self.folder = folder
        self.tripwires = tripwires
        self.clock = Clock()
        self.alerts = Told(self.clock)
        self.told = self.alerts.notices

    async def start(self) -> None:
        self.watch = Watch(Uncarded())
        self.watch.take((CARD,), self.tripwires, self.clock())
        self.dial = Dial(SqliteDialStore(self.folder / "dial.sqlite3"), clock=self.clock)
        await self.dial.start()
        self.responder = Responder(
            self.watch, self.dial, MODELS, self.folder / "watch.json", clock=self.clock, alerts=self.alerts
        )
        await self.responder.start()

    async def stop(self) -> None:
        await self.responder.stop()
        await self.dial.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def run(self, until: float, *observations: Observation, crash: float | None = None) -> None:
        """Exchanges as they end, and a look every five seconds."""
        coming = list(observations)
        while self.clock.now < until:
            self.clock.now += LOOK_S
            while coming and coming[0].at <= self.clock.now:
                self.watch.observe(coming.pop(0))
            await self.responder.round()
            if crash is not None and self.clock.now >= crash:
                crash = None
                await self.dial.stop()  # the responder says nothing more
                await self.start()

    def level(self) -> Level:
        return self.dial.effective(Reach(frozenset(("support-bot",)))).level

    @property
    def kinds(self) -> list[str]:
        return [f"{one.kind} {one.about} {one.value}".strip() for one in self.dial.restraints()]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    made = Node(tmp_path)
    yield made
    await made.stop()


def firing(*then: Reaction, per: Per = Per.MODEL, **changes: object) -> Tripwire:
    return tripwire(for_s=0, min_samples=5, window_s=300, keep_firing_s=60, per=per, then=then, **changes)


def bad(now: float, count: int = 10) -> list[Observation]:
    return [seen(now + n, toxicity=0.9) for n in range(count)]


def good(now: float, count: int = 100) -> list[Observation]:
    return [seen(now + 4 * n, toxicity=0.01) for n in range(count)]


@pytest.mark.parametrize("restart", ["none", "clean", "crash"])
async def test_the_night_of_the_mission(node: Node, restart: str) -> None:
    """Toxic at 03:02, pending at once, firing and the dial turned at 03:17, undone after the recovery; a restart at
    03:10 changes nothing."""
    node.tripwires = (tripwire(then=(TurnDial(Level.DEGRADED, 7200),)),)
    node.clock.now = at("02:30")
    await node.start()
    await node.run(at("03:10"), *night(at("02:30"), at("03:10"), TOXIC))
    assert node.watch.standing("toxicity-sustained", "model:support-bot") is State.PENDING
    if restart == "clean":
        await node.restart()
    crash = at("03:10") if restart == "crash" else None
    await node.run(at("03:30"), *night(at("03:10"), at("03:30"), TOXIC), crash=crash)
    (fired,) = node.told
    assert fired.turned.fires
    assert clock(fired.turned.began)[:5] == "03:02"
    assert clock(fired.turned.at)[:5] == "03:17"
    assert fired.done == ("model:support-bot is set to degraded for 2h",)
    text = fired.text()
    for part in ("owner: support-ml", "contact: oncall", "risks: promises refunds", "rather a broken model"):
        assert part in text
    reason = '--reason "toxicity-sustained"'
    assert f"guardrail-proxy dial set killed --scope model:support-bot {reason} --ttl 1h" in text
    assert f"guardrail-proxy rollback set support-bot v1 {reason} --ttl 12h" in text
    assert node.level() is Level.DEGRADED
    changes = [one.change for one in await node.dial.changes(10)]
    assert [(str(one.actor), one.action, one.scope, one.after) for one in changes] == [
        ("tripwire:toxicity-sustained", "dial.set", "model:support-bot", "degraded")
    ]

    await node.restart()
    assert node.level() is Level.DEGRADED
    await node.run(at("04:40"), *night(at("03:30"), at("04:40"), TOXIC))
    relaxed = node.told[-1]
    assert [one.turned.fires for one in node.told] == [True, False]
    assert "04:24" <= clock(relaxed.turned.at)[:5] <= "04:26"
    assert relaxed.done == ("model:support-bot is not held by this tripwire any more",)
    assert node.level() is Level.GUARDED


async def test_a_persons_setting_stays_and_the_stricter_holds(node: Node) -> None:
    node.tripwires = (firing(TurnDial(Level.KILLED, 600)),)
    await node.start()
    await node.dial.set(SCOPE, Level.GUARDED, actor=PERSON, reason="looked")
    await node.run(MIDNIGHT + 20, *bad(MIDNIGHT + 6))
    assert node.level() is Level.KILLED
    node.clock.now += 600
    assert node.level() is Level.GUARDED
    assert [str(one.actor) for one in node.dial.snapshot().settings] == ["oncall"]


async def test_what_a_person_took_back_stays_so_until_it_was_well(node: Node) -> None:
    node.tripwires = (firing(TurnDial(Level.KILLED, None)),)
    await node.start()
    await node.run(MIDNIGHT + 20, *bad(MIDNIGHT + 6))
    await node.dial.clear(SCOPE, actor=PERSON, reason="a false alarm")
    await node.run(MIDNIGHT + 60, *bad(MIDNIGHT + 21, 30))
    assert node.level() is Level.GUARDED
    await node.run(MIDNIGHT + 900, *good(MIDNIGHT + 60, 200))
    assert node.told[-1].turned.fires is False
    await node.run(MIDNIGHT + 920, *bad(MIDNIGHT + 901, 30))
    assert node.level() is Level.KILLED


async def test_who_turns_the_dial_while_a_breach_is_young_silences_it(node: Node) -> None:
    node.tripwires = (tripwire(for_s=60, min_samples=5, then=(TurnDial(Level.KILLED, None),)),)
    await node.start()
    await node.run(MIDNIGHT + 20, *bad(MIDNIGHT + 6))
    node.clock.now += 1
    await node.dial.set(SCOPE, Level.GUARDED, actor=PERSON, reason="looking into it")
    await node.run(MIDNIGHT + 100, *bad(MIDNIGHT + 22, 70))
    (fired,) = node.told
    assert fired.done == (
        "model:support-bot was left as it is: a person has turned it since the breach began",
    )
    assert node.level() is Level.GUARDED


async def test_a_caller_is_blocked_and_limited_and_let_go(node: Node) -> None:
    node.tripwires = (firing(BlockCaller(3600), LimitCaller("5/minute", None), per=Per.USER),)
    await node.start()
    await node.run(MIDNIGHT + 20, *bad(MIDNIGHT + 6))
    assert node.kinds == ["block user:u1", "limit user:u1 5/minute"]
    assert "guardrail-proxy block add user:u1" in node.told[0].text()
    await node.run(MIDNIGHT + 900, *good(MIDNIGHT + 21, 200))
    assert node.kinds == []
    assert len(node.told[-1].done) == 2


async def test_others_blocks_are_left_alone(node: Node) -> None:
    node.tripwires = (firing(BlockCaller(None), per=Per.USER),)
    await node.start()
    await restrain(node.dial, Kind.BLOCK, "user:u1", actor=PERSON, reason="known")
    await node.run(MIDNIGHT + 20, *bad(MIDNIGHT + 6))
    assert node.told[0].done == ("user:u1 is blocked already",)
    await node.run(MIDNIGHT + 900, *good(MIDNIGHT + 21, 200))
    assert node.kinds == ["block user:u1"]


@pytest.mark.parametrize(
    ("version", "done", "holds"),
    [
        ("v1", "support-bot is served as v1 for 1h", ["rollback support-bot v1"]),
        ("v2", "support-bot is served as v2 already", []),
        ("v9", "FAILED: rolling support-bot back: the settings have no version v9 of it", []),
    ],
)
async def test_a_model_is_rolled_back_and_forward(
    node: Node, version: str, done: str, holds: list[str]
) -> None:
    node.tripwires = (firing(RollBack(version, 3600)),)
    await node.start()
    await node.run(MIDNIGHT + 20, *bad(MIDNIGHT + 6))
    assert (node.told[0].done, node.kinds) == ((done,), holds)
    await node.run(MIDNIGHT + 900, *good(MIDNIGHT + 21, 200))
    assert node.kinds == []


async def test_a_tripwire_that_went_with_its_rule_file_lets_go(node: Node) -> None:
    node.tripwires = (firing(TurnDial(Level.KILLED, None)),)
    await node.start()
    await node.run(MIDNIGHT + 20, *bad(MIDNIGHT + 6))
    assert node.level() is Level.KILLED
    node.watch.take((), (), node.clock())
    await node.run(MIDNIGHT + 25)
    assert node.level() is Level.GUARDED
    assert node.told[-1].turned.why == "the tripwire was changed or removed"


async def test_a_tripwire_that_went_while_the_proxy_was_down_lets_go(node: Node) -> None:
    node.tripwires = (firing(TurnDial(Level.KILLED, None)),)
    await node.start()
    await node.run(MIDNIGHT + 20, *bad(MIDNIGHT + 6))
    node.tripwires = ()
    await node.restart()
    assert node.level() is Level.GUARDED


@pytest.mark.parametrize("file", ["watch.json", "baselines.json"])
@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"format": 1}', b"\xff", b'{"format": 1, "grids": [3], "learned": 3}']
)
async def test_a_state_that_cannot_be_read_starts_afresh(node: Node, raw: bytes, file: str) -> None:
    node.tripwires = (firing(TurnDial(Level.KILLED, None)),)
    (node.folder / file).write_bytes(raw)
    await node.start()
    await node.run(MIDNIGHT + 20, *bad(MIDNIGHT + 6))
    assert node.level() is Level.KILLED


async def test_a_disk_that_takes_nothing_stops_nothing(node: Node) -> None:
    node.tripwires = (firing(TurnDial(Level.KILLED, None)),)
    await node.start()
    (node.folder / "watch.part").mkdir()
    await node.run(MIDNIGHT + 40, *bad(MIDNIGHT + 6))
    assert node.level() is Level.KILLED
    (node.folder / "watch.part").rmdir()


async def test_what_was_learned_outlives_the_process(node: Node) -> None:
    learns = tripwire(id="learns", above=None, above_baseline=Margin(4, 10), min_samples=3)
    node.tripwires = (tripwire(id="fixed", above=0.9), learns)
    await node.start()
    await node.run(MIDNIGHT + 2000, *good(MIDNIGHT, 500))
    samples = [one.limits.learned for one in node.watch.standings(node.clock())]
    assert samples[1] > 200
    await node.restart()
    assert [one.limits.learned for one in node.watch.standings(node.clock())] == samples


async def test_one_caller_looks_like_an_attack(node: Node) -> None:
    node.tripwires = (firing(metric=Metric.SECRET_RATE, stat=Stat.RATE, above=0.2),)
    await node.start()
    await node.run(MIDNIGHT + 20, *(seen(MIDNIGHT + 6 + n, secret_rate=1.0) for n in range(10)))
    notice = node.told[0]
    assert "all of it from one caller, user:u1: rather an attack than a broken model" in notice.text()
    told: dict[str, Json] = notice.as_json()
    assert (told["status"], told["per"], told["callers"]) == (
        "firing", "model:support-bot", [{"subject": "user:u1", "samples": 5}],
    )  # fmt: skip
