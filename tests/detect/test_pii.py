"""Personal data: Presidio's findings, the same however the text is cut, and nothing heavy or remote for it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings

from proxy.detect import pii
from proxy.detect.base import NO_CONTEXT, Steps
from proxy.detect.entities import DEFAULT_ENTITIES, PATTERN_ENTITIES
from proxy.detect.pii import SEGMENT_CHARS_MAX, PiiBank, PiiEntry, PiiError
from proxy.detect.presidio import Result, load_recognizers
from proxy.detect.recognize import Recognizers
from tests.detect.pii_samples import COUNTRY_PARTS, PARTS, SETTLED_TOO
from tests.detect.support import HARMLESS, assert_any_cut_is_the_same, cut, shown, sizes, texts_of, whole

RECOGNIZERS = load_recognizers()
ALL = PiiBank([PiiEntry(0, DEFAULT_ENTITIES)], RECOGNIZERS)
EVERY = PiiBank([PiiEntry(0, PATTERN_ENTITIES)], RECOGNIZERS)
SHIPPED = frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "IBAN_CODE"})
USUAL = PiiBank([PiiEntry(0, SHIPPED, 0.4)], RECOGNIZERS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mail bob.lee+x@sub.example.co.uk, please.", ["bob.lee+x@sub.example.co.uk"]),
        ("m\u00fcller@b\u00fccher.de!", ["m\u00fcller@b\u00fccher.de"]),
        ("bob\u200b@exam\u00adple.com\u200b.", ["bob\u200b@exam\u00adple.com\u200b"]),
        ("ｂｏｂ＠ｅｘａｍｐｌｅ．ｃｏｍ", ["ｂｏｂ＠ｅｘａｍｐｌｅ．ｃｏｍ"]),
        ("bob@localhost and bob@nowhere.invalidtld", []),
        ("call +1 (415) 555-2671 or 020 7946 0958", ["+1 (415) 555-2671", "020 7946 0958"]),
        ("٤١١١ ١١١١ ١١١١ ١١١١", ["٤١١١ ١١١١ ١١١١ ١١١١"]),
        ("4111–1111–1111–1111 not 4111 1111 1111 1112", ["4111–1111–1111–1111"]),
        ("SSN 219-09-9999.", ["219-09-9999"]),
        ("to GB33 BUKB 2020 1555 5555 55 today", ["GB33 BUKB 2020 1555 5555 55"]),
    ],
)
def test_what_is_found(text: str, found: list[str]) -> None:
    assert shown(USUAL, text) == found


@pytest.mark.parametrize(
    "text",
    [
        "host 192.168.100.101 up",
        "at 2024-01-15 10:30:00 sharp",
        "on 15.01.2024",
        "pi is 3.1415926535",
        "id 550e8400-e29b-41d4-a716-446655440000",
        "in 1640 and 1987",
        "EKS, H1, C4 and JavaScript",
        *HARMLESS.values(),
    ],
)
def test_what_is_no_personal_data(text: str) -> None:
    assert shown(USUAL, text) == []


def test_rules_have_their_entities_and_scores() -> None:
    bank = PiiBank(
        [PiiEntry(1, frozenset({"US_SSN"}), 0.5), PiiEntry(2, frozenset({"US_SSN", "EMAIL_ADDRESS"}), 0.6)],
        RECOGNIZERS,
    )
    found = [(match.rule, match.label) for match in whole(bank, "219-09-9999 a@b.com")]
    assert found == [(1, "US_SSN"), (2, "EMAIL_ADDRESS")]


def test_an_entity_without_patterns_is_refused() -> None:
    with pytest.raises(PiiError, match="PERSON"):
        PiiBank([PiiEntry(0, frozenset({"PERSON"}))], RECOGNIZERS)


@settings(deadline=None, max_examples=100)
@given(
    text=texts_of([*PARTS, "/", "=", "?", "_", "\u200b", "\u0664", "\uff11", "\u3002", "(at)", "[dot]"]),
    sizes=sizes(),
)
def test_any_cut_is_the_same(text: str, sizes: list[int]) -> None:
    assert_any_cut_is_the_same(ALL, text, sizes)


@settings(deadline=None, max_examples=100)
@given(text=texts_of([*COUNTRY_PARTS, " ", "\n"]), sizes=sizes())
def test_any_cut_is_the_same_for_every_country(text: str, sizes: list[int]) -> None:
    assert_any_cut_is_the_same(EVERY, text, sizes)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 3000 + "@example.com and bob@example.com",
        "12 34 " * 600 + "bob@example.com",
        "bob@example.com" + "\u200b" * 2500 + " 415-555-2671",
        "x\u200b" * 2000 + "@example.com, bob@example.com",
        "https://example.com/" + "path/" * 500,
    ],
)
def test_what_has_no_cut_is_judged_at_the_bound(text: str) -> None:
    matches = assert_any_cut_is_the_same(ALL, text, [7])
    assert_any_cut_is_the_same(ALL, text, [333])
    assert any("bob" in text[match.start : match.end] or match.cut for match in matches)
    scan = ALL.open(NO_CONTEXT)
    read = held = 0
    for piece in cut(text, [11]):
        read += len(piece)
        held = max(held, read - scan.feed(piece).safe_upto)
    assert held <= SEGMENT_CHARS_MAX + 11


@pytest.mark.parametrize(("text", "found"), SETTLED_TOO)
def test_what_settling_adds(text: str, found: list[str]) -> None:
    assert shown(USUAL, text) == found


@pytest.mark.parametrize(
    "text",
    [
        "Order 4155552671 has shipped.",
        "Your order number is 212-736-5000.",
        "order 123-45-6789",
        "Invoice no. 078-05-1121",
        "ISBN 978-3-16-148410-0",
        "the book 0-306-40615-2",
        "at 25.031650, -169.45703",
        "ts=1569372902",
        "it took 5487544705 bytes",
        "16 411 218 rows",
        "ticket #2023-572788",
        "1990-2024",
        "order 111-1234567-1234567",
        "$4155552671",
        "tracking 9400 1253 9999 8718 8179 02",
        "git clone git@github.com:foo/bar.git",
        "Call us 9-5 Mon-Fri, 2020-2024",
        "Nr. 12345678901",
        "S/N 4539578763621486",
        "device 352099001761481",  # an IMEI holds a card's check digit, and is no scheme's number
    ],
)
def test_what_settling_drops(text: str) -> None:
    assert shown(USUAL, text) == []


def found_by(*entities: str, least: float = 0.4) -> Callable[[str], list[tuple[str, str]]]:
    bank = PiiBank([PiiEntry(0, frozenset(entities), least)], RECOGNIZERS)
    return lambda text: [(match.label, text[match.start : match.end]) for match in whole(bank, text)]


def test_a_word_before_raises_the_score() -> None:
    low = found_by("US_PASSPORT", "US_BANK_NUMBER", "US_DRIVER_LICENSE", "UK_NHS")
    assert low("A12345678 and 1234567890, 9434765919") == []
    assert low("passport A12345678") == [("US_PASSPORT", "A12345678")]
    assert low("my bank account is 1234567890") == [("US_BANK_NUMBER", "1234567890")]
    assert low("NHS no. 9434765919") == [("UK_NHS", "9434765919")]
    assert low("a customer of united 12345678") == []


def test_a_version_is_no_address_and_no_date() -> None:
    found = found_by("IP_ADDRESS", "DATE_TIME")
    assert found("release 10.0.4.1, numpy==1.2.3.4, 1.2.3.4.5, v1.2.12, version 19.1.12, std::add") == []
    assert found("from 10.0.4.1 on 19.1.12") == [("IP_ADDRESS", "10.0.4.1"), ("DATE_TIME", "19.1.12")]
    assert found("born 14 March 1985 or May 2, 1986") == [
        ("DATE_TIME", "14 March 1985"),
        ("DATE_TIME", "May 2, 1986"),
    ]


def test_of_one_rule_s_findings_that_overlap_the_better_one_stands_for_all() -> None:
    found = found_by("EMAIL_ADDRESS", "URL", "PHONE_NUMBER", "UK_NHS", "US_SSN", "US_BANK_NUMBER", least=0.01)
    assert found("bob@example.com") == [("EMAIL_ADDRESS", "bob@example.com")]
    assert found("call 943 476 5919") == [("PHONE_NUMBER", "943 476 5919")]
    assert found("NHS 943 476 5919") == [("UK_NHS", "943 476 5919")]
    assert found("ssn 219099999") == [("US_SSN", "219099999")]


PROSE = (
    "The ferry came twice a day in 1987, and then no more; she may go there on the 3rd of June or in May. Call "
    "Sam at noon, at 12 or so, and ask for 2 tickets. It was (as they say) a long way: 40 km by road. "
)


def test_a_word_of_prose_is_delayed_by_two_at_most() -> None:
    scan = ALL.open(NO_CONTEXT)
    ends = [match.end() for match in re.finditer(r"\S+\s+", PROSE)]
    begin = 0
    for index, end in enumerate(ends):
        safe = scan.feed(PROSE[begin:end]).safe_upto
        begin = end
        assert index < 2 or safe >= ends[index - 2], PROSE[safe:end]


def test_chinese_is_held_by_a_clause() -> None:
    scan = ALL.open(NO_CONTEXT)
    text = "您好，您的订单将在三到五个工作日内送达。如有问题请联系我们，谢谢！请不要回复，" * 5
    held = [at - scan.feed(char).safe_upto for at, char in enumerate(text, 1)]
    assert max(held) <= len("您的订单将在三到五个工作日内送达。")


def test_json_without_blanks_is_held_by_a_member() -> None:
    scan = USUAL.open(NO_CONTEXT)
    text = json.dumps([{"name": f"n{n}", "code": 4711 * n, "tags": ["a", "b"]} for n in range(40)]).replace(
        " ", ""
    )
    held = [at - scan.feed(char).safe_upto for at, char in enumerate(text, 1)]
    assert max(held) <= len('"code":188440,"tags":')


def test_prose_is_held_by_its_last_word() -> None:
    scan = USUAL.open(NO_CONTEXT)
    text = "The ferry came twice a day in 1987 and then no more. "
    held = [at - scan.feed(char).safe_upto for at, char in enumerate(text, 1)]
    assert max(held) == len("1987 and")
    assert held[-1] == 0


def test_each_character_is_analyzed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def analyze(self: object, text: str, begin: int) -> None:
        nonlocal read
        read += len(text) - begin

    monkeypatch.setattr(pii._Engine, "begin", analyze)
    scan = ALL.open(NO_CONTEXT)
    for _ in range(1000):
        scan.feed("in 1987 it ca")
        scan.feed("me, ")
    scan.feed("", final=True)
    assert read == 17_000


def test_only_the_neighbourhood_of_a_hit_is_given_to_its_recognizer(monkeypatch: pytest.MonkeyPatch) -> None:
    given_to: list[str] = []

    def of(self: object, entity: str, text: str) -> Steps[list[Result]]:
        given_to.append(text)
        yield 1
        return []

    monkeypatch.setattr(Recognizers, "of", of)
    bank = PiiBank([PiiEntry(0, frozenset({"EMAIL_ADDRESS"}))], RECOGNIZERS)
    whole(bank, "prose and " * 200 + "mail bob@example.com today " + "prose and " * 200)
    assert given_to == ["bob@example.com "]


def test_nothing_heavy_is_imported_and_nothing_is_fetched(tmp_path: Path) -> None:
    """In a process of its own: no socket, no spaCy, and later an ordinary import gets all of Presidio.

    Torch and its like are installed here, as far as an import can tell."""
    for name in ("torch", "transformers", "stanza", "gliner"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    code = """
