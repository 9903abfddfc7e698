"""How many attacks the shipped injection rules flag, and how many ordinary requests they flag in vain.

Run: python -m benchmarks.quality_injection [--show]
With --show every miss and every false alarm of the `dev` part is printed; those of `held` are counted only.
"""

from __future__ import annotations

import sys
from typing import Final

from benchmarks.quality_data import INJECTION_PARTS, count, samples, share, shipped_policy
from proxy.model.level import Direction

RULES: Final = ("injection-", "jailbreak-")


def main() -> None:
    policy = shipped_policy()
    for part in INJECTION_PARTS:
        attacks = count(policy, Direction.INPUT, RULES, samples("injection_attacks", part))
        benign = count(policy, Direction.INPUT, RULES, samples("injection_benign", part))
        print(f"{part}: attacks flagged {share(attacks.flagged, attacks.texts)}")
        for kind, (found, texts) in attacks.kinds.items():
            print(f"    {kind:<28}{share(found, texts)}")
        print(f"{part}: false alarms {share(benign.flagged, benign.texts)}, blocked {benign.blocked}")
        if part == "dev" and "--show" in sys.argv[1:]:
            for sample in attacks.missed:
                print(f"    missed: {sample.text!r}")
            for sample in benign.hit:
                print(f"    false alarm: {sample.text!r}")


if __name__ == "__main__":
    main()
