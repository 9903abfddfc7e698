"""Personal data: Presidio's findings, the same however the text is cut, and nothing heavy or remote for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import tldextract
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detect import pii
from proxy.detect.base import NO_CONTEXT
from proxy.detect.entities import DEFAULT_ENTITIES, NER_ENTITIES, PATTERN_ENTITIES
from proxy.detect.entities import RECOGNIZERS as ENTITY_CLASSES
from proxy.detect.normalise import folded
from proxy.detect.pii import SEGMENT_CHARS_MAX, PiiBank, PiiEntry, PiiError
from proxy.detect.presidio import Recognizer, Result, load_recognizers
from tests.detect.pii_samples import COUNTRY_PARTS, PARTS, SAMPLES
from tests.detect.support import HARMLESS, assert_any_cut_is_the_same, cut, shown, sizes, texts_of, whole

RECOGNIZERS = load_recognizers()
ALL = PiiBank([PiiEntry(0, DEFAULT_ENTITIES)], RECOGNIZERS)
EVERY = PiiBank([PiiEntry(0, PATTERN_ENTITIES)], RECOGNIZERS)
SHIPPED = frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "IBAN_CODE"})
USUAL = PiiBank([PiiEntry(0, SHIPPED, 0.4)], RECOGNIZERS)

Reading = tuple[str, int, int, float]


Presidio = Callable[[str], list[Reading]]


def offline_engine(patch: pytest.MonkeyPatch, *, every: bool) -> Presidio:
    """The whole AnalyzerEngine, no language model; its suffix list kept offline. With the default English
    registry, or with every recognizer that the package holds."""
    from presidio_analyzer import AnalyzerEngine, predefined_recognizers
    from presidio_analyzer.nlp_engine import NoOpNlpEngine
    from presidio_analyzer.predefined_recognizers.generic import email_recognizer
    from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider

    offline = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    patch.setattr(email_recognizer, "tldextract", SimpleNamespace(extract=offline))
    nlp = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])
    registry = RecognizerRegistryProvider(nlp_engine=nlp).create_recognizer_registry()
    flags = registry.global_regex_flags
    entities = DEFAULT_ENTITIES
    if every:
        entities = PATTERN_ENTITIES
        for entity in sorted(PATTERN_ENTITIES - DEFAULT_ENTITIES):
            recognizer = getattr(predefined_recognizers, ENTITY_CLASSES[entity])(supported_language="en")
            recognizer.global_regex_flags = flags
            if entity == "IN_PAN":
                recognizer.patterns = [one for one in recognizer.patterns if ".*?" not in one.regex]
            registry.add_recognizer(recognizer)
    engine = AnalyzerEngine(registry=registry, nlp_engine=nlp)
    assert frozenset(engine.get_supported_entities("en")) == entities

    def analyze(text: str) -> list[Reading]:
        found = engine.analyze(text, "en")
        return sorted((one.entity_type, one.start, one.end, round(one.score, 6)) for one in found)

    return analyze


@pytest.fixture(scope="module")
def presidio() -> Iterator[Presidio]:
    with pytest.MonkeyPatch.context() as patch:
        yield offline_engine(patch, every=False)


@pytest.fixture(scope="module")
def presidio_of_all() -> Iterator[Presidio]:
    with pytest.MonkeyPatch.context() as patch:
        yield offline_engine(patch, every=True)


def unsettled(text: str, results: Sequence[Result], recognizers: object) -> Sequence[Result]:
    return results


def readings(bank: PiiBank, text: str) -> list[Reading]:
    """What stands before the settle step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pii, "settle", unsettled)
        found = whole(bank, text)
    return sorted((match.label, match.start, match.end, round(match.score, 6)) for match in found)


def test_every_recognizer_that_needs_no_language_model_is_offered() -> None:
    """All classes that Presidio ships, but those that ask a model or a service."""
    from presidio_analyzer import LocalRecognizer, PatternRecognizer, predefined_recognizers

    asking = {
        "GLiNER",
        "HuggingFaceNer",
        "LangExtract",
        "BasicLangExtract",
        "AzureOpenAILangExtract",
        "MedicalNER",
    }
    asking |= {"Spacy", "Stanza", "Transformers"}
    shipped = {
        name
        for name, kind in vars(predefined_recognizers).items()
        if isinstance(kind, type) and issubclass(kind, LocalRecognizer) and kind is not PatternRecognizer
    }
    assert shipped - {f"{name}Recognizer" for name in asking} == set(ENTITY_CLASSES.values())


