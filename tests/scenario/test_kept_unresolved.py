"""Conversations that the backend keeps and the log cannot tell of: counted as unscanned, and refused from
`degraded` on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import openai
import pytest

from proxy.errors import LogUnavailable
from proxy.log import request_erasure
from proxy.log.schema import FILE_NAME
from proxy.request import resolve
from tests.scenario.harness import Proxy
from tests.scenario.keeping import Keeper, assistant, chain, client_of, say, sent, talking, user


async def refused(client: openai.AsyncOpenAI, last: str) -> None:
    with pytest.raises(openai.InternalServerError) as error:
        await say(client, "more", previous_response_id=last)
    assert (error.value.status_code, error.value.code) == (503, "contained")
    assert "send its messages themselves" in str(error.value)


async def unscanned_then_refused(proxy: Proxy, client: openai.AsyncOpenAI, last: str) -> None:
    """What every conversation meets that cannot be resolved."""
    await say(client, "more", previous_response_id=last)
    assert (await proxy.finished())["unscanned"] == {"conversation": 1}
    await proxy.dial("degraded")
    await refused(client, last)


async def test_a_reply_that_the_log_does_not_know(tmp_path: Path) -> None:
    async with talking(tmp_path) as (proxy, _, client):
        await unscanned_then_refused(proxy, client, "resp_elsewhere")


async def test_a_chain_of_which_a_link_is_missing(tmp_path: Path) -> None:
    async with talking(tmp_path) as (proxy, _, client):
        last = await chain(client, "one", "two")
        third, _ = await say(client, "three", previous_response_id="resp_elsewhere")
        await unscanned_then_refused(proxy, client, third)
        await proxy.dial("guarded")
        await say(client, "more", previous_response_id=last)
        assert "unscanned" not in await proxy.finished(), "another conversation is as it was"


async def test_a_chain_that_is_longer_than_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.log.conversation.TURNS_MAX", 2)
    async with talking(tmp_path) as (proxy, _, client):
        await unscanned_then_refused(proxy, client, await chain(client, "one", "two", "three"))


async def test_a_stored_prompt_in_an_earlier_turn(tmp_path: Path) -> None:
    async with talking(tmp_path) as (proxy, _, client):
        last, _ = await say(client, "one", prompt={"id": "pmpt_1"})
        await unscanned_then_refused(proxy, client, last)


UNLOGGED = """\
rules:
  - {id: ravens, on: input, detect: {phrases: [raven]}, action: flag, log: redacted}
  - {id: eagles, on: output, detect: {phrases: [eagle]}, action: flag, log: redacted}
"""


@pytest.mark.parametrize(("asked", "said"), [("raven, raven", "fine"), ("fine", "eagle, eagle")])
async def test_a_text_that_the_log_may_not_have(
    asked: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.policy.lane.FINDINGS_MAX", 1)  # a second one is a rule that did not see it all
    async with talking(tmp_path, Keeper(lambda _: said), rules=UNLOGGED) as (proxy, _, client):
        last, _ = await say(client, asked)
        monkeypatch.undo()
        await unscanned_then_refused(proxy, client, last)


async def test_an_erased_conversation(tmp_path: Path) -> None:
    async with talking(tmp_path) as (proxy, _, client):
        last = await chain(client, "one", "two", user="ann")
        await say(client, "more", previous_response_id=last, user="ann")
        assert "unscanned" not in await proxy.finished()
        request_erasure.ask(
            proxy.settings.data_dir / FILE_NAME, "user:ann", actor="test", reason="asked", now_ms=1
        )
        async with asyncio.timeout(20):
            while True:
                _, page = await proxy.admin_call("GET", "/exchanges")
                if not page["exchanges"]:
                    break
                await asyncio.sleep(
                    0.05
                )  # no event of the test's own: the writer takes them out behind its back
        await unscanned_then_refused(proxy, client, last)


async def test_another_client_gets_nothing_of_it(tmp_path: Path) -> None:
    """The backend, which knows the proxy's key only, would give it."""
    async with talking(tmp_path) as (proxy, backend, client), client_of(proxy, "other") as other:
        last = await chain(client, "one", "two")
        asked = len(backend.requests)
        with pytest.raises(openai.BadRequestError) as error:
            await say(other, "and?", previous_response_id=last)
        assert error.value.code == "previous_response_not_found"
        with pytest.raises(openai.NotFoundError):
            await other.responses.retrieve(last)
        assert len(backend.requests) == asked
        assert (await proxy.finished())["outcome"] == "refused"


async def test_another_user_of_the_same_client_gets_nothing_of_it(tmp_path: Path) -> None:
    async with talking(tmp_path) as (proxy, backend, client):
        last = await chain(client, "one", user="ann")
        await proxy.dial("degraded")
        with pytest.raises(openai.InternalServerError):
            await say(client, "and?", previous_response_id=last, user="bob")
        await say(client, "and?", previous_response_id=last, user="ann")
        assert sent(backend)["input"] == [user("one"), assistant("answer 1"), user("and?")]


@pytest.mark.parametrize("how", ["fails", "hangs"])
async def test_a_log_that_does_not_answer(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "RESOLVE_S", 0.05)
    async with talking(tmp_path) as (proxy, _, client):
        last = await chain(client, "one")

        async def unanswered(*args: object) -> None:
            if how == "hangs":
                await asyncio.Event().wait()
            raise LogUnavailable("the log cannot be read")

        monkeypatch.setattr(proxy.app.recorder, "conversation", unanswered)
        await unscanned_then_refused(proxy, client, last)


async def test_a_picture_that_the_log_did_not_keep_cannot_be_sent_again(tmp_path: Path) -> None:
    picture = "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAA" * 40
    parts = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": picture, "detail": "low"},
    ]
    async with talking(tmp_path) as (proxy, _, client):
        last, _ = await say(client, [{"role": "user", "content": parts}])
        await say(client, "and?", previous_response_id=last)
        assert "conversation" not in (await proxy.finished()).get("unscanned", {}), "its texts are known"
        await proxy.dial("degraded")
        await refused(client, last)