import json, socket, sys
sys.path.insert(0, sys.argv[1])
def trapped(*args, **kwargs): raise AssertionError("a socket was opened")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = trapped
from proxy.detect.base import Context
from proxy.detect.pii import PATTERN_ENTITIES, PiiBank, PiiEntry
cheap = [name for name in ("presidio_analyzer", "tldextract", "requests") if name in sys.modules]
bank = PiiBank([PiiEntry(0, frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "URL"}))])
scan = bank.open(Context())
labels = sorted(m.label for m in scan.feed("bob@example.com foo.org +1 415 555 2671", final=True).matches)
heavy = ["torch", "transformers", "stanza", "spacy", "thinc", "presidio_analyzer"]
heavy = [n for n in (*heavy, "tldextract", "requests", "yaml", "numpy") if n in sys.modules]
(kib,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")]
sys.path.remove(sys.argv[1])
from presidio_analyzer.nlp_engine import NoOpNlpEngine
print(json.dumps([labels, heavy, cheap, int(kib) // 1024, NoOpNlpEngine.__module__, "spacy" in sys.modules]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    labels, heavy, cheap, mib, module, whole_later = json.loads(run.stdout)
    assert labels == ["EMAIL_ADDRESS", "PHONE_NUMBER", "URL"]
    assert heavy == []
    assert cheap == []
    assert mib < 100
    assert module == "presidio_analyzer.nlp_engine.no_op_nlp_engine"
    assert whole_later
