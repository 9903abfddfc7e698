"""`python -m benchmarks.refusals`: how well replies that decline are told from those that do not.

`dev` is what the phrases were made with; `held` was written before them and is counted only. All were written by
one author: they show how the phrases generalise, not how a model of yours words its refusals.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.quality_data import Part, Sample, samples
from proxy.detect.refusal import refuses


@dataclass(frozen=True, slots=True)
class Measured:
    """Counts over one set, and the texts that were told wrong."""

    found: int
    missed: tuple[Sample, ...]
    in_vain: tuple[Sample, ...]
    replies: int

    @property
    def precision(self) -> float:
        return self.found / (self.found + len(self.in_vain))

    @property
    def recall(self) -> float:
        return self.found / (self.found + len(self.missed))


def measure(part: Part) -> Measured:
    """What the classifier says of one part of the set."""
    texts = samples("refusals", part)
    told = [(one, refuses(one.text)) for one in texts]
    return Measured(
        sum(said and one.kind == "refusal" for one, said in told),
        tuple(one for one, said in told if not said and one.kind == "refusal"),
        tuple(one for one, said in told if said and one.kind != "refusal"),
        len(texts),
    )


def main() -> None:
    for part in ("dev", "held"):
        found = measure(part)
        print(f"{part}: {found.replies} replies, precision {found.precision:.3f}, recall {found.recall:.3f}")
        if part == "dev":
            for one in (*found.missed, *found.in_vain):
                print(f"  {one.kind}: {one.text}")
    texts = [one.text for one in samples("refusals", "held")]
    began = time.process_time()
    for _ in range(20):
        for text in texts:
            refuses(text)
    print(f"{(time.process_time() - began) / 20 / len(texts) * 1e6:.1f} us a reply")


if __name__ == "__main__":
    main()
