"""The dial is turned while exchanges run: what each level does to them, on every wire; and to 200 at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from pydantic import SecretStr

from proxy.request.scan import judge_texts
from proxy.settings import ClientSettings
from tests.clients import openai_client
from tests.fakes import Action, Chunk, Json, Pause, ReceivedRequest, ScriptedBackend, Sse
from tests.fakes.actions import End
from tests.fakes.strict import strict
from tests.scenario.harness import Proxy, proxy_for
from tests.scenario.speaking import SPOKEN, SYSTEM, Answer, Spoken, answer_of
from tests.scenario.test_levels import CLIENTS, PROMPT, RULES, STATIC
from tests.waits import within

SHOWN, HELD, REST = "All is well. ", "The falc", "on flies."
STREAMS = 200


async def turned_while_it_speaks(
    proxy: Proxy, backend: ScriptedBackend, wire: Spoken, level: str, who: str, go_on: asyncio.Event
) -> Answer:
    """The answer of a stream during which the dial is turned, as soon as its first text was heard."""
    turned = False

    async def heard(text: str) -> None:
        nonlocal turned
        if text and not turned:
            turned = True
            await proxy.dial(level)
            go_on.set()

    return await wire.ask(proxy.url, f"{who}-key", True, heard)


def halved(wire: Spoken, go_on: asyncio.Event) -> list[Action]:
    """The reply, with a wait behind its second piece."""
    frames = wire.frames([SHOWN, HELD, REST])
    after = next(n for n, frame in enumerate(frames) if HELD.encode() in frame) + 1
    return [Sse(frames[:after], end=False), Pause(go_on), *(Chunk(frame) for frame in frames[after:]), End()]


@pytest.mark.parametrize("wire", SPOKEN, ids=str)
@pytest.mark.parametrize(
    ("level", "who", "text", "outcome"),
    [
        ("guarded", "other", f"{SHOWN}{HELD}{REST}", "released"),
        ("degraded", "other", f"{SHOWN}The <PHRASE> flies.", "redacted"),
        ("restricted", "shop", f"{SHOWN}The <PHRASE> flies.", "redacted"),
        ("restricted", "other", f"{SHOWN}{STATIC}", "contained"),
        ("killed", "shop", f"{SHOWN}{STATIC}", "killed"),
    ],
    ids=["guarded", "degraded", "restricted", "restricted, not on the list", "killed"],
)
async def test_a_stream(wire: Spoken, level: str, who: str, text: str, outcome: str, tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with (
        ScriptedBackend(halved(wire, go_on)) as backend,
        proxy_for(tmp_path, backend.url, rules=RULES, clients=CLIENTS) as proxy,
    ):
        answer = await turned_while_it_speaks(proxy, backend, wire, level, who, go_on)
        record = await proxy.finished()
    assert answer == Answer(text, wire.filtered if STATIC in text else wire.done)
    assert (record["outcome"], record["level"]) == (outcome, level)
    delivered = record["response"].get("delivered", record["response"]["received"])
    assert delivered == text
    assert record["response"]["received"].startswith(SHOWN + HELD)


@pytest.mark.parametrize("wire", SPOKEN, ids=str)
async def test_without_a_static_message_a_stream_of_who_is_not_on_the_list_ends_in_an_error(
    wire: Spoken, tmp_path: Path
) -> None:
    go_on = asyncio.Event()
    rules = RULES.replace("reply: static", "reply: error")
    async with (
        ScriptedBackend(halved(wire, go_on)) as backend,
        proxy_for(tmp_path, backend.url, rules=rules, clients=CLIENTS) as proxy,
    ):
        if wire.name == "responses":
            answer = await turned_while_it_speaks(proxy, backend, wire, "restricted", "other", go_on)
            assert answer == Answer(SHOWN, "failed")
        else:
            with pytest.raises((openai.APIError, anthropic.APIError), match="operators"):
                await turned_while_it_speaks(proxy, backend, wire, "restricted", "other", go_on)
        record = await proxy.finished()
    assert (record["outcome"], record["response"]["delivered"]) == ("contained", SHOWN)


@pytest.mark.parametrize("wire", SPOKEN, ids=str)
@pytest.mark.parametrize(
    ("level", "text"),
    [("degraded", "The <PHRASE> flies."), ("restricted", None), ("killed", STATIC)],
)
async def test_a_whole_reply_that_is_waited_for(
    wire: Spoken, level: str, text: str | None, tmp_path: Path
) -> None:
    go_on = asyncio.Event()
    reply = Json(wire.whole(f"{HELD}{REST}"))
    async with (
        ScriptedBackend([Pause(go_on), reply]) as backend,
        proxy_for(tmp_path, backend.url, rules=RULES, clients=CLIENTS) as proxy,
    ):
        asking = asyncio.ensure_future(answer_of(wire.ask(proxy.url, "other-key", False, None)))
        await backend.received(1)
        await proxy.dial(level)
        go_on.set()
        answer = await asking
        record = await proxy.finished()
    assert record["level"] == level
    if text is None:
        assert answer.status == 503
        assert record["outcome"] == "contained"
    else:
        assert answer == Answer(text, wire.filtered if level == "killed" else wire.done)


async def test_what_was_found_in_text_that_waits_is_held_to_the_stricter_rule(tmp_path: Path) -> None:
    """The finding was told, a flag, before the dial was turned; its frame waits for another choice."""
    rules = """\
