"""docs/rules.md: what it shows is read as it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from proxy.detect.base import HELD_CHARS_MAX, Bank
from proxy.detect.phrases import PHRASE_CHARS_MAX, PhraseBank, PhraseEntry
from proxy.detect.pii import PiiBank, PiiEntry
from proxy.detect.prompt_leak import RUN_CHARS_MAX
from proxy.detect.prompt_leak_index import PROMPT_CHARS_MAX, RUN_WORDS_MAX, WHOLE_PROMPT_WORDS_MIN
from proxy.detect.secret_issuers import EXACT, ISSUED
from proxy.detect.secrets import KINDS, SecretEntry, SecretsBank
from proxy.policy.cases import read_cases, run
from proxy.policy.compile import compile_policy
from proxy.policy.detectors import PHRASES_MAX
from proxy.policy.lane import FINDINGS_MAX
from proxy.policy.reading import DEPTH_MAX, FILE_BYTES_MAX, FILES_MAX, FOLDER_BYTES_MAX
from proxy.policy.schema import RULES_MAX
from proxy.yaml_source import YAML_BYTES_MAX
from tests.detect.secret_samples import IN_CONTEXT, TOKENS
from tests.detect.support import shown
from tests.policy.folders import folder
from tests.policy.shipped import RULES

DOCS = (RULES.parent / "docs" / "rules.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)


def test_the_examples_compile_and_the_tests_among_them_pass() -> None:
    tests = [text for text in EXAMPLES if text.startswith("cases:")]
    rules = [text for text in EXAMPLES if not text.startswith("cases:")]
    assert len(tests) == 1
    assert len(rules) >= 6
    policy = compile_policy(folder({f"{at}.yaml": text for at, text in enumerate(rules)}))
    cases = read_cases(folder({"docs.test.yaml": tests[0]}), policy)
    assert [report.differences for report in run(policy, cases)] == [()]


def test_the_limits_are_those_of_the_code() -> None:
    mebi = 1024 * 1024
    assert (
        f"| {YAML_BYTES_MAX // mebi} MiB, {FILE_BYTES_MAX // mebi} MiB, {FOLDER_BYTES_MAX // mebi} MiB |"
        in DOCS
    )
    assert f"| files, folders deep | {FILES_MAX}, {DEPTH_MAX} |" in DOCS
    assert f"| rules, phrases | {RULES_MAX}, {PHRASES_MAX:,} |" in DOCS
    assert f"| {PHRASE_CHARS_MAX}, {HELD_CHARS_MAX} |" in DOCS
    assert f"| {FINDINGS_MAX:,}; the next one" in DOCS


def test_the_limits_of_prompt_leak_are_those_of_the_code() -> None:
    assert f"more than {RUN_CHARS_MAX} characters becomes several" in DOCS
    assert f"more than {RUN_WORDS_MAX // 12:,} words" in DOCS
    assert (PROMPT_CHARS_MAX >> 20, WHOLE_PROMPT_WORDS_MIN) == (1, 6)


def test_every_kind_of_secret_is_named() -> None:
    table = DOCS.split("## Kinds of secrets")[1].split("\n## ")[0]
    assert sorted(re.findall(r"`([A-Z0-9_]+)`", table)) == sorted(KINDS)


def test_every_shipped_file_stands_in_the_table() -> None:
    shipped = {path.name for path in RULES.glob("*.yaml") if not path.name.endswith(".test.yaml")}
    assert {name for name in shipped if f"`{name}`" in DOCS} == shipped


def _between(mark: str) -> Callable[[str], str]:
    return lambda text: mark.join(text)


def _drawn(*letters: str) -> Callable[[str], str]:
    """Each letter as its like in the second string."""
    return lambda text: text.translate(str.maketrans(*letters))


_LATIN: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

DISGUISES: Final[Mapping[str, Callable[[str], str]]] = {
    "full width": lambda text: "".join(
        chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text
    ),
    "zero-width": _between("\u200b"),
    "soft hyphens": _between("\u00ad"),
    "look-alikes": _drawn("aceopxyisABCEHIKMOPTX", "асеорхуіѕАВСЕНІКМОРТХ"),
    "combining marks": _between("\u0336"),
    "other styles": _drawn(_LATIN, "".join(chr(0x1D400 + (at + 26) % 52) for at in range(52))),
    "digits of other scripts": _drawn(
        "0123456789", "\u0660\u2460\u2777\uff13\u09ea\u06f5\u2465\u277c\u0e58\u2079"
    ),
    "non-breaking": _drawn("-", "\u2011"),
    "letters set apart": _between(" "),
    "figures for letters": _drawn("oieas", "013@$"),
    "another case": str.swapcase,
}
"""How the table's rows are made: by the words that they begin with."""

PHRASES: Final = (
    "ignore previous instructions",
    "you are now in jailbreak mode",
    "state-of-the-art password",
    "idiot",
)
PERSONAL: Final = {
    "EMAIL_ADDRESS": "jane.doe@example.com",
    "PHONE_NUMBER": "+1 415-555-2671",
    "CREDIT_CARD": "4111-1111-1111-1111",
    "US_SSN": "219-09-9999",
    "IBAN_CODE": "GB33 BUKB 2020 1555 5555 55",
    "IP_ADDRESS": "192.168.10.24",
}

COLUMNS: Final[Mapping[str, tuple[Bank, Sequence[tuple[str, str]]]]] = {
    "phrases": (PhraseBank([PhraseEntry(0, PHRASES)]), [(phrase, phrase) for phrase in PHRASES]),
    "secrets": (
        SecretsBank([SecretEntry(0, frozenset(KINDS))]),
        [*((token, token) for token in TOKENS.values()), *((text, value) for _, text, value in IN_CONTEXT)],
    ),
    "personal data": (
        PiiBank([PiiEntry(0, frozenset(PERSONAL), 0.4)]),
        [*((value, value) for value in PERSONAL.values()), ("call 030 1234567 now", "030 1234567")],
    ),
}
"""Per column a bank and its samples: a text and what is found in it."""

_WITH_PREFIX: Final = [
    (TOKENS[kind], TOKENS[kind]) for kind in TOKENS if kind in ISSUED and kind not in EXACT
]
PARTLY: Final[Mapping[tuple[str, str], tuple[str, Sequence[tuple[str, str]]]]] = {
    ("secrets", "another case"): ("where a prefix tells the kind", _WITH_PREFIX),
}
"""What a cell says that is true of some samples only, and those."""


def test_the_table_of_disguises_is_true() -> None:
    section = DOCS.split("## Disguises")[1].split("\n## ")[0]
    head, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line[:1] == "|"
    )
    assert head[0] == "disguise"
    told = {name for name in DISGUISES for row in rows if row[0].startswith(name)}
    assert (told, len(rows)) == (set(DISGUISES), len(DISGUISES))
    for row in rows:
        kind, disguise = next(one for one in DISGUISES.items() if row[0].startswith(one[0]))
        for column, cell in zip(head[1:], row[1:], strict=True):
            if column not in COLUMNS:
                assert cell == "–", "nothing tests it"
                continue
            bank, samples = COLUMNS[column]
            caught, samples = PARTLY.get((column, kind), ("caught", samples))
            missed = [
                text
                for text, value in samples
                if not any(disguise(value) in one for one in shown(bank, disguise(text)))
            ]
            assert (cell == caught) == (not missed), (column, row[0], missed)
