"""The inventory of a running proxy: cards, what is in use, and what is in use without a card."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from proxy.settings import ModelSettings, Version
from tests.fakes import Json, ScriptedBackend
from tests.scenario.harness import QUIET_RULES, Proxy, post, proxy_for
from tests.scenario.test_identity import CHAT, REPLY

MODELS = MappingProxyType(
    {"support": ModelSettings({"v1": Version("main", "gpt-1"), "v2": Version("main", "gpt-2")}, "v2")}
)
CARDS = "cards:\n  - {model: support, version: v2, owner: {team: support-ml, contact: oncall}}\n"


async def ask(proxy: Proxy, model: str) -> None:
    assert (await post(f"{proxy.url}/v1/chat/completions", {**CHAT, "model": model})).status == 200


async def cards(proxy: Proxy) -> Any:
    status, body = await proxy.admin_call("GET", "/cards")
    assert status == 200
    return body


def uncarded(metrics: str) -> set[str]:
    lines = metrics.splitlines()
    return {
        line
        for line in lines
        if line.startswith("guardrail_uncarded_exchanges_total{") and not line.endswith(" 0.0")
    }


async def test_cards_are_joined_with_what_is_in_use(tmp_path: Path) -> None:
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, models=MODELS, rules=QUIET_RULES + CARDS) as proxy,
    ):
        (card,) = (await cards(proxy))["cards"]
        assert (card["model"], card["version"], card["live"]) == ("support", "v2", None)
        assert card["owner"] == {"team": "support-ml", "contact": "oncall"}
        assert "risks" in card["missing"]

        await ask(proxy, "support")
        await ask(proxy, "gpt-2")  # the same model by its backend's name
        body = await cards(proxy)
        live = body["cards"][0]["live"]
        assert live["exchanges"] == 2
        assert live["last_seen"]
        assert live["versions"][0]["sent"] == "gpt-2"
        assert body["without_card"] == []
        assert not uncarded(await proxy.metrics())

        await ask(proxy, "gpt-1")  # a version of the model that the card is not about
        await ask(proxy, "stranger")
        body = await cards(proxy)
        assert [(one["model"], one["exchanges"]) for one in body["without_card"]] == [
            ("stranger", 1),
            ("support", 1),
        ]
        assert uncarded(await proxy.metrics()) == {
            'guardrail_uncarded_exchanges_total{model="support"} 1.0',
            'guardrail_uncarded_exchanges_total{model="other"} 1.0',
        }

        (tmp_path / "rules" / "more.yaml").write_text("cards: [{model: stranger}, {model: support}]\n")
        assert (await proxy.admin_call("POST", "/rules/reload"))[0] == 200
        body = await cards(proxy)
        assert body["without_card"] == []
        assert [one["live"]["exchanges"] for one in body["cards"]] == [1, 3, 2]  # by file
