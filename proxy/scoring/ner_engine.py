"""Named entities by spaCy, through Presidio's own recognizer. Runs in a scorer process only.

Presidio's engines download a model that is missing; here the one that is installed as a package is loaded by
import, or nothing is. Entities and scores are those of Presidio's AnalyzerEngine with its shipped
configuration, and ORGANIZATION, which that configuration leaves out.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final, Protocol, cast

from proxy.scoring.worker import Engine, Scores, keep_out

ENTITIES: Final = ("DATE_TIME", "LOCATION", "NRP", "ORGANIZATION", "PERSON")

MAPPING: Final = {
    "PERSON": "PERSON",
    "NORP": "NRP",
    "FAC": "LOCATION",
    "LOC": "LOCATION",
    "GPE": "LOCATION",
    "ORG": "ORGANIZATION",
    "DATE": "DATE_TIME",
    "TIME": "DATE_TIME",
}
"""spaCy's labels as Presidio's entities: presidio_analyzer/conf/default.yaml."""

IGNORED: Final = (
    *("CARDINAL", "EVENT", "LANGUAGE", "LAW", "MONEY", "ORDINAL"),
    *("PERCENT", "PRODUCT", "QUANTITY", "WORK_OF_ART"),
)

UNUSED_PIPES: Final = ("tagger", "attribute_ruler", "lemmatizer")
"""What entities do not hang on. (The parser's sentences do bound them.)"""


HEAVY: Final = (
    *("cupy", "gliner", "mxnet", "spacy_huggingface_pipelines"),
    *("stanza", "tensorflow", "torch", "transformers"),
)
"""What spaCy and Presidio import where it is installed: ten seconds and 800 MB for nothing."""


class _Found(Protocol):
    entity_type: str
    score: float
    start: int
    end: int


def load(source: str, threads: int) -> Engine:
    """The engine over the model of that package. Threads are bounded by the process's environment."""
    keep_out(
        "torch",
        "transformers",
        "stanza",
        "spacy_huggingface_pipelines",
        "gliner",
        "tensorflow",
        "mxnet",
        "cupy",
    )
    model = import_module(source).load(exclude=list(UNUSED_PIPES))
    engines = import_module("presidio_analyzer.nlp_engine")
    analyzer = import_module("presidio_analyzer")
    recognizers = import_module("presidio_analyzer.predefined_recognizers")
    spacy_engine = engines.SpacyNlpEngine(
        models=[{"lang_code": "en", "model_name": source}],
        ner_model_configuration=engines.NerModelConfiguration(
            model_to_presidio_entity_mapping=MAPPING,
            labels_to_ignore=list(IGNORED),
            low_score_entity_names=[],
        ),
    )
    spacy_engine.nlp = {"en": model}  # in place of its load(), which may download
    registry = analyzer.RecognizerRegistry([recognizers.SpacyRecognizer()], supported_languages=["en"])
    engine = analyzer.AnalyzerEngine(registry=registry, nlp_engine=spacy_engine, supported_languages=["en"])

    def score(text: str) -> Scores:
        found = cast(list[_Found], engine.analyze(text, "en", entities=list(ENTITIES)))
        return [(one.entity_type, float(one.score), one.start, one.end) for one in found]

    return Engine(f"spacy {model.meta['lang']}_{model.meta['name']} {model.meta['version']}", ENTITIES, score)
