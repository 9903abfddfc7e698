"""The lexical engine: profanity_check's own numbers, and findings that wait no longer than they must."""

from __future__ import annotations

import io
import pickle
import random
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from profanity_check import predict_prob

from proxy.detect import lexicon
from proxy.detect.base import NO_CONTEXT
from proxy.detect.lexicon import LexicalModel, LexiconError
from proxy.detect.toxicity import LABELS, SENTENCE_CHARS_MAX, ToxicityBank, ToxicityEntry
from tests.detect.support import HARMLESS, assert_any_cut_is_the_same, shown, sizes, texts_of, whole

MODEL = LexicalModel.load()
BANK = ToxicityBank(
    [ToxicityEntry(0, {"toxicity": 0.8}), ToxicityEntry(1, {"toxicity": 0.5, "threat": 0.1})], MODEL
)
STRICT = ToxicityBank([ToxicityEntry(0, {"toxicity": 0.8})], MODEL)


def texts() -> list[str]:
    rng = random.Random(11)
    words = [*MODEL.words, "zzz", "a", "I", "the", "don't", "e-mail"]
    made = [" ".join(rng.choices(words, k=rng.randint(0, 60))) for _ in range(200)]
    return [
        *made,
        "",
        "!!!",
        "You stupid idiot.",
        "Have a nice day",
        "Fuck fuck fuck you",
        *HARMLESS.values(),
    ]


def test_scores_are_those_of_profanity_check() -> None:
    made = texts()
    for text, expected in zip(made, predict_prob(made), strict=True):
        assert MODEL.score(text) == pytest.approx(float(expected), abs=1e-9)


def test_scores_come_at_least_fifty_times_as_fast() -> None:
    text = "The harbour was quiet that morning, and the boats lay side by side, you stupid idiot."

    def best(score: object, times: int) -> float:
        assert callable(score)
        runs = []
        for _ in range(times):
            begun = time.perf_counter()
            score()
            runs.append(time.perf_counter() - begun)
        return min(runs)

    assert best(lambda: MODEL.score(text), 50) * 50 < best(lambda: predict_prob([text]), 10)


def test_the_weights_are_read_without_scikit_learn() -> None:
    code = (
        "import sys; from proxy.detect.lexicon import LexicalModel\n"
        "print(LexicalModel.load().score('idiot') > 0.9)\n"
        "print([n for n in ('sklearn', 'scipy', 'joblib', 'numpy', 'profanity_check') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["True", "[]"]


def test_a_pickle_with_anything_else_in_it_is_refused() -> None:
    stream = io.BytesIO(pickle.dumps(subprocess.Popen))
    with pytest.raises(pickle.UnpicklingError, match="does not belong here"):
        lexicon._Unpickler(stream).load()


def test_missing_weights_are_an_error_with_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon, "find_spec", lambda name: None)
    with pytest.raises(LexiconError, match="not installed"):
        LexicalModel.load()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("You are a stupid idiot, my friend. Have a nice day.", ["stupid idiot"]),
        ("Have a nice day. What a stupid idiot! Bye.", ["stupid idiot"]),
        ("You ｓｔuрid idі\u200bot", ["ｓｔuрid idі\u200bot"]),
        ("Have a nice day, the ferry comes at noon.", []),
        ("You fuck\nThe ferry comes at noon", ["fuck"]),
        ("e.g. this is fine. Shut up, asshole!", ["Shut up, asshole"]),
    ],
)
def test_a_finding_runs_from_the_first_strong_word_to_the_last(text: str, found: list[str]) -> None:
    assert shown(STRICT, text) == found


@pytest.mark.parametrize("language", HARMLESS)
def test_harmless_text_of_other_scripts_is_harmless(language: str) -> None:
    assert shown(STRICT, HARMLESS[language]) == []


def test_the_score_is_the_highest_of_the_sentences_and_the_whole() -> None:
    text = "The ferry comes at noon. You stupid idiot. Have a nice day."
    scan = STRICT.open(NO_CONTEXT)
    scan.feed(text, final=True)
    parts = [MODEL.score(part) for part in [*text.split(". "), text]]
    assert scan.scores == {"toxicity": pytest.approx(max(parts))}


def test_each_rule_has_its_threshold_and_other_labels_are_never_met() -> None:
    matches = whole(BANK, "What a lousy crook.")
    assert {match.rule for match in matches if match.score >= 0.8} <= {0, 1}
    only_threat = ToxicityBank([ToxicityEntry(0, {"threat": 0.0})], MODEL)
    assert whole(only_threat, "You stupid idiot.") == ()
    assert "toxicity" in LABELS


def test_prose_flows_and_a_strong_word_is_held_until_its_sentence_ends() -> None:
    scan = STRICT.open(NO_CONTEXT)
    text = "The ferry comes at noon and you idiot know that well. Fine"
    safe = [scan.feed(char).safe_upto for char in text]
    assert safe[text.index(" comes")] >= text.index("ferry")
    until = text.index(". Fine")
    assert set(safe[text.index("idiot") + 6 : until]) == {text.index("idiot")}
    assert safe[until + 1] == until + 2


def test_a_sentence_without_end_is_judged_at_the_bound() -> None:
    long = "idiot " + "harbour " * 400
    scan = STRICT.open(NO_CONTEXT)
    held = 0
    for at, char in enumerate(long, 1):
        held = max(held, at - scan.feed(char).safe_upto)
    assert SENTENCE_CHARS_MAX - 10 <= held <= SENTENCE_CHARS_MAX + 1


def test_what_only_the_whole_text_crosses_stands_on_its_last_sentence() -> None:
    mild = [word for word, at in MODEL.words.items() if 5.0 < at.pull < 9.0 and word.isalpha()]
    rng = random.Random(5)
    for _ in range(400):
        sentences = [" ".join(rng.choices([*mild, "thanks", "please"], k=3)) for _ in range(6)]
        text = ". ".join(sentences) + "."
        highest = max(map(MODEL.score, sentences))
        total = MODEL.score(text)
        if total > highest + 0.02:
            bank = ToxicityBank([ToxicityEntry(0, {"toxicity": (total + highest) / 2})], MODEL)
            (match,) = assert_any_cut_is_the_same(bank, text, [1])
            assert match.score == pytest.approx(total)
            assert match.start >= text.rindex(sentences[-1])
            return
    pytest.fail("no such text was found")


PARTS = [
    "you ",
    "are",
    " a ",
    "stupid",
    "idiot",
    "fuck",
    "hello ",
    "friend",
    "Day",
    "pig",
    ". ",
    "! ",
    "?",
    "\n",
]
PARTS += ["...", '." ', " ", "  ", "x" * 300, "ｆuck", "s\u200btupid", "\u200b" * 400, "weak", "nine ", "a.b"]


@settings(deadline=None, max_examples=120)
@given(text=texts_of(PARTS), sizes=sizes())
def test_any_cut_is_the_same(text: str, sizes: list[int]) -> None:
    assert_any_cut_is_the_same(BANK, text, sizes)


def test_each_word_is_scored_once() -> None:
    scan = STRICT.open(NO_CONTEXT)
    words = 0
    inner = scan._add

    def counting(sentence: list[str]) -> float:
        nonlocal words
        words += len(sentence)
        return inner(sentence)

    class Counted(type(scan)):  # type: ignore[misc]
        __slots__ = ()
        _add = staticmethod(counting)

    scan.__class__ = Counted
    for _ in range(500):
        for piece in ("The fer", "ry com", "es at noon. "):
            scan.feed(piece)
    scan.feed("", final=True)
    assert words == 500 * 5
