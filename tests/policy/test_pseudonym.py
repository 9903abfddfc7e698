"""Pseudonyms: the same value the same word, nobody else's values back, wherever the reply is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.text import Edit, Replacement
from proxy.policy.pseudonym import PSEUDONYMS_MAX, Pseudonyms

KEY = b"k" * 32


def table(*values: str, owner: str = "ann", key: bytes = KEY) -> Pseudonyms:
    pseudonyms = Pseudonyms(key, ("shop", owner))
    for value in values:
        assert pseudonyms.of("EMAIL_ADDRESS", value) is not None
    return pseudonyms


def name(value: str, owner: str = "ann", key: bytes = KEY) -> str:
    pseudonym = table(owner=owner, key=key).of("EMAIL_ADDRESS", value)
    assert pseudonym is not None
    return pseudonym


def restored(pseudonyms: Pseudonyms, *pieces: str) -> str:
    restorer = pseudonyms.restorer()
    changes: list[Replacement] = []
    before = 0
    for piece in pieces:
        found, safe = restorer.feed(piece)
        assert all(before <= change.start < safe for change in found)
        before = safe
        changes.extend(found)
    changes.extend(restorer.feed("", final=True)[0])
    return Edit(tuple(changes)).apply("".join(pieces))


def test_a_value_has_one_pseudonym_in_every_exchange_of_its_owner() -> None:
    assert name("a@b.example") == name("a@b.example")
    assert name("a@b.example").startswith("<EMAIL_ADDRESS_")
    others = {
        name("c@b.example"),
        name("a@b.example", owner="bob"),
        name("a@b.example", key=b"x" * 32),
        table().of("URL", "a@b.example"),
    }
    assert len(others | {name("a@b.example")}) == 5


def test_an_odd_label_still_makes_a_word() -> None:
    for label in ("äöü", "", "9 lives", "x" * 200):
        pseudonyms = Pseudonyms(KEY, ())
        pseudonym = pseudonyms.of(label, "value")
        assert pseudonym is not None
        assert restored(pseudonyms, f"it is {pseudonym}.") == "it is value."


@pytest.mark.parametrize(
    ("reply", "delivered"),
    [
        ("Mail {0} or {1}!", "Mail a@b.example or c@d.example!"),
        ("{0}{0}", "a@b.examplea@b.example"),
        ("`{0}`", "`a@b.example`"),
        ("without brackets: {bare}.", "without brackets: a@b.example."),
        ("half of them: <{bare} and {bare}>", "half of them: <a@b.example and a@b.example>"),
        ("run on: {bare}0 x{bare} {bare}_", "run on: {bare}0 x{bare} {bare}_"),
        ("cut: {cut}", "cut: {cut}"),
        ("another's: {other}", "another's: {other}"),
        ("<EMAIL_ADDRESS> EMAIL <E", "<EMAIL_ADDRESS> EMAIL <E"),
    ],
)
def test_what_is_restored(reply: str, delivered: str) -> None:
    pseudonyms = table("a@b.example", "c@d.example")
    first, second = name("a@b.example"), name("c@d.example")
    words = {"bare": first[1:-1], "cut": first[:-3], "other": name("a@b.example", owner="bob")}
    reply, delivered = reply.format(first, second, **words), delivered.format(**words)
    assert restored(pseudonyms, reply) == delivered
    assert restored(pseudonyms, *reply) == delivered


WORDS = st.sampled_from(
    [
        *(name("a@b.example"), name("c@d.example"), name("x@y.example"), name("a@b.example")[1:-1]),
        *("<", ">", "E", "EMAIL_ADDRESS_", "_", "x", " ", "<EMAIL_ADDRESS>", "é"),
    ]
)


@given(st.lists(WORDS, max_size=12).map("".join), st.data())
def test_any_cut_restores_the_same(reply: str, data: st.DataObject) -> None:
    pseudonyms = table("a@b.example", "c@d.example")
    cuts = sorted(data.draw(st.sets(st.integers(0, len(reply)))) | {0, len(reply)})
    pieces = [reply[start:end] for start, end in itertools.pairwise(cuts)]
    assert restored(pseudonyms, *pieces) == restored(pseudonyms, reply)


def test_ordinary_words_are_held_only_while_they_may_be_one() -> None:
    restorer = table("a@b.example").restorer()
    safe = [restorer.feed(piece)[1] for piece in ("An ", "E", "gg", " <", "b", ">", " EMAIL_ADDRES", "T")]
    assert safe == [3, 3, 6, 7, 9, 10, 11, 24]


def test_what_the_request_spells_out_itself_is_never_restored() -> None:
    literal = name("a@b.example")
    pseudonyms = Pseudonyms(KEY, ("shop", "ann"))
    pseudonyms.avoid(f"what does {literal} mean?")
    pseudonym = pseudonyms.of("EMAIL_ADDRESS", "a@b.example")
    assert pseudonym is not None
    assert pseudonym != literal
    assert restored(pseudonyms, f"{literal} is not {pseudonym}") == f"{literal} is not a@b.example"


def test_values_beyond_the_bound_get_none() -> None:
    pseudonyms = table(*(f"a{number}@b.example" for number in range(PSEUDONYMS_MAX)))
    assert pseudonyms.of("EMAIL_ADDRESS", "one@more.example") is None
    assert pseudonyms.of("EMAIL_ADDRESS", "a0@b.example") == name("a0@b.example")