def test_language_models_find_what_no_pattern_does() -> None:
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    assert frozenset(SpacyRecognizer.ENTITIES) - PATTERN_ENTITIES == NER_ENTITIES


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


COUNTRY_CHARACTERS = st.text(alphabet="01234567 -./ABDEKMZbdht:#\n", max_size=50)
CHARACTERS = st.text(alphabet="0123456789 -().+/xXAB@:,\n", max_size=60)


@settings(deadline=None, max_examples=150)
@given(text=st.one_of(texts_of(PARTS), CHARACTERS))
def test_findings_are_presidio_s(presidio: Presidio, text: str) -> None:
    text = folded().of(text)
    assert readings(ALL, text) == presidio(text)


def test_a_prefix_may_stand_twice_before_a_phone_number(presidio: Presidio) -> None:
    text = "11-12-123456-787"
    assert ("PHONE_NUMBER", 0, 16, 0.4) in presidio(text)
    assert readings(ALL, text) == presidio(text)


@pytest.mark.parametrize("entity", sorted(PATTERN_ENTITIES))
def test_every_entity_is_found(entity: str) -> None:
    bank = PiiBank([PiiEntry(0, frozenset({entity}))], RECOGNIZERS)
    text = SAMPLES[entity]
    assert [entity for label, _, end, _ in readings(bank, f"{text} ") if end == len(text)] == [entity]


@settings(deadline=None, max_examples=150)
@given(text=st.one_of(texts_of([*COUNTRY_PARTS, *COUNTRY_PARTS, *PARTS]), COUNTRY_CHARACTERS))
def test_findings_of_every_country_are_presidio_s(presidio_of_all: Presidio, text: str) -> None:
    text = folded().of(text)
    assert readings(EVERY, text) == presidio_of_all(text)


@settings(deadline=None, max_examples=100)
@given(text=texts_of([*PARTS, "\u200b", "\u0664", "\uff11"]), sizes=sizes())
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


def test_prose_is_held_by_its_last_word() -> None:
    scan = USUAL.open(NO_CONTEXT)
    text = "The ferry came twice a day in 1987 and then no more. "
    held = [at - scan.feed(char).safe_upto for at, char in enumerate(text, 1)]
    assert max(held) == len("1987 and")
    assert held[-1] == 0


def test_each_character_is_analyzed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def analyze(self: object, text: str) -> list[Result]:
        nonlocal read
        read += len(text)
        return []

    monkeypatch.setattr(pii._Engine, "analyze", analyze)
    scan = ALL.open(NO_CONTEXT)
    for _ in range(1000):
        scan.feed("in 1987 it ca")
        scan.feed("me, ")
    scan.feed("", final=True)
    assert read == 17_000


def test_only_the_neighbourhood_of_a_hit_is_given_to_its_recognizer() -> None:
    given_to: list[str] = []

    class Watched:
        def __init__(self, inner: Recognizer) -> None:
            self.patterns = inner.patterns

        def analyze(self, text: str, entities: list[str]) -> list[Result]:
            given_to.append(text)
            return []

    watched = {**RECOGNIZERS, "EMAIL_ADDRESS": Watched(RECOGNIZERS["EMAIL_ADDRESS"])}
    bank = PiiBank([PiiEntry(0, frozenset({"EMAIL_ADDRESS"}))], watched)
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
labels = sorted({m.label for m in bank.open(Context()).feed("bob@example.com +1 415 555 2671", final=True).matches})
heavy = [n for n in ("torch", "transformers", "stanza", "spacy", "thinc", "presidio_analyzer") if n in sys.modules]
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
    assert mib < 150
    assert module == "presidio_analyzer.nlp_engine.no_op_nlp_engine"
    assert whole_later
