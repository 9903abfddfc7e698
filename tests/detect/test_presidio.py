"""What Presidio's AnalyzerEngine finds is what is found here before the settle step, for every entity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import tldextract
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detect.cuts import EDGE, edged
from proxy.detect.entities import DEFAULT_ENTITIES, NER_ENTITIES, PATTERN_ENTITIES
from proxy.detect.entities import RECOGNIZERS as ENTITY_CLASSES
from proxy.detect.normalise import latin
from proxy.detect.phone import phones_of
from proxy.detect.presidio import load_recognizers
from proxy.detect.recognize import Recognizers
from tests.detect.pii_samples import COUNTRY_PARTS, PARTS, SAMPLES
from tests.detect.support import texts_of

RECOGNIZERS = load_recognizers()
ALL = Recognizers(sorted(DEFAULT_ENTITIES), RECOGNIZERS)
EVERY = Recognizers(sorted(PATTERN_ENTITIES), RECOGNIZERS)
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


def seen(text: str) -> str:
    """The text as the recognizers get it, but for `_`."""
    return edged(latin().of(text))


def readings(recognizers: Recognizers, text: str) -> list[Reading]:
    found = recognizers.find(text) or []
    return sorted((one.entity_type, one.start, one.end, round(one.score, 6)) for one in found)


def expected(presidio: Presidio, text: str) -> list[Reading]:
    """Presidio's findings. Numbers are read with `_` for no letter; in addresses it is one."""
    addresses = {"EMAIL_ADDRESS", "URL"}
    numbers = presidio(text.replace("_", EDGE))
    return sorted(
        [one for one in numbers if one[0] not in addresses]
        + [one for one in presidio(text) if one[0] in addresses]
    )


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


def test_recognizers_are_loaded_once() -> None:
    assert load_recognizers() is RECOGNIZERS, "each load takes a second and 15 MB"


def test_language_models_find_what_no_pattern_does() -> None:
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    assert frozenset(SpacyRecognizer.ENTITIES) - PATTERN_ENTITIES == NER_ENTITIES


COUNTRY_CHARACTERS = st.text(alphabet="01234567 -./ABDEKMZbdht:#\n", max_size=50)
CHARACTERS = st.text(alphabet='0123456789 -().+/xXAB@:,_"\n', max_size=60)


@settings(deadline=None, max_examples=150)
@given(text=st.one_of(texts_of(PARTS), CHARACTERS))
def test_findings_are_presidio_s(presidio: Presidio, text: str) -> None:
    text = seen(text)
    assert readings(ALL, text) == expected(presidio, text)


PHONES = phones_of(RECOGNIZERS)
PHONE_PARTS = [
    *[
        "415-555-2671",
        "(415) 555-2671",
        "+1 415 555 2671",
        "0171 1234567",
        "+44 20 7946 0958",
        "020 7946 0958",
        "x 123",
    ],
    *[
        "",
        "06 12 34 56 78",
        "9876543210",
        "11 91234 5678",
        "2024-01-02 10",
        "00 49 30 123456",
        "011 44 20 7946 0958",
    ],
    *[
        "03-1234567",
        ":30",
        "+0171 12345670",
        "+00 49 30 123456",
        "ext. 55",
        " / ",
        "555",
        "2671",
        "12",
        "345 678",
        "  ",
        " x",
        "0",
        "1",
    ],
    *"/ -.()+%\na_\u00e9$",
]


@settings(deadline=None, max_examples=300)
@given(text=st.lists(st.sampled_from(PHONE_PARTS), max_size=14).map("".join))
def test_phone_numbers_are_presidio_s(text: str) -> None:
    """One walk over the text finds what a walk for each region finds."""
    found = RECOGNIZERS["PHONE_NUMBER"].analyze(text, ["PHONE_NUMBER"])
    ours = PHONES.find(text)
    assert [(one.start, one.end) for one in ours] == sorted((one.start, one.end) for one in found)


def test_an_underscore_is_a_letter_of_an_address(presidio: Presidio) -> None:
    text = "a.bA/M-B_5/x_4111111111111111 b_c@example.com"
    assert readings(ALL, text) == expected(presidio, text)
    assert ("URL", 0, 29, 0.5) in readings(ALL, text)


def test_a_prefix_may_stand_twice_before_a_phone_number(presidio: Presidio) -> None:
    text = "11-12-123456-787"
    assert ("PHONE_NUMBER", 0, 16, 0.4) in presidio(text)
    assert readings(ALL, text) == presidio(text)


@pytest.mark.parametrize("entity", sorted(PATTERN_ENTITIES))
def test_every_entity_is_found(entity: str) -> None:
    text = SAMPLES[entity]
    found = readings(Recognizers([entity], RECOGNIZERS), f"{text} ")
    assert [entity for _, _, end, _ in found if end == len(text)] == [entity]


@settings(deadline=None, max_examples=150)
@given(text=st.one_of(texts_of([*COUNTRY_PARTS, *COUNTRY_PARTS, *PARTS]), COUNTRY_CHARACTERS))
def test_findings_of_every_country_are_presidio_s(presidio_of_all: Presidio, text: str) -> None:
    text = seen(text)
    assert readings(EVERY, text) == expected(presidio_of_all, text)
