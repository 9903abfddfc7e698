"""What scorer processes answer: checked before it is believed, and remembered to a bound."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeAlias

from proxy.detect.base import Scored
from proxy.scoring.frames import BadFrame

_ANSWER_BYTES: Final = 200  # what an answer takes in memory, and what each of its parts adds
_SCORED_BYTES: Final = 150

Answer: TypeAlias = tuple[Scored, ...]


def read_answer(scored: object, labels: frozenset[str], characters: int) -> Answer:
    """The parts of an answer about a text of so many characters. Raises BadFrame where one makes no sense."""
    if not isinstance(scored, list):
        raise BadFrame("no list of scores")
    answer: list[Scored] = []
    for part in scored:
        match part:
            case [str(label), float() | int() as score, int(start), int(end)]:
                if label in labels and 0.0 <= score <= 1.0 and 0 <= start < end <= characters:
                    answer.append(Scored(label, float(score), start, end))
                    continue
        raise BadFrame("a score that makes no sense")
    return tuple(answer)


class Cache:
    """Answers by their text's hash, to a bound in bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()
        self._bytes = 0
        self._bytes_max = bytes_max

    def get(self, key: bytes) -> Answer | None:
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def put(self, key: bytes, answer: Answer) -> None:
        if key not in self._answers:
            self._bytes += _size(answer)
        self._answers[key] = answer
        while self._bytes > self._bytes_max:
            _, gone = self._answers.popitem(last=False)
            self._bytes -= _size(gone)


def _size(answer: Answer) -> int:
    return _ANSWER_BYTES + _SCORED_BYTES * len(answer)
