"""What was made of prompts, remembered from exchange to exchange, since most share theirs."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

from proxy.detect.prompt_leak_index import RUN_WORDS_MAX, PromptIndex

KEPT_WORDS_MAX: Final = 4 * RUN_WORDS_MAX
"""Words in the runs remembered, some 16 MB; what was used longest ago goes first."""

ENTRY_WORDS: Final = 100
"""What an entry without any run counts."""


class KnownPrompts:
    """Prompts → their indexes, bounded. For one thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[PromptIndex, ...]] = OrderedDict()
        self._kept = 0

    def get(self, prompts: tuple[str, ...]) -> tuple[PromptIndex, ...] | None:
        key = _digest(prompts)
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def keep(self, prompts: tuple[str, ...], made: tuple[PromptIndex, ...]) -> None:
        key = _digest(prompts)
        if key in self._known:
            return
        self._known[key] = made
        self._kept += _size(made)
        while self._kept > KEPT_WORDS_MAX and len(self._known) > 1:
            _, gone = self._known.popitem(last=False)
            self._kept -= _size(gone)


def _size(indexes: tuple[PromptIndex, ...]) -> int:
    return ENTRY_WORDS + sum(index.words for index in indexes)


def _digest(prompts: tuple[str, ...]) -> bytes:
    out = blake2b(digest_size=16)
    for prompt in prompts:
        raw = prompt.encode("utf-8", "surrogatepass")
        out.update(len(raw).to_bytes(8, "big"))
        out.update(raw)
    return out.digest()
