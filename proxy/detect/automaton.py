"""Phrases in an Aho-Corasick automaton, and whose they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import ahocorasick


class Automaton(Protocol):
    def add_word(self, word: str, value: object) -> bool: ...
    def make_automaton(self) -> None: ...
    def match(self, text: str) -> bool: ...
    def __len__(self) -> int: ...
    def iter(self, text: str, start: int) -> Iterator[tuple[int, Word]]: ...


@dataclass(frozen=True, slots=True)
class Word:
    """What stands at a phrase's end in the automaton: its length and whose it is."""

    length: int
    whole: tuple[int, ...]  # rules that want it as a whole word
    loose: tuple[int, ...]  # rules that take it anywhere
    leet: str = ""  # the phrase itself, where this stands in the automaton for leetspeak


def word_of(word: str, whole: set[int], loose: set[int], leet: str = "") -> Word:
    return Word(len(word), tuple(sorted(whole - loose)), tuple(sorted(loose)), leet)


def automaton(words: Mapping[str, Word]) -> Automaton:
    made = cast(Automaton, ahocorasick.Automaton())
    for word, value in words.items():
        made.add_word(word, value)
    made.make_automaton()
    return made
