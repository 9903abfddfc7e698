"""What the rule files say of the dial's levels, put together from all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from proxy.detect.offers import Offers
from proxy.errors import Invalid, Problem
from proxy.model.text import Path
from proxy.policy.file import ContainmentFile, DegradedFile, KilledFile, RestrictedFile
from proxy.policy.rule import Containment, Degraded, KilledReply, Restricted
from proxy.subjects import Rate, SubjectName
from proxy.yaml_source import Document, nearest

ALLOWED_MAX: Final = 1000
"""How many subjects may stand on `restricted.allow`."""

RATE_CALLS_MAX: Final = 1000
"""The most calls in `restricted.rate`: each caller on the list has a window of its own, in which calls are kept."""

T = TypeVar("T")


def warn_of_nobody(
    warnings: list[Problem], offers: Offers, subject: SubjectName, document: Document, at: Path
) -> None:
    """No problem, since settings and rules may be changed one after the other, and probably not meant."""
    why = None if offers.unmatched is None else offers.unmatched(subject)
    if why is not None:
        warnings.append(document.problem(at, f"no exchange would ever match `{subject}`: {why}"))


@dataclass(slots=True)
class ContainmentReader:
    """Takes the `containment` of one file after another. Each level is described in one file only."""

    problems: list[Problem]
    warnings: list[Problem]
    offers: Offers
    value: Containment = field(default_factory=Containment)
    _places: dict[str, str] = field(default_factory=dict)

    def take(self, document: Document, file: ContainmentFile) -> None:
        """What this file says; what it says wrongly joins the problems."""
        if file.degraded is not None and self._first(document, "degraded"):
            self.value = replace(self.value, degraded=self._degraded(document, file.degraded))
        if file.restricted is not None and self._first(document, "restricted"):
            self.value = replace(self.value, restricted=self._restricted(document, file.restricted))
        if file.killed is not None and self._first(document, "killed"):
            self.value = replace(self.value, killed=self._killed(document, file.killed))

    def _first(self, document: Document, level: str) -> bool:
        path: Path = ("containment", level)
        if level in self._places:
            message = f"`{level}` stands twice; also in {self._places[level]}"
            self.problems.append(document.problem(path, message, key=True))
            return False
        line, column = document.mark(path, key=True)
        self._places[level] = f"{document.file}:{line}:{column}"
        return True

    def _degraded(self, document: Document, file: DegradedFile) -> Degraded:
        if file.system_prompt_mode == "replace" and not (
            file.system_prompt and "system_prompt" in file.model_fields_set
        ):
            # The applications' own prompts would go, and nothing of theirs would stand in their place.
            self.problems.append(
                document.problem(
                    ("containment", "degraded", "system_prompt_mode"), "`replace` needs a `system_prompt`"
                )
            )
        return Degraded(
            file.keep_messages,
            file.system_prompt,
            file.system_prompt_mode,
            file.temperature,
            file.max_output_tokens,
            file.tools,
            file.threshold_scale,
        )

    def _restricted(self, document: Document, file: RestrictedFile) -> Restricted:
        at: Path = ("containment", "restricted")
        if len(file.allow) > ALLOWED_MAX:
            self.problems.append(document.problem((*at, "allow"), f"holds more than {ALLOWED_MAX} subjects"))
        allow = [
            self._subject(document, (*at, "allow", index), text) for index, text in enumerate(file.allow)
        ]
        rate = None if file.rate is None else self._parsed(document, (*at, "rate"), Rate.parse, file.rate)
        if rate is not None and rate.calls > RATE_CALLS_MAX:
            self.problems.append(
                document.problem(
                    (*at, "rate"), f"has at most {RATE_CALLS_MAX} calls: it holds for each caller"
                )
            )
        return Restricted(tuple(name for name in allow if name is not None), rate)

    def _subject(self, document: Document, at: Path, text: str) -> SubjectName | None:
        subject = self._parsed(document, at, SubjectName.parse, text)
        if subject is not None:
            warn_of_nobody(self.warnings, self.offers, subject, document, at)
        return subject

    def _parsed(self, document: Document, at: Path, parse: Callable[[str], T], text: str) -> T | None:
        try:
            return parse(text)
        except Invalid as error:
            self.problems.append(document.problem(at, str(error)))
            return None

    def _killed(self, document: Document, file: KilledFile) -> KilledReply:
        backend = file.reply.backend
        message = file.message or KilledReply().message
        if backend is None:
            return KilledReply("error" if file.reply.word == "error" else "static", message)
        backends = self.offers.backends
        if backends is not None:
            at: Path = ("containment", "killed", "reply", "backend")
            if backend not in backends:
                tail = nearest(backend, list(backends))
                self.problems.append(document.problem(at, f"the settings have no backend `{backend}`{tail}"))
            elif (why := backends[backend]) is not None:
                text = f"`{backend}` cannot answer in place of a killed model: {why}"
                self.problems.append(document.problem(at, text))
        return KilledReply("backend", message, backend)
