"""What the detectors cost: nanoseconds per character of ordinary prose, whole and in 5-character pieces.

Run: python benchmarks/detect.py
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from proxy.detect.base import Bank, Context
from proxy.detect.lexicon import LexicalModel
from proxy.detect.obfuscation import KINDS as DISGUISES
from proxy.detect.obfuscation import ObfuscationBank, ObfuscationEntry
from proxy.detect.patterns import PatternBank, PatternEntry
from proxy.detect.phrases import PhraseBank, PhraseEntry
from proxy.detect.pii import PiiBank, PiiEntry
from proxy.detect.prompt_leak import PromptLeakBank, PromptLeakEntry
from proxy.detect.secrets import KINDS, SecretEntry, SecretsBank
from proxy.detect.toxicity import ToxicityBank, ToxicityEntry

PIECE_CHARS = 5
WHOLE_CHARS = 4000
ROUNDS = 30  # the best counts: the rest is what else the machine did

_PARAGRAPH = (
    "The harbour was quiet that morning, and the boats lay side by side as if nothing had happened. "
    "She walked along the wall to the old lighthouse, where the keeper used to sell bread and coffee. "
    "In 1987 the ferry still came twice a day; now there is a bridge, and the village has become a suburb. "
    "Nobody remembers who painted the door blue, but everyone agrees that it should stay that way.\n\n"
)
PROSE = (_PARAGRAPH * (WHOLE_CHARS // len(_PARAGRAPH) + 1))[:WHOLE_CHARS]
RUSSIAN = ("Утром в гавани было тихо, и лодки стояли рядом, будто ничего не случилось. " * 60)[:WHOLE_CHARS]

SHIPPED_ENTITIES = frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "IBAN_CODE"})
PATTERNS = (
    r"(?i)\bignore (?:all )?(?:previous|prior) instructions\b",
    r"\bsk-[A-Za-z0-9]{20,48}\b",
    r"\bAKIA[0-9A-Z]{16}\b",
    r"(?i)\bpassword\s{0,3}[:=]\s{0,3}\S{4,64}",
)


PROMPT_WORDS = 2000
# Of other words than the text, but for the most common ones.
CONTEXT = Context((" ".join(f"w{at} the {at} of and" for at in range(PROMPT_WORDS // 5)),))


def _phrases(count: int) -> tuple[str, ...]:
    rng = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randint(3, 9))) for _ in range(3000)]
    return tuple(" ".join(rng.choices(words, k=rng.randint(1, 4))) for _ in range(count))


def _whole(bank: Bank, text: str) -> None:
    bank.open(CONTEXT).feed(text, final=True)


def _pieces(bank: Bank, text: str) -> None:
    scan = bank.open(CONTEXT)
    for at in range(0, len(text), PIECE_CHARS):
        scan.feed(text[at : at + PIECE_CHARS])
    scan.feed("", final=True)


def _ns_per_char(run: Callable[[Bank, str], None], bank: Bank, text: str) -> float:
    run(bank, text)
    seconds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        run(bank, text)
        seconds.append(time.process_time() - begun)
    return min(seconds) / len(text) * 1e9


def main() -> None:
    begun = time.perf_counter()
    model = LexicalModel.load()
    weights_ms = (time.perf_counter() - begun) * 1e3
    begun = time.perf_counter()
    pii = PiiBank([PiiEntry(0, SHIPPED_ENTITIES, 0.4)])
    presidio_ms = (time.perf_counter() - begun) * 1e3
    print(f"start-up: weights {weights_ms:.0f} ms, Presidio's recognizers {presidio_ms:.0f} ms")
    banks: dict[str, Bank] = {
        "phrases, 10": PhraseBank([PhraseEntry(0, _phrases(10))]),
        "phrases, 10,000": PhraseBank([PhraseEntry(0, _phrases(10_000))]),
        "regex, 4": PatternBank([PatternEntry(0, pattern) for pattern in PATTERNS]),
        "pii, 5 entities": pii,
        "secrets, all": SecretsBank([SecretEntry(0, frozenset(KINDS))]),
        "toxicity": ToxicityBank([ToxicityEntry(0, {"toxicity": 0.8})], model),
        "prompt_leak, 2,000": PromptLeakBank([PromptLeakEntry(0, 12)]),
        "obfuscation": ObfuscationBank([ObfuscationEntry(0, frozenset(DISGUISES))]),
    }
    print(f"{'bank':<19}{'whole ns/char':>15}{'pieces ns/char':>16}{'µs/piece':>10}{'Russian whole':>15}")
    whole = piece = 0.0
    for name, bank in banks.items():
        one, many = _ns_per_char(_whole, bank, PROSE), _ns_per_char(_pieces, bank, PROSE)
        other = _ns_per_char(_whole, bank, RUSSIAN)
        print(f"{name:<19}{one:>15.1f}{many:>16.1f}{many * PIECE_CHARS / 1e3:>10.2f}{other:>15.1f}")
        if name != "phrases, 10":
            whole += one
            piece += many * PIECE_CHARS / 1e3
    print(
        f"all: {piece:.1f} µs a piece of {PIECE_CHARS}, {whole * WHOLE_CHARS / 1e6:.2f} ms for {WHOLE_CHARS}"
    )


if __name__ == "__main__":
    main()
