"""How many toxic replies the shipped rules block, and how many ordinary ones and statements on groups.

Run: python -m benchmarks.quality_toxicity [--show]
Prints the lexical model's own area under the ROC curve as well, what is left of its recall when words are
disguised, and how much faster it is than `profanity_check.predict_prob`. With --show every miss and every false
alarm of the `dev` part is printed.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from profanity_check import predict_prob

from benchmarks.quality_data import PARTS, Sample, auc, count, samples, share, shipped_policy
from proxy.detect.base import NO_CONTEXT
from proxy.detect.lexicon import LexicalModel
from proxy.detect.toxicity import LABEL, ToxicityBank, ToxicityEntry
from proxy.model.level import Direction

RULES: Final = ("insults-", "abuse-", "threats-", "hate-", "sexual-harassment-")
RECALL_AT: Final = 0.9  # the lexical score at which disguises are compared

_WIDE: Final = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_LIKE: Final = str.maketrans("aeopcxyi", "аеорсхуі")
DISGUISES: Final[dict[str, Callable[[str], str]]] = {
    "upper case": str.upper,
    "full width": lambda text: text.translate(_WIDE),
    "zero width": lambda text: re.sub(r"(?<=\w)(?=\w)", "\u200b", text),
    "look-alikes": lambda text: text.translate(_LIKE),
}


def scores(bank: ToxicityBank, texts: Sequence[str]) -> list[float]:
    """Each text's score as the proxy reads it: normalised, the highest of its sentences and its whole."""
    out: list[float] = []
    for text in texts:
        scan = bank.open(NO_CONTEXT)
        scan.feed(text, final=True)
        out.append(scan.scores[LABEL])
    return out


def _seconds(run: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        run()
        best = min(best, time.process_time() - begun)
    return best


def main() -> None:
    policy, model = shipped_policy(), LexicalModel.load()
    bank = ToxicityBank([ToxicityEntry(0, {LABEL: RECALL_AT})], model)
    for part in PARTS:
        sets = {
            name: samples(name, part) for name in ("toxic_replies", "ordinary_replies", "group_statements")
        }
        counted = {name: count(policy, Direction.OUTPUT, RULES, texts) for name, texts in sets.items()}
        for name, result in counted.items():
            print(f"{part}: {name} blocked {share(result.blocked, result.texts)}")
        for kind, (found, texts) in counted["toxic_replies"].kinds.items():
            print(f"    {kind:<20}{share(found, texts)}")
        _lexical(part, bank, model, sets["toxic_replies"], sets["ordinary_replies"])
        if part == "dev" and "--show" in sys.argv[1:]:
            for name, result in counted.items():
                wrong = result.missed if name == "toxic_replies" else result.hit
                for sample in wrong:
                    print(f"    {name}: {sample.text!r}")


def _lexical(
    part: str, bank: ToxicityBank, model: LexicalModel, toxic: Sequence[Sample], fine: Sequence[Sample]
) -> None:
    bad, good = [sample.text for sample in toxic], [sample.text for sample in fine]
    theirs = auc(list(predict_prob(bad)), list(predict_prob(good)))
    ours = auc([model.score(text) for text in bad], [model.score(text) for text in good])
    print(f"{part}: AUC of the lexical score {ours:.4f}, of predict_prob {theirs:.4f}")
    plain = {text for text, score in zip(bad, scores(bank, bad), strict=True) if score >= RECALL_AT}
    for name, disguise in DISGUISES.items():
        kept = sum(score >= RECALL_AT for score in scores(bank, [disguise(text) for text in plain]))
        print(f"    {name:<20}keeps {share(kept, len(plain))}")
    text = good[0]
    ratio = (
        _seconds(lambda: predict_prob([text])) / _seconds(lambda: [model.score(text) for _ in range(50)]) * 50
    )
    print(f"    {ratio:.0f} times as fast as predict_prob")


if __name__ == "__main__":
    main()
