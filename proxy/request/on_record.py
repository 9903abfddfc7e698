"""What of an exchange the log may keep, where rules say `log: redacted`.

What such a rule found stands on the log as its placeholder: in the text where it was found, and wherever the same
characters stand in the record again. A text that such a rule should have judged and did not is not kept at all:
nobody knows what is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy import jsonio
from proxy.model.finding import Finding
from proxy.model.level import Direction
from proxy.model.record import UNJUDGED, Json
from proxy.model.text import Edit, Replacement, Text
from proxy.request.exchange import Exchange
from proxy.request.judged import JudgedText
from proxy.request.unlogged import moved
from proxy.wire.edits import merged
from proxy.wire.openai_responses_kept import edited, explicit

VALUE_CHARS_MIN: Final = 4
"""What is shorter is redacted where it was found only: it would be found within other words."""
VALUES_MAX: Final = 512
"""So many values of one exchange are looked for beyond where they were found; further ones only there."""


class OnRecord:
    """One exchange's record without them. What rules say nothing of comes back as the same object."""

    def __init__(self, x: Exchange) -> None:
        self._x = x
        self._input = _rules(x, Direction.INPUT)
        self._output = _rules(x, Direction.OUTPUT)
        self._changes: dict[JudgedText, tuple[Replacement, ...]] = {}
        self._idle = not x.policy.unlogs
        self._judged = frozenset(() if self._idle else x.judged)
        found: dict[str, str] = {}
        for text in () if self._idle else (*x.judged, *x.texts):
            found.update(text.unlogged.values(text.text))
        self._exact = found
        longest = sorted((value for value in found if len(value) >= VALUE_CHARS_MIN), key=len, reverse=True)
        self._values = longest[:VALUES_MAX]

    @property
    def whole(self) -> bool:
        """Whether nothing of the exchange's texts has to be left out."""
        return self._idle or (
            not self._exact and not any(self.changes(text) for text in (*self._x.judged, *self._x.texts))
        )

    def text(self, text: str) -> str:
        """Any string of the record."""
        for value in self._values:
            if value in text:
                text = text.replace(value, self._exact[value])
        return text

    def json(self, value: Json) -> Json:
        """Any value of the record."""
        return self._without(value) if self._values else value

    def changes(self, text: JudgedText) -> tuple[Replacement, ...]:
        """What stands in place of what, in a text as it came."""
        if self._idle:
            return ()
        known = self._changes.get(text)
        if known is None:
            known = self._changes[text] = self._changes_of(text)
        return known

    def received(self, text: JudgedText) -> str:
        """The text as it came."""
        changes = self.changes(text)
        return Edit(changes).apply(text.text) if changes else text.text

    def delivered(self, text: JudgedText) -> str:
        """The text as its reader got it."""
        changes = self.changes(text)
        if not changes and not self._exact:
            return text.delivered()
        came = text.text[: text.released]
        out: list[str] = []
        at = 0
        for change in merged([*self._shown(text), *changes]):
            if change.start >= len(came):
                break
            out += (came[at : change.start], change.text)
            at = change.end
        return "".join((*out, came[at:]))

    def findings(self, text: JudgedText) -> Iterator[Finding]:
        """What was found in it, where it stands in the text as it is kept."""
        changes = self.changes(text)
        return moved(text.findings, changes) if changes else iter(text.findings)

    def body(self) -> Json:
        """The request as it was received."""
        x = self._x
        view = x.received or x.view
        if not self._input or x.body is None:
            return x.body
        if view is None or x.wire is None:
            return UNJUDGED  # it was not read
        judged = {text.text: text for text in x.judged}
        edits = [
            (source, Edit(changes))
            for source in view.texts
            if source.value and (changes := self._source(source, judged.get(source.value)))
        ]
        body = jsonio.loads_strict(x.wire.edit_request(x.raw, edits)) if edits else x.body
        return self.json(body)

    def sent(self) -> Json:
        """The request as it was sent."""
        x = self._x
        if not self._input or x.sent is None or x.wire is None or x.view is None:
            return x.sent
        judged = {text.text: text for text in x.judged}
        elsewhere = frozenset(id(text) for text in x.kept.texts) if x.kept is not None else frozenset()
        own: list[tuple[Text, Edit]] = []
        kept: list[tuple[Text, Edit]] = []
        spelled = False  # what the backend keeps was sent in place of its name
        for source in x.screened:
            text = judged.get(source.value)
            shown = [] if text is None else list(self._shown(text))
            changes = merged([*shown, *self._source(source, text)])
            if changes and source.value:
                (kept if id(source) in elsewhere else own).append((source, Edit(changes)))
            spelled = spelled or (id(source) in elsewhere and bool(shown))
        raw = x.judged_raw or x.sent_raw
        if not own and not kept:
            return self.json(x.sent)
        if own:
            raw = x.wire.edit_request(raw, own)
        if x.kept is not None and spelled:
            raw = explicit(raw, edited(x.kept, kept))
        return self.json(jsonio.loads_strict(raw))

    def _source(self, source: Text, text: JudgedText | None) -> tuple[Replacement, ...]:
        """What stands in place of what in a request's text, which may not have been judged."""
        return self.changes(text) if text is not None else (Replacement(0, len(source.value), UNJUDGED),)

    def _changes_of(self, text: JudgedText) -> tuple[Replacement, ...]:
        rules = self._input if text in self._judged else self._output
        if rules and (not text.closed or any(rule in rules for rule, _ in text.errors)):
            return (Replacement(0, text.length, UNJUDGED),) if text.length else ()
        found = list(text.unlogged.replacements())
        if not found and not self._values:
            return ()
        whole = text.text
        for value in self._values:
            at = whole.find(value)
            while at >= 0:
                found.append(Replacement(at, at + len(value), self._exact[value]))
                at = whole.find(value, at + len(value))
        return merged(found)

    def _shown(self, text: JudgedText) -> Iterator[Replacement]:
        """What its reader got in place of what; a value that was restored is one that the log must not have."""
        edit = text.changes.edit(0, text.length)
        for change in edit.replacements if edit is not None else ():
            shown = self._exact.get(change.text) or self.text(change.text)
            yield Replacement(change.start, change.end, shown)

    def _without(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self._without(child) for key, child in value.items()}
        if isinstance(value, list):
            return [self._without(child) for child in value]
        return value


def _rules(x: Exchange, direction: Direction) -> frozenset[str]:
    """The rules that keep what they find off the log, among those that are for this exchange; of one that was not
    read, all that there are."""
    if not x.policy.unlogs:
        return frozenset()
    if x.view is None:
        return frozenset(rule.id for rule in x.policy.rules if rule.unlogged and rule.on is direction)
    return x.policy.plan(direction, x.selection).unlogged
