"""What passes as a name, an id or filling: what model servers make up, and nothing with the digits of a card."""

from __future__ import annotations

import random
import string
import uuid

import pytest

from proxy.model.level import Action
from proxy.wire.plain import is_name, is_padding
from tests.wire.catalogue import STREAMS
from tests.wire.samples import chat_chunk, delta, event
from tests.wire.samples_responses import Events, response
from tests.wire.test_through_the_gate import seeker, through

STREAM = {sample.name: sample for sample in STREAMS}
CARD = "4111-1111-1111-1111"


@pytest.mark.parametrize(
    "name",
    [
        "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
        "chatcmpl-550e8400-e29b-41d4-a716-446655440000",
        "cmpl-9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        "resp_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b",
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "gen-1741569952-AbCdEfGhIjKl",
        "call_4FzK9pQ2",
        "fp_44709d6fcb",
        "gpt-4o-mini-2024-07-18",
        "claude-3-5-sonnet-20241022",
        "meta-llama/Llama-3.1-8B-Instruct",
        "gpt-3.5-turbo-16k-0613",
        "1024x1024",
        "content_filter",
        "",
    ],
)  # fmt: skip
def test_what_model_servers_make_up_is_a_name(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    [
        CARD, "4111111111111111", "4111.1111.1111.1111", "call_4111--1111--1111--1111", "tel-212-555-01234",
        "412-34-5678", "41111111-1111-1111-8111-aaaaaaaaaaaa", "2125550123-550e8400-e29b-41d4-a716-446655440000",
        "GB82WEST12345698765432", "AKIAQYLPMN5HHHFPZAM2", "a b", "a@b.example", "x" * 65,
    ],
)  # fmt: skip
def test_what_belongs_to_somebody_is_none(name: str) -> None:
    assert not is_name(name)


def test_nearly_every_id_and_most_filling_is_plain() -> None:
    dice = random.Random(7)
    ids = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(4000)]
    assert sum(map(is_name, ids)) > 0.99 * len(ids)
    letters = string.ascii_letters + string.digits
    filling = ["".join(dice.choices(letters, k=dice.randrange(17))) for _ in range(4000)]
    assert sum(map(is_padding, filling)) > 0.85 * len(filling)


@pytest.mark.parametrize(
    "filling",
    ["zebra", "TANGO", "projectFalcon", "AKIAQYLPMN5HHHFPZAM2", "41111", "a" * 33, "x y", "tangowhiskey"],
)
def test_a_word_or_a_number_is_no_filling(filling: str) -> None:
    assert not is_padding(filling)


KEYS = ["item_id", "quality", "size", "background", "output_format", "obfuscation"]


@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK])
@pytest.mark.parametrize("key", KEYS)
def test_a_card_is_found_where_a_response_event_names_things(key: str, action: Action) -> None:
    for value in (CARD, CARD.replace("-", "")):
        events = Events()
        events.add("created", {"response": response([], "in_progress")})
        events.add("output_text.delta", {"output_index": 0, "content_index": 0, "delta": "z", key: value})
        out = through(STREAM["responses"], [events.out], seeker(value, action))
        assert value.encode() not in out


@pytest.mark.parametrize("key", ["id", "model", "system_fingerprint", "service_tier", "object"])
def test_a_card_is_found_in_the_names_of_a_chunk(key: str) -> None:
    raw = event({**chat_chunk([delta({"content": "z"})]), key: CARD})
    assert CARD.encode() not in through(STREAM["chat"], [raw], seeker(CARD, Action.REDACT))


def test_a_key_in_filling_is_found() -> None:
    raw = event({**chat_chunk([delta({"content": "z"})]), "obfuscation": "AKIAQYLPMN5HHHFPZAM2"})
    out = through(STREAM["chat"], [raw], seeker("AKIAQYLPMN5HHHFPZAM2", Action.REDACT))
    assert b"AKIA" not in out