rules:
  - {id: falcons, on: output, detect: {phrases: [falcon]}, action: flag, levels: {degraded: block}, message: No.}
  - {id: mail, on: output, detect: {pii: {entities: [EMAIL_ADDRESS]}}, action: redact}
"""

    def chunk(index: int, text: str, finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
        body = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    go_on = asyncio.Event()
    first = [chunk(0, "Well. "), chunk(1, "jane@exam"), chunk(0, "The falcon flies. ")]
    rest = [chunk(1, "ple is here."), chunk(0, "", "stop"), chunk(1, "", "stop"), b"data: [DONE]\n\n"]
    async with (
        ScriptedBackend(
            [Sse(first, end=False), Pause(go_on), *(Chunk(frame) for frame in rest), End()]
        ) as backend,
        proxy_for(tmp_path, backend.url, rules=rules) as proxy,
        openai_client(proxy.url, max_retries=0) as client,
    ):
        texts, ends = ["", ""], ["", ""]
        stream = await client.chat.completions.create(
            model="m", n=2, stream=True, messages=[{"role": "user", "content": "hi"}]
        )
        async for got in stream:
            (choice,) = got.choices
            texts[choice.index] += choice.delta.content or ""
            ends[choice.index] = choice.finish_reason or ends[choice.index]
            if not go_on.is_set():
                await proxy.dial("degraded")
                go_on.set()
        assert texts == ["Well. The No.", "jane@example is here."]
        assert ends == ["content_filter", "stop"]


async def test_a_request_that_is_still_judged_goes_out_as_the_new_level_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dial is turned between the step that asks it and the one that asks the backend."""
    judging, go_on = asyncio.Event(), asyncio.Event()
    judged = 0

    async def slowly(*args: Any) -> None:
        nonlocal judged
        judged += 1
        judging.set()
        await go_on.wait()
        await judge_texts(*args)

    monkeypatch.setattr("proxy.request.screen_input.judge_texts", slowly)
    rules = RULES.replace(
        "rules:\n", "rules:\n  - {id: in, on: input, detect: {phrases: [one]}, action: flag}\n"
    )
    async with (
        ScriptedBackend(strict([Json(SPOKEN[0].whole("Hi."))])) as backend,
        proxy_for(tmp_path, backend.url, rules=rules, clients=CLIENTS) as proxy,
    ):
        asking = asyncio.ensure_future(answer_of(SPOKEN[0].ask(proxy.url, "shop-key", False, None)))
        await within(judging.wait(), asking)
        await proxy.dial("degraded")
        go_on.set()
        assert (await asking).text == "Hi."
        record = await proxy.finished()
    sent: Any = backend.requests[0].json
    assert sent["messages"][0] == {"role": "system", "content": f"{PROMPT}\n\n{SYSTEM}"}
    assert (record["level"], record["request"]["sent"], judged) == ("degraded", sent, 2)
    assert record["findings"] == [], "what was found in the part that was cut is not sent"


@pytest.mark.parametrize("level", ["degraded", "restricted", "killed"])
async def test_two_hundred_streams_are_cut_or_finished_as_the_level_says(level: str, tmp_path: Path) -> None:
    go_on = asyncio.Event()
    wires = {wire.path: wire for wire in SPOKEN}

    def reply(request: ReceivedRequest) -> Sequence[Action]:
        return halved(wires[request.path], go_on)

    clients = (*CLIENTS, ClientSettings("third", None, SecretStr("third-key")))
    async with (
        ScriptedBackend(reply) as backend,
        proxy_for(tmp_path, backend.url, rules=RULES, clients=clients, timeout_s=60) as proxy,
    ):
        loop = asyncio.get_running_loop()
        speaking = 0
        all_speak = asyncio.Event()
        turned_at = 0.0
        ends: list[float] = []

        async def one(number: int) -> tuple[Answer, str, Spoken]:
            heard_any = False

            async def heard(text: str) -> None:
                nonlocal speaking, heard_any
                if text and not heard_any:
                    heard_any = True
                    speaking += 1
                    if speaking == STREAMS:
                        all_speak.set()

            wire, who = SPOKEN[number % len(SPOKEN)], ("shop", "other", "third")[number % 3]
            answer = await wire.ask(proxy.url, f"{who}-key", True, heard)
            if answer.text.endswith(STATIC):
                ends.append(loop.time() - turned_at)
            return answer, who, wire

        asking = [asyncio.ensure_future(one(number)) for number in range(STREAMS)]
        await within(all_speak.wait(), *asking)
        turned_at = loop.time()
        await proxy.dial(level)
        go_on.set()
        for answer, who, wire in await asyncio.gather(*asking):
            is_cut = level == "killed" or (level == "restricted" and who != "shop")
            text = f"{SHOWN}{STATIC}" if is_cut else f"{SHOWN}The <PHRASE> flies."
            assert answer == Answer(text, wire.filtered if is_cut else wire.done)
        if ends:
            ends.sort()
            print(f"{level}: {len(ends)} streams cut, p50 {ends[len(ends) // 2]:.3f} s, p99 {ends[-2]:.3f} s")
