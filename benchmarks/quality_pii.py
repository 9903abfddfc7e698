"""How well the personal-data detector does on texts drawn from a seed: `python -m benchmarks.quality_pii`.

Tuned on one seed and one set of sentences, reported on another seed and other sentences. A value counts as found
where a finding of its entity covers it whole. F2 weighs recall twice. A look-alike is a false alarm where anything
is found in it.
"""

from __future__ import annotations

import argparse
import collections
import random

from benchmarks.pii_lookalikes import LIKE
from benchmarks.pii_sentences import HELD_OUT, LOOKALIKES, LOOKALIKES_HELD_OUT, TUNING
from benchmarks.pii_texts import VALUES, Planted
from proxy.detect.base import NO_CONTEXT
from proxy.detect.pii import PiiBank, PiiEntry

SEEDS = {"tuning": 11, "held-out": 20_261}
SHIPPED = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "IBAN_CODE")


def planted(seed: int, count: int, held_out: bool) -> list[Planted]:
    rng = random.Random(seed)
    sentences = HELD_OUT if held_out else TUNING
    kinds = rng.choices(list(VALUES), [weight for _, _, weight in VALUES.values()], k=count)
    texts = []
    for kind in kinds:
        entity, draw, _ = VALUES[kind]
        value = draw(rng)
        before, _, after = rng.choice(sentences[kind]).replace("{{", "{").replace("}}", "}").partition("{v}")
        texts.append(Planted(before + value + after, entity, len(before), len(before) + len(value), kind))
    return texts


def lookalikes(seed: int, count: int, held_out: bool) -> list[Planted]:
    rng = random.Random(seed + 1)
    sentences = LOOKALIKES_HELD_OUT if held_out else LOOKALIKES
    kinds = rng.choices(list(LIKE), k=count)
    return [
        Planted(rng.choice(sentences[kind]).replace("{v}", LIKE[kind](rng)), "", kind=kind) for kind in kinds
    ]


def measure(
    bank: PiiBank, seed: int, count: int, *, held_out: bool, entities: frozenset[str], show: int
) -> None:
    found: collections.Counter[str] = collections.Counter()
    seen: collections.Counter[str] = collections.Counter()
    alarms = 0
    missed: dict[str, list[str]] = {}
    for text in planted(seed, count, held_out):
        if text.entity not in entities:
            continue
        seen[text.kind] += 1
        matches = bank.open(NO_CONTEXT).feed(text.text, final=True).matches
        hit = any(m.label == text.entity and m.start <= text.start and m.end >= text.end for m in matches)
        found[text.kind] += hit
        alarms += sum(not (m.start < text.end and text.start < m.end) for m in matches)
        if not hit:
            missed.setdefault(text.kind, []).append(f"{text.text!r} {[(m.label, m.score) for m in matches]}")
    total, hits = seen.total(), found.total()
    recall, precision = hits / total, hits / (hits + alarms)
    f2 = 5 * precision * recall / (4 * precision + recall)
    likes = lookalikes(seed, count, held_out)
    false: dict[str, list[str]] = {}
    for text in likes:
        matches = bank.open(NO_CONTEXT).feed(text.text, final=True).matches
        # A time stamp holds a date, and says so.
        if any(match.label != "DATE_TIME" or text.kind != "stamp" for match in matches):
            false.setdefault(text.kind, []).append(f"{text.text!r} {[(m.label, m.score) for m in matches]}")
    rate = sum(map(len, false.values())) / len(likes)
    print(
        f"seed {seed}: recall {recall:.3f} precision {precision:.3f} F2 {f2:.3f};"
        f" look-alikes {rate:.1%} of {len(likes)}"
    )
    for kind in sorted(seen):
        print(f"  {kind:<10} {found[kind] / seen[kind]:.3f} of {seen[kind]}")
        for line in missed.get(kind, [])[:show]:
            print(f"      {line}")
    for kind, lines in sorted(false.items()):
        print(f"  alarm {kind:<12} {len(lines)}")
        for line in lines[:show]:
            print(f"      {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="texts of each sort")
    parser.add_argument("--show", type=int, default=0, help="examples of each kind of mistake")
    parser.add_argument(
        "--tuning", action="store_true", help="the set to tune on instead of the one held out"
    )
    parser.add_argument("--shipped", action="store_true", help="only the shipped rule's entities")
    args = parser.parse_args()
    entities = frozenset(SHIPPED) if args.shipped else frozenset(entity for entity, _, _ in VALUES.values())
    bank = PiiBank([PiiEntry(0, entities, 0.4)])
    name = "tuning" if args.tuning else "held-out"
    measure(bank, SEEDS[name], args.count, held_out=not args.tuning, entities=entities, show=args.show)


if __name__ == "__main__":
    main()
