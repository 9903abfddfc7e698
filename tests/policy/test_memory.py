"""What is remembered of a text, and what is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from proxy.detect.base import NO_CONTEXT, Context, Progress, Scan
from proxy.model.finding import Finding
from proxy.model.level import Action, Direction, Level
from proxy.policy.compile import compile_policy
from proxy.policy.match import Judge, Selection, plan
from proxy.policy.memory import REMEMBERED_CHARS_MIN, Memory, Recall
from tests.policy.banks import ANY, WordBank, WordScan, rule
from tests.policy.folders import BLOCK_ALPHA, BLOCK_BETA, folder
from tests.policy.late import Desk, LateBank

TEXT = "a secret stands in this text, which is long enough to be remembered"
assert len(TEXT) >= REMEMBERED_CHARS_MIN


@dataclass(frozen=True)
class Counting(WordBank):
    """Counts the characters that it reads."""

    read: list[int] = field(default_factory=list)

    def open(self, context: Context) -> Scan:
        bank = self

        class Scanning(WordScan):
            @property
            def scores(self) -> Mapping[str, float]:
                return {}

            def feed(self, piece: str, *, final: bool = False) -> Progress:
                bank.read.append(len(piece))
                return super().feed(piece, final=final)

        return Scanning(self.words, self.fails_at, self.cut)

    def __hash__(self) -> int:
        return id(self)


def recalled(memory: Memory, text: str, *, unescaped: bool = False) -> Recall:
    recall = memory.of(text, unescaped=unescaped)
    assert recall is not None
    return recall


def judged(
    memory: Memory,
    bank: WordBank,
    text: str = TEXT,
    *,
    action: Action = Action.REDACT,
    size: int = 1000,
    context: Context = NO_CONTEXT,
    unescaped: bool = False,
    selection: Selection = ANY,
) -> list[Finding]:
    chosen = plan((rule(action=action),), (bank,), Direction.OUTPUT, selection)
    judge = Judge(chosen, "f", context, memory.of(text, unescaped=unescaped))
    found: list[Finding] = []
    for at in range(0, len(text), size):
        found += judge.feed(text[at : at + size]).findings
    return [*found, *judge.feed("", final=True).findings]


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_a_text_that_comes_again_is_not_read_again(size: int) -> None:
    memory, bank = Memory(), Counting(((0, "secret"), (0, "text")))
    first = judged(memory, bank)
    assert sum(bank.read) == len(TEXT)
    assert judged(memory, bank, size=size) == first
    assert sum(bank.read) == len(TEXT)


def test_levels_and_actions_are_no_part_of_what_is_remembered() -> None:
    memory, bank = Memory(), Counting(((0, "secret"),))
    opened = Selection(Level.OPEN, frozenset(), None)
    actions = [
        judged(memory, bank, action=Action.BLOCK)[0].action,
        judged(memory, bank, action=Action.REDACT)[0].action,
        judged(memory, bank, action=Action.BLOCK, selection=opened)[0].action,
    ]
    assert actions == [Action.BLOCK, Action.REDACT, Action.FLAG]
    assert sum(bank.read) == len(TEXT)


def test_another_bank_another_text_and_the_same_text_unescaped_are_read() -> None:
    memory, bank, other = Memory(), Counting(((0, "secret"),)), Counting(((0, "stands"),))
    judged(memory, bank)
    assert [finding.start for finding in judged(memory, other)] == [9]
    judged(memory, bank, TEXT + "!")
    judged(memory, bank, unescaped=True)
    assert sum(bank.read) == 3 * len(TEXT) + 1


def test_a_bank_that_reads_its_context_is_asked_again_where_that_is_another() -> None:
    for reads, times in ((True, 2), (False, 1)):
        memory, bank = Memory(), Counting(((0, "secret"),), reads_context=reads)
        for prompts in (("a",), ("b",), ("a",)):
            judged(memory, bank, context=Context(prompts))
        assert sum(bank.read) == times * len(TEXT)


def test_what_a_failing_bank_said_is_forgotten() -> None:
    memory, bank = Memory(), Counting(((0, "secret"),), fails_at=20)
    assert judged(memory, bank) == judged(memory, bank) != []
    assert sum(bank.read) == 2 * len(TEXT)
    assert memory.bytes == 0


def test_a_late_bank_is_asked_once() -> None:
    memory, desk = Memory(), Desk()
    bank = LateBank(desk)
    found = []
    for _ in range(2):
        judge = Judge(
            plan((rule(),), (bank,), Direction.OUTPUT, ANY),
            "f",
            recall=memory.of("bad " * 20, unescaped=False),
        )
        findings = list(judge.feed("bad " * 20, final=True).findings)
        desk.answer_all()
        found.append([*findings, *judge.poll().findings])
    assert found[0] == found[1] != []
    assert desk.asked == 1


def test_what_no_bank_says_anything_of_is_known_by_one_look() -> None:
    memory, banks = Memory(), (Counting(((0, "secret"),)), Counting(((0, "nowhere"),)))
    quiet, harmless = memory.quiet(banks), TEXT.replace("secret", "flower")
    assert quiet is not None
    for text, known in ((TEXT, False), (harmless, True)):
        for number, bank in enumerate(banks):
            quiet.note(recalled(memory, text))
            assert not quiet.holds(recalled(memory, text)), (number, "not before all have read it")
            judged(memory, bank, text)
        quiet.note(recalled(memory, text))
        assert quiet.holds(recalled(memory, text)) is known
        assert not quiet.holds(recalled(memory, text, unescaped=True))
    again = memory.quiet(banks[:1])
    assert again is not None
    assert not again.holds(recalled(memory, harmless)), "what these banks said was not noted"


def test_a_text_that_was_glanced_over_is_known_without_what_each_bank_said() -> None:
    memory, bank = Memory(), Counting(((0, "nowhere"),))
    quiet = memory.quiet((bank,))
    assert quiet is not None
    assert recalled(memory, TEXT).new
    quiet.add(recalled(memory, TEXT))
    again = recalled(memory, TEXT)
    assert not again.new
    assert quiet.holds(again)
    assert again.known(bank, NO_CONTEXT) is None


def test_the_number_of_a_bank_that_is_gone_is_not_given_to_another() -> None:
    memory = Memory()
    numbers = {memory.number(Counting(((0, "nowhere"),))) for _ in range(8)}
    assert len(numbers) == 8
    assert not memory.numbers


def test_a_failing_bank_and_one_that_reads_more_than_a_text_are_never_known_to_be_quiet() -> None:
    memory, failing = Memory(), Counting(((0, "nowhere"),), fails_at=20)
    judged(memory, failing)
    quiet = memory.quiet((failing,))
    assert quiet is not None
    quiet.note(recalled(memory, TEXT))
    assert not quiet.holds(recalled(memory, TEXT))
    assert memory.quiet((Counting(((0, "nowhere"),), reads_context=True),)) is None


def test_short_texts_are_not_remembered() -> None:
    assert Memory().of("short", unescaped=False) is None


def test_the_memory_is_bounded_and_forgets_what_was_unused_longest() -> None:
    memory, bank = Memory(bytes_max=20_000), Counting(((0, "secret"),))
    for number in range(100):
        judged(memory, bank, f"{TEXT} {number}")
        judged(memory, bank, f"{TEXT} 0")
        assert memory.bytes <= 20_000
    bank.read.clear()
    judged(memory, bank, f"{TEXT} 0")
    judged(memory, bank, f"{TEXT} 99")
    assert sum(bank.read) == 0
    judged(memory, bank, f"{TEXT} 1")
    assert sum(bank.read) == len(TEXT) + 2


def test_a_text_made_of_findings_drives_out_nothing() -> None:
    memory, bank = Memory(bytes_max=20_000), Counting(((0, "a"),))
    judged(memory, bank, "a" * 200)
    assert memory.bytes == 0


def test_a_reload_keeps_what_unchanged_banks_know() -> None:
    pii = "rules: [{id: pii, on: input, detect: {pii: {entities: [CREDIT_CARD]}}, action: block}]\n"
    first = compile_policy(folder({"a.yaml": pii, "b.yaml": BLOCK_ALPHA}))
    second = compile_policy(folder({"a.yaml": pii, "b.yaml": BLOCK_BETA}), first)
    assert second.memory is first.memory
