"""The prompt in the reply: what counts as a run of its words, and the same however the text is cut."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detect import prompt_leak_known
from proxy.detect.base import HELD_CHARS_MAX, Context, Scan
from proxy.detect.prompt_leak import RUN_CHARS_MAX, PromptLeakBank, PromptLeakEntry
from proxy.detect.prompt_leak_index import PROMPT_CHARS_MAX, RUN_WORDS_MAX, PromptTooLong
from tests.detect.support import HARMLESS, assert_any_cut_is_the_same, shown, sizes, texts_of

PROMPT = (
    "You are Marla, the booking assistant of the Hotel Bellevue. Never tell guests the name of the night "
    "manager.\n\n- Offer a late check-out only to members; the code for it is blue lantern.\n"
    "- Rooms 401 to 409 don't have a view of the sea."
)


@dataclass(frozen=True)
class Told:
    """A bank in an exchange with such prompts."""

    bank: PromptLeakBank
    prompts: tuple[str, ...]
    detector: str = "prompt_leak"
    reads_context: bool = True

    @property
    def rules(self) -> frozenset[int]:
        return self.bank.rules

    def open(self, _: Context) -> Scan:
        return self.bank.open(Context(self.prompts))


def told(*prompts: str, words: int = 8) -> Told:
    return Told(PromptLeakBank([PromptLeakEntry(0, words)]), prompts)


LEAK = "Never tell guests the name of the night manager"


@pytest.mark.parametrize(
    "said",
    [
        LEAK,
        LEAK.upper(),
        LEAK.replace(" ", "\n\n"),
        LEAK.replace(" ", ", "),
        "Never** _tell_ guests:\n> the name\n> of the “night” manager",
        "\n".join(f"{at}) {word}" if at == 1 else f"• {word}" for at, word in enumerate(LEAK.split(), 1))[3:],
        "\u00ad".join(LEAK),
        "\u200b".join(LEAK),
        "".join(chr(0xFEE0 + ord(char)) if char != " " else "\u3000" for char in LEAK),
        LEAK.translate(str.maketrans("aeo", "аео")),
        "\u0336".join(LEAK),
        LEAK.replace(" ", ""),
        " ".join(LEAK.replace(" ", "")),
        "N-e-v-e-r t-e-l-l guests the name of the night ma-\nnager",
    ],
)
def test_a_run_is_found_however_it_is_set(said: str) -> None:
    text = f"My rules say: {said}. Sorry!"
    assert shown(told(PROMPT), text) == [said]
    assert_any_cut_is_the_same(told(PROMPT), text, [1])


@pytest.mark.parametrize(
    "said",
    [
        "I can't tell you the name of the night manager.",
        "Never tell guests the name of our night manager.",  # seven words
        "Never tell guests the name of the very night manager.",
        "Members of the booking club may have a late check-out; the sea is blue.",
        "Never tell guests the name of the nightmare",
        "Never tell guests the name of the nightingale manager",
    ],
)
def test_fewer_words_are_no_run(said: str) -> None:
    assert shown(told(PROMPT), said) == []


def test_the_last_word_is_a_whole_one() -> None:
    assert shown(told("one two three four five", words=4), "one two three fourteen") == []
    assert shown(told("one two three four five", words=4), "one two three fou") == []
    assert shown(told("one two three four five", words=4), "one two three four!") == ["one two three four"]


def test_the_whole_run_is_one_finding_from_its_first_word_to_its_last() -> None:
    text = f"Certainly.\n\n{PROMPT}\n\nIs there more?"
    assert shown(told(PROMPT), text) == [PROMPT[:-1]]


def test_runs_side_by_side_are_one() -> None:
    other = "Speak of the weather before you speak of anything else."
    assert shown(told(PROMPT, other), f"So: {LEAK} {other} Good.") == [f"{LEAK} {other[:-1]}"]
    assert shown(told(PROMPT, other), f"So: {LEAK} and {other} Good.") == [LEAK, other[:-1]]


def test_each_rule_has_its_own_number_of_words() -> None:
    both = Told(
        PromptLeakBank([PromptLeakEntry(0, 6), PromptLeakEntry(3, 12), PromptLeakEntry(5, 6)]), (PROMPT,)
    )
    matches = assert_any_cut_is_the_same(both, f"{LEAK}. Then: {PROMPT}", [3])
    assert [match.rule for match in matches] == [0, 5, 0, 3, 5]


def test_a_short_prompt_counts_whole_but_not_what_anybody_says() -> None:
    secret = "The password of the day is swordfish."
    assert shown(told(secret, words=12), "Fine: the password of the day is swordfish!") == [
        secret[0].lower() + secret[1:-1]
    ]
    assert shown(told(secret, words=12), "The password of the day is cod.") == []
    assert shown(told("You are a helpful assistant.", words=12), "You are a helpful assistant.") == []


def test_scripts_without_spaces_are_counted_by_their_characters() -> None:
    chinese = told("你是酒店的客服助手。绝对不要告诉客人夜班经理的名字，也不要谈论价格。", words=7)
    assert shown(chinese, "我的规则：绝对不要告诉客人夜班经理的 名字，真的。") == [
        "绝对不要告诉客人夜班经理的 名字"
    ]
    assert shown(chinese, "不要告诉客人我的名字。") == []
    thai = told("คุณคือผู้ช่วยของโรงแรม ห้ามบอกชื่อผู้จัดการกะกลางคืนแก่แขก", words=6)
    assert shown(thai, "กฎคือ ห้ามบอกชื่อผู้จัดการกะกลางคืน ครับ") == ["ห้ามบอกชื่อผู้จัดการกะกลางคืน"]
    hindi = told("मेहमानों को रात के प्रबंधक का नाम कभी मत बताना", words=6)
    assert shown(hindi, "नियम: को रात के प्रबंधक का नाम!") == ["को रात के प्रबंधक का नाम"]


def test_without_prompts_nothing_is_found_or_held() -> None:
    scan = told().open(Context())
    assert scan.feed(PROMPT).safe_upto == len(PROMPT)
    assert scan.feed("", final=True).matches == ()


@pytest.mark.parametrize("language", HARMLESS)
def test_harmless_text_is_held_by_no_more_than_its_open_word(language: str) -> None:
    scan = told(PROMPT).open(Context())
    text = HARMLESS[language]
    for at, char in enumerate(text, 1):
        progress = scan.feed(char)
        assert progress.matches == ()
        assert at - progress.safe_upto <= 3


def test_prose_is_held_only_while_a_run_may_have_begun() -> None:
    scan = told(PROMPT).open(Context())
    text = "We tell guests the name of the street, always. The"
    held = {}
    for at, char in enumerate(text, 1):
        held[at] = text[scan.feed(char).safe_upto : at]
    assert held[2] == ""  # no word of the prompt begins with "we"
    assert held[30] == "tell guests the name of the"
    assert held[32] == ""  # a run has one word more than fits before "st": not even "the st" is in it
    assert held[45] == ""
    assert held[50] == "The"
    assert max(len(open_) for open_ in held.values()) == len("tell guests the name of the ")


def test_what_is_ever_held_is_bounded() -> None:
    words = LEAK.split()
    for text in (
        "Never" + " " * 5000 + "tell " + LEAK,
        LEAK + " " * 5000 + "x",
        (LEAK + " ") * 200,
        ("\u200b" * 160).join(words) + " and " + ("\u200b" * 400).join(words),
        LEAK.replace(" ", "") * 100,
        "nevertell" * 2000,
    ):
        bank = told(PROMPT, LEAK + " " + LEAK)
        assert_any_cut_is_the_same(bank, text, [997])
        scan = bank.open(Context())
        for at in range(0, len(text), 50):
            length = min(len(text), at + 50)
            assert length - scan.feed(text[at : at + 50]).safe_upto <= HELD_CHARS_MAX


def test_a_run_longer_than_a_finding_goes_on_in_the_next() -> None:
    prompt = " ".join(f"word{at}" for at in range(1000))
    text = f"Here: {prompt}. Done."
    matches = assert_any_cut_is_the_same(told(prompt), text, [40])
    assert text[matches[0].start : matches[-1].end] == prompt
    assert all(match.end - match.start <= RUN_CHARS_MAX for match in matches)
    assert all(text[one.end : two.start] == " " for one, two in pairwise(matches))


def test_a_word_of_any_length_is_read_once() -> None:
    scan = told(PROMPT).open(Context())
    for _ in range(3000):
        scan.feed("neverx")
    assert len(scan._reader.text) < 20  # type: ignore[attr-defined]


def test_of_very_long_prompts_every_so_manieth_word_begins_a_run() -> None:
    words = [f"w{at}" for at in range(60_000)]
    bank = told(" ".join(words))
    (index,) = bank.bank._indexes(bank.prompts)
    assert (len(index), index.words <= RUN_WORDS_MAX) == (30_000 - 3, True)
    assert shown(bank, "So " + " ".join(words[101:112]) + " .") == [" ".join(words[102:112])]
    assert shown(bank, "So " + " ".join(words[101:109]) + " .") == []


def test_prompts_beyond_the_limit_are_a_failure_of_the_detector() -> None:
    with pytest.raises(PromptTooLong):
        told("a" * PROMPT_CHARS_MAX, "b").open(Context())


def test_what_was_made_of_prompts_is_remembered_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_leak_known, "KEPT_WORDS_MAX", 1000)
    bank = PromptLeakBank([PromptLeakEntry(0, 8)])
    first = bank._indexes((PROMPT,))
    assert bank._indexes((PROMPT,)) is first
    for at in range(10):
        bank._indexes((f"{at} {PROMPT}",))
        assert sum(index.words for made in bank.known._known.values() for index in made) <= 1000
    assert bank._indexes((PROMPT,)) is not first


PARTS = [
    "one",
    "two",
    "three",
    "four",
    " ",
    " ",
    ", ",
    "\n",
    "\u200b",
    "t",
    "o",
    "ﬁ",
    "é",
    "夜",
    "班",
    "ก",
    "㍿",
    "x" * 30,
]


@settings(deadline=None, max_examples=400)
@given(text=texts_of(PARTS, 40), sizes=sizes())
def test_any_cut_is_the_same(text: str, sizes: list[int]) -> None:
    bank = Told(
        PromptLeakBank([PromptLeakEntry(0, 4), PromptLeakEntry(1, 5)]),
        ("one two three four one two three one two four", "夜班夜夜班班夜班 ﬁx ก one 株式会社 two"),
    )
    assert_any_cut_is_the_same(bank, text, sizes)


@settings(deadline=None, max_examples=100)
@given(words=st.lists(st.sampled_from("abcd"), max_size=40), sizes=sizes())
def test_it_finds_what_comparing_every_place_finds(words: list[str], sizes: list[int]) -> None:
    """Against the plain definition: every window of four words that stands in the prompt, joined where they
    touch."""
    prompt = ["aa", "bb", "cc", "dd", "aa", "cc", "bb", "dd", "bb", "aa"]
    said = [word * 2 for word in words]
    runs = {tuple(prompt[at : at + 4]) for at in range(len(prompt) - 3)}
    hit = [False] * len(said)
    for at in range(len(said) - 3):
        if tuple(said[at : at + 4]) in runs:
            hit[at : at + 4] = [True] * 4
    expected: list[str] = []
    for at, inside in enumerate(hit):
        if inside and at and hit[at - 1]:
            expected[-1] += " " + said[at]
        elif inside:
            expected.append(said[at])
    text = " ".join(said)
    assert shown(told(" ".join(prompt), words=4), text) == expected
    assert_any_cut_is_the_same(told(" ".join(prompt), words=4), text, sizes)
