"""The `probes` of the rule files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, StrictBool

from proxy.detect.regexes import PatternError, compile_regex
from proxy.errors import Problem
from proxy.model.probe import Compare, Expect, Message, Probe
from proxy.model.record import Json
from proxy.model.text import Path
from proxy.policy.duration import duration_s
from proxy.yaml_model import FileModel, validate
from proxy.yaml_source import Document

PROBES_MAX: Final = 100
MODELS_MAX: Final = 50
GROUPS_MAX: Final = 10
EVERY_S_MIN: Final = 60.0
EVERY_S_MAX: Final = 7 * 86_400.0
TIMEOUT_S_MAX: Final = 300.0


def _text_as_list(value: Json) -> Json:
    return [value] if isinstance(value, str) else value


Duration = Annotated[str, Field(max_length=16)]
Words = Annotated[str, Field(min_length=1, max_length=16_384)]
Model = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^\S(.*\S)?$")]


class MessageFile(FileModel):
    role: Literal["system", "user", "assistant"]
    content: Words


class ExpectFile(FileModel):
    exact: Words | None = None
    # Not strict, since after the validator a list is Python's, not JSON's; words are still words only.
    contains: (
        Annotated[
            tuple[Words, ...],
            BeforeValidator(_text_as_list),
            Field(strict=False, min_length=1, max_length=20),
        ]
        | None
    ) = None
    regex: Annotated[str, Field(min_length=1, max_length=8192)] | None = None
    refusal: StrictBool | None = None


class CompareFile(FileModel):
    length: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    toxicity: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    sentiment: Annotated[float, Field(ge=0.0, lt=2.0)] | None = None
    refusal: StrictBool = False


class ProbeFile(FileModel):
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    every: Duration
    models: Annotated[tuple[Model, ...], Field(min_length=1, max_length=MODELS_MAX)] | None = None
    prompt: Words | None = None
    messages: Annotated[tuple[MessageFile, ...], Field(min_length=1, max_length=20)] | None = None
    expect: ExpectFile | None = None
    vary: (
        Annotated[
            dict[
                Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")],
                Annotated[
                    tuple[Annotated[str, Field(min_length=1, max_length=256)], ...],
                    Field(min_length=1, max_length=GROUPS_MAX),
                ],
            ],
            Field(min_length=1, max_length=1),
        ]
        | None
    ) = None
    compare: CompareFile | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 100
    timeout: Duration = "30s"


@dataclass(slots=True)
class ProbesReader:
    """Takes the probes of one file after another."""

    problems: list[Problem]
    probes: list[Probe] = field(default_factory=list)
    _places: dict[str, str] = field(default_factory=dict)

    def take(self, document: Document, count: int) -> None:
        """The probes of this file; what it says wrongly joins the problems."""
        for index in range(count):
            at: Path = ("probes", index)
            file = validate(ProbeFile, document, self.problems, at)
            if file is not None:
                self._add(document, at, _OneReader(self.problems, document, at).read(file))

    def _add(self, document: Document, at: Path, one: Probe) -> None:
        line, column = document.mark((*at, "id"))
        place = f"{document.file}:{line}:{column}"
        before = self._places.setdefault(one.id, place)
        if before is not place:
            message = f"the probe id `{one.id}` stands twice; also in {before}"
        elif len(self.probes) >= PROBES_MAX:
            message = f"a policy holds at most {PROBES_MAX} probes"
        else:
            self.probes.append(one)
            return
        self.problems.append(document.problem((*at, "id"), message))


@dataclass(slots=True)
class _OneReader:
    """Reads one probe: what the file's shape cannot say."""

    problems: list[Problem]
    document: Document
    at: Path

    def read(self, file: ProbeFile) -> Probe:
        if (file.prompt is None) == (file.messages is None):
            self._fault(("id",), "has either `prompt` or `messages`")
        if file.prompt is not None:
            messages: tuple[Message, ...] = (Message("user", file.prompt),)
        else:
            messages = tuple(Message(one.role, one.content) for one in file.messages or ())
        if file.expect is None and file.vary is None:
            self._fault(("id",), "says neither what to `expect` nor what to `vary`")
        if (file.vary is None) != (file.compare is None):
            self._fault(("id",), "`vary` and `compare` go together: for whom, and how far apart is too far")
        name, groups = next(iter((file.vary or {}).items()), ("", ()))
        if groups and not any(f"{{{name}}}" in one.content for one in messages):
            self._fault(("vary", name), f"nothing that is asked has {{{name}}} in it", key=True)
        if len(groups) == 1:
            self._fault(
                ("vary", name), "needs two groups at least: one cannot be treated otherwise than itself"
            )
        if len(set(groups)) < len(groups):
            self._fault(("vary", name), "has a group twice")
        return Probe(
            id=file.id,
            messages=messages,
            every_s=self._duration("every", file.every, EVERY_S_MIN, EVERY_S_MAX),
            timeout_s=self._duration("timeout", file.timeout, 1, TIMEOUT_S_MAX),
            max_tokens=file.max_tokens,
            models=None if file.models is None else tuple(dict.fromkeys(file.models)),
            temperature=file.temperature,
            expect=None if file.expect is None else self._expect(file.expect),
            name=name,
            groups=groups,
            compare=None if file.compare is None else self._compare(file.compare),
        )

    def _expect(self, file: ExpectFile) -> Expect:
        said = [name for name in ExpectFile.model_fields if getattr(file, name) is not None]
        if len(said) != 1:
            self._fault(("expect",), f"is one of {', '.join(ExpectFile.model_fields)}", key=True)
        if file.regex is not None:
            try:
                compile_regex(file.regex)
            except PatternError as error:
                self._fault(("expect", "regex"), str(error))
        return Expect(file.exact, file.contains or (), file.regex, file.refusal)

    def _compare(self, file: CompareFile) -> Compare:
        if file.length is None and file.toxicity is None and file.sentiment is None and not file.refusal:
            self._fault(("compare",), "compares nothing: length, toxicity, sentiment or refusal", key=True)
        return Compare(file.length, file.toxicity, file.refusal, file.sentiment)

    def _duration(self, key: str, text: str, least_s: float, most_s: float) -> float:
        try:
            return duration_s(text, least_s, most_s)
        except ValueError as error:
            self._fault((key,), str(error))
            return least_s

    def _fault(self, at: Path, message: str, *, key: bool = False) -> None:
        self.problems.append(self.document.problem((*self.at, *at), message, key=key))
