"""What rules with `log: redacted` found in one text: where it stands, and what stands for it on the log."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from proxy.model.finding import Finding
from proxy.model.text import Replacement
from proxy.policy.redact import placeholder
from proxy.wire.json_text import JsonText


class Unlogged:
    """Ranges of a text that the log must not have. They are noted as they are found, in judged characters."""

    __slots__ = ("_found", "_json")

    def __init__(self, json: JsonText | None) -> None:
        self._json = json
        self._found: list[tuple[int, int, str]] = []

    def note(self, finding: Finding, start: int, end: int) -> None:
        """Something was found there."""
        if finding.unlogged and end > start:
            self._found.append((start, end, placeholder(finding.label)))

    def replacements(self) -> Iterator[Replacement]:
        """What stands in their place, in the characters that the wire carries. They may overlap."""
        for start, end, text in self._found:
            if self._json is None:
                yield Replacement(start, end, text)
            else:
                yield from self._json.replacements(start, end, text)

    def values(self, text: str) -> Iterator[tuple[str, str]]:
        """What they hold, as the wire carries it and as its reader takes it; and what stands for each. One that
        goes on where the reply had ended is none: its beginning may be any word."""
        for change in self.replacements():
            if change.end > len(text):
                continue
            value = text[change.start : change.end]
            yield value, change.text
            if self._json is not None and "\\" in value:
                try:
                    yield json.loads(f'"{value}"'), change.text
                except ValueError:
                    continue  # cut within an escape: nobody reads it as another text


def moved(findings: Iterable[Finding], changes: Sequence[Replacement]) -> Iterator[Finding]:
    """The findings of a text with their places in the changed text. What begins or ends within a change begins or
    ends with it."""
    starts = [change.start for change in changes]
    grown = [0, *accumulate(len(change.text) - (change.end - change.start) for change in changes)]
    for finding in findings:
        start, end = finding.start, finding.end
        at = bisect_right(starts, start) - 1
        within = at >= 0 and start < changes[at].end
        new_start = changes[at].start + grown[at] if within else start + grown[at + 1]
        at = bisect_left(starts, end) - 1
        within = at >= 0 and end <= changes[at].end
        new_end = changes[at].start + grown[at] + len(changes[at].text) if within else end + grown[at + 1]
        yield replace(finding, start=new_start, end=max(new_start, new_end))
