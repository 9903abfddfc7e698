"""Sentences scored elsewhere: what the banks make of answers, here by a scorer in this process."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.detect import asked
from proxy.detect.asked import ASKED_MAX, NerBank, TransformerBank
from proxy.detect.base import NO_CONTEXT, Scored, ScorerFailed
from proxy.detect.normalise import Reader, folded
from proxy.detect.pii import PiiEntry
from proxy.detect.sentences import SENTENCE_CHARS_MAX, Sentences
from proxy.detect.toxicity import ToxicityEntry
from tests.detect.support import assert_any_cut_is_the_same, cut, shown, sizes, texts_of, whole


@dataclass(eq=False)
class Question:
    """A ticket; open until it is answered."""

    text: str
    answer: Sequence[Scored] | ScorerFailed | None = None

    def done(self) -> bool:
        return self.answer is not None

    def result(self) -> Sequence[Scored]:
        assert self.answer is not None
        if isinstance(self.answer, ScorerFailed):
            raise self.answer
        return self.answer

    def add_done_callback(self, tell: Callable[[object], object], /) -> object:
        raise AssertionError("the scan does not wait by itself")


@dataclass
class Names:
    """Finds capitalised words as PERSON, and `crash` brings it down. Answers at once unless it is slow."""

    name: str = "names"
    slow: bool = False
    asked: list[Question] = field(default_factory=list)

    def ask(self, text: str) -> Question:
        question = Question(text)
        self.asked.append(question)
        if not self.slow:
            self.answer(question)
        return question

    def answer(self, question: Question) -> None:
        if "crash" in question.text:
            question.answer = ScorerFailed("crashed")
        else:
            found = re.finditer(r"\b[A-Z][a-z]+(?: [A-Z][a-z]+)*", question.text)
            question.answer = [Scored("PERSON", 0.85, *one.span()) for one in found]


def names(scorer: Names | None = None, least: float = 0.5) -> NerBank:
    return NerBank([PiiEntry(0, frozenset({"PERSON"}), least)], scorer or Names())


def sentences(text: str) -> list[str]:
    return [sentence.text for sentence in Sentences(Reader(folded())).push(text, final=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("Dr. J. R. Smith of St. Paul came.", ["Dr. J. R. Smith of St. Paul came."]),
        ("Version 1.2.3 of a.b is out. Good", ["Version 1.2.3 of a.b is out.", "Good"]),
        ("a line\nand another\n\n", ["a line", "and another"]),
        ("今天天气很好。我们去公园。", ["今天天气很好。", "我们去公园。"]),
        ("  \n ", []),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_a_sentence_without_end_is_cut_at_a_clause_else_a_blank_else_where_it_is() -> None:
    clauses = "some words, and " * 200
    assert all(part.endswith((",", "and")) for part in sentences(clauses))
    assert max(map(len, sentences(clauses))) <= SENTENCE_CHARS_MAX
    assert {len(part) for part in sentences("x" * 3 * SENTENCE_CHARS_MAX)} == {SENTENCE_CHARS_MAX}


def test_a_name_at_a_cut_by_force_may_go_on_and_says_so() -> None:
    text = "nobody " * 142 + "Jane Roe"
    text = text[: text.index("Jane")] + "Jane Roe " * 3
    assert any(match.cut for match in whole(names(), text))
    assert not any(match.cut for match in whole(names(), "Jane Roe. " * 300))


PARTS = [
    "Jane",
    "Roe",
    " ",
    ". ",
    ".",
    "? ",
    "!\n",
    "。",
    "\n",
    "\u200b",
    "Ｊane",
    "Dr. ",
    "J. ",
    "x" * 60,
    "word ",
    "é",
    '" ',
]


@given(texts_of(PARTS, 40), sizes())
def test_any_cut_gives_the_same(text: str, pieces: list[int]) -> None:
    assert_any_cut_is_the_same(names(), text, pieces)


@given(
    st.lists(st.sampled_from(["x" * 97, "word, ", " ", "\u200b" * 50, "Jane "]), max_size=40).map("".join),
    sizes(),
)
def test_any_cut_of_a_long_sentence_gives_the_same(text: str, pieces: list[int]) -> None:
    assert_any_cut_is_the_same(names(), text, pieces)


def test_disguises_are_seen_through_and_the_raw_range_is_reported() -> None:
    assert shown(names(), "hello J\u200ban\u00ade Ｒoe!") == ["J\u200ban\u00ade Ｒoe"]


def test_a_score_below_the_rules_least_is_none() -> None:
    assert shown(names(least=0.9), "hello Jane") == []


def test_a_text_is_settled_as_answers_come_and_only_so_many_questions_are_open() -> None:
    scorer = Names(slow=True)
    scan = names(scorer).open(NO_CONTEXT)
    text = "I am Jane. " * 6 + "And so"
    assert scan.feed(text).safe_upto == 0
    assert len(scan.waiting) == len(scorer.asked) == ASKED_MAX
    scorer.answer(scorer.asked[1])
    assert scan.poll().safe_upto == 0, "the first is still open"
    scorer.answer(scorer.asked[0])
    progress = scan.poll()
    assert [(match.start, match.end) for match in progress.matches] == [(5, 9), (16, 20)]
    assert progress.safe_upto == 22
    assert len(scorer.asked) == ASKED_MAX + 2
    for question in scorer.asked:
        scorer.answer(question)
    assert scan.poll().safe_upto == text.index("And so"), "the open sentence is held"
    assert scan.feed("", final=True).safe_upto == text.index("And so")
    scorer.answer(scorer.asked[-1])
    assert scan.poll().safe_upto == len(text)
    assert not scan.waiting


def test_what_stands_before_a_failed_question_is_told_first() -> None:
    scorer = Names(slow=True)
    scan = names(scorer).open(NO_CONTEXT)
    scan.feed("I am Jane. Now crash. Then Joe. ")
    for question in scorer.asked:
        scorer.answer(question)
    progress = scan.poll()
    assert len(progress.matches) == 1
    assert progress.safe_upto == 11
    with pytest.raises(ScorerFailed, match="crashed"):
        scan.poll()


def test_too_much_that_waits_is_a_full_scorer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "WAITING_CHARS_MAX", 100)
    scorer = Names(slow=True)
    scan = names(scorer).open(NO_CONTEXT)
    with pytest.raises(ScorerFailed, match="full"):
        scan.feed("I am Jane. " * 60, final=True)
    assert not scorer.asked, "nothing is asked for a text that cannot be judged"


@dataclass
class Tones:
    """Scores a sentence by its marks: `!` for insult, `?` for threat."""

    name: str = "tones"

    def ask(self, text: str) -> Question:
        marks = {"insult": min(1.0, 0.3 * text.count("!")), "threat": min(1.0, 0.3 * text.count("?"))}
        return Question(text, [Scored(label, score, 0, len(text)) for label, score in marks.items()])


def tones(**thresholds: float) -> TransformerBank:
    return TransformerBank([ToxicityEntry(0, thresholds)], Tones())


def test_each_label_has_its_threshold_and_a_finding_is_its_sentence() -> None:
    text = "All is well. You fool!!! Beware??? Calm!"
    bank = tones(insult=0.8, threat=0.5)
    assert [(found.label, found.start, found.end) for found in whole(bank, text)] == [
        ("insult", 13, 24),
        ("threat", 25, 34),
    ]
    assert shown(tones(insult=0.2), text) == ["You fool!!!", "Calm!"]


def test_the_scores_are_the_highest_of_the_sentences() -> None:
    scan = tones(insult=0.99).open(NO_CONTEXT)
    for piece in cut("Fool!! Fool! What? ", [3]):
        scan.feed(piece)
    scan.feed("", final=True)
    assert scan.scores == {"insult": pytest.approx(0.6), "threat": pytest.approx(0.3)}
