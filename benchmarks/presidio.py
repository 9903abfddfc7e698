"""The personal-data detector beside Presidio's AnalyzerEngine: `python -m benchmarks.presidio`.

Both in one process, on the same texts, CPU time: the engine with its default registry and no language model, the
detector with the same entities, settling included.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from types import SimpleNamespace

import tldextract
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NoOpNlpEngine
from presidio_analyzer.predefined_recognizers.generic import email_recognizer
from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider

from benchmarks.detect import PROSE
from proxy.detect.base import NO_CONTEXT
from proxy.detect.entities import DEFAULT_ENTITIES
from proxy.detect.pii import PiiBank, PiiEntry

ROUNDS = 40  # the best counts: the rest is what else the machine did


def _texts() -> dict[str, str]:
    rng = random.Random(3)
    grouped = " ".join(
        f"{rng.randint(200, 999)}-{rng.randint(200, 999)}-{rng.randint(1000, 9999)}" for _ in range(80)
    )
    return {
        "clean, 200 characters": PROSE[:200].replace("1987", "spring"),
        "clean with a year": PROSE[200:400],
        "an address and a number": ("Write to jane.doe@example.com or call +1 415 555 2671. " + PROSE)[:200],
        "prices, 1,000": ", ".join(f"${rng.randint(1, 99)},{rng.randint(100, 999)}.99" for _ in range(110))[
            :1000
        ],
        "numbers, 1,000": ", ".join(str(rng.randint(10**9, 10**10 - 1)) for _ in range(90))[:1000],
        "phone numbers, 1,000": grouped[:1000],
    }


def _us(run: Callable[[str], object], text: str, rounds: int) -> float:
    """Microseconds of CPU for one run, the best of several."""
    run(text)
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time_ns()
        run(text)
        best = min(best, time.process_time_ns() - begun)
    return best / 1e3


def main() -> None:
    offline = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    vars(email_recognizer)["tldextract"] = SimpleNamespace(extract=offline)
    nlp = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])
    registry = RecognizerRegistryProvider(nlp_engine=nlp).create_recognizer_registry()
    engine = AnalyzerEngine(registry=registry, nlp_engine=nlp)
    bank = PiiBank([PiiEntry(0, DEFAULT_ENTITIES)])
    print(f"{'text':<26}{'AnalyzerEngine µs':>18}{'detector µs':>13}{'ratio':>8}")
    for name, text in _texts().items():
        theirs = _us(lambda text: engine.analyze(text, "en"), text, ROUNDS // 4)
        ours = _us(lambda text: bank.open(NO_CONTEXT).feed(text, final=True), text, ROUNDS)
        print(f"{name:<26}{theirs:>18.0f}{ours:>13.1f}{theirs / ours:>8.0f}")


if __name__ == "__main__":
    main()
