"""The shape of a rule file, key by key. What a shape cannot say is checked in `schema`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, JsonValue, StrictBool

from proxy.detect import obfuscation
from proxy.detect.secrets import KINDS
from proxy.model.record import Json
from proxy.policy.rule import Degraded
from proxy.yaml_model import FileModel

PATTERN_CHARS_MAX: Final = 8192
DEGRADED: Final = Degraded()

RuleId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Message = Annotated[str, Field(min_length=1, max_length=4096)]
Score = Annotated[float, Field(ge=0.0, le=1.0)]
Threshold = Annotated[float, Field(gt=0.0, le=1.0)]
ActionWord = Literal["flag", "redact", "pseudonymize", "block"]
LevelWord = Literal["guarded", "degraded", "restricted", "killed"]


def _list_as_any(value: Json) -> Json:
    return {"any": value} if isinstance(value, list) else value


def _text_as_pattern(value: Json) -> Json:
    return {"pattern": value} if isinstance(value, str) else value


def _all_kinds(value: Json) -> Json:
    return list(KINDS) if value == "all" else value


def _every_disguise(value: Json) -> Json:
    return list(obfuscation.KINDS) if value == "all" else value


def _word_as_reply(value: Json) -> Json:
    if isinstance(value, str):
        return {"word": value}
    if not isinstance(value, Mapping) or not value or "word" in value:
        raise ValueError("write static, error or {backend: NAME}")
    return value


class PhrasesFile(FileModel):
    # Not strict, since after the validator above a list is Python's, not JSON's; words are still words only.
    any: Annotated[tuple[str, ...], Field(strict=False)] = ()
    file: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    whole_word: StrictBool = True


class PatternFile(FileModel):
    pattern: Annotated[str, Field(min_length=1, max_length=PATTERN_CHARS_MAX)]
    max_length: Annotated[int, Field(ge=1, le=4096)] | None = None


class UnlessFile(FileModel):
    # Not strict, for the reason above.
    any: Annotated[
        tuple[Annotated[PatternFile, BeforeValidator(_text_as_pattern)], ...], Field(strict=False)
    ] = ()
    file: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    max_length: Annotated[int, Field(ge=1, le=4096)] = 1000  # of patterns that give none


class PiiFile(FileModel):
    entities: Annotated[tuple[str, ...], Field(min_length=1)]
    min_score: Score = 0.4


class SecretsFile(FileModel):
    # Not strict, since after the validator a list is Python's, not JSON's; words are still words only.
    kinds: Annotated[tuple[str, ...], BeforeValidator(_all_kinds), Field(strict=False, min_length=1)]


class PromptLeakFile(FileModel):
    words: Annotated[int, Field(ge=4, le=200)] = 12


class ObfuscationFile(FileModel):
    # Not strict, since after the validator a list is Python's, not JSON's; words are still words only.
    kinds: Annotated[tuple[str, ...], BeforeValidator(_every_disguise), Field(strict=False, min_length=1)] = (
        obfuscation.KINDS
    )


class SizeFile(FileModel):
    max_characters: Annotated[int, Field(ge=1)] | None = None
    max_messages: Annotated[int, Field(ge=1)] | None = None


class DetectFile(FileModel):
    phrases: Annotated[PhrasesFile, BeforeValidator(_list_as_any)] | None = None
    regex: (
        Annotated[
            tuple[Annotated[PatternFile, BeforeValidator(_text_as_pattern)], ...],
            Field(min_length=1),
        ]
        | None
    ) = None
    pii: PiiFile | None = None
    secrets: SecretsFile | None = None
    toxicity: Annotated[dict[str, Threshold], Field(min_length=1)] | None = None
    prompt_leak: PromptLeakFile | None = None
    obfuscation: ObfuscationFile | None = None
    size: SizeFile | None = None


class WhenFile(FileModel):
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    apps: Annotated[tuple[str, ...], Field(min_length=1)] | None = None


class RuleFile(FileModel):
    id: RuleId
    on: Literal["input", "output"]
    detect: DetectFile
    action: ActionWord
    levels: dict[LevelWord, ActionWord] = Field(default_factory=dict)
    on_error: Literal["block", "allow"] | None = None
    mode: Literal["enforce", "shadow"] = "enforce"
    severity: Literal["low", "medium", "high", "critical"] = "medium"
    message: Message | None = None
    when: WhenFile | None = None
    unless: Annotated[UnlessFile, BeforeValidator(_list_as_any)] | None = None
    log: Literal["whole", "redacted"] = "whole"


class ReplyFile(FileModel):
    word: Literal["static", "error"] = "static"
    backend: Annotated[str, Field(min_length=1, max_length=128)] | None = None


class KilledFile(FileModel):
    reply: Annotated[ReplyFile, BeforeValidator(_word_as_reply)] = ReplyFile()
    message: Message | None = None


class DegradedFile(FileModel):
    """`null` leaves that part of a request as it came."""

    keep_messages: Annotated[int, Field(ge=1, le=10_000)] | None = DEGRADED.keep_messages
    system_prompt: Annotated[str, Field(min_length=1, max_length=16_384)] | None = DEGRADED.system_prompt
    system_prompt_mode: Literal["prepend", "replace"] = DEGRADED.system_prompt_mode
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = DEGRADED.temperature
    # Some APIs refuse less than 16.
    max_output_tokens: Annotated[int, Field(ge=16, le=1_000_000)] | None = DEGRADED.max_output_tokens
    tools: StrictBool = DEGRADED.tools
    threshold_scale: Threshold = DEGRADED.threshold_scale


class RestrictedFile(FileModel):
    allow: tuple[Annotated[str, Field(max_length=512)], ...] = ()
    rate: Annotated[str, Field(max_length=64)] | None = None


class ContainmentFile(FileModel):
    degraded: DegradedFile | None = None
    restricted: RestrictedFile | None = None
    killed: KilledFile | None = None
    set: tuple[JsonValue, ...] = ()  # each read as a SetFile of its own


class PolicyFile(FileModel):
    """One rule file's top level."""

    rules: tuple[JsonValue, ...] = ()  # each read as a RuleFile of its own, so that one fault hides no other
    containment: ContainmentFile | None = None
    tripwires: tuple[JsonValue, ...] = ()  # each a TripwireFile
    probes: tuple[JsonValue, ...] = ()  # each a ProbeFile
    cards: tuple[JsonValue, ...] = ()  # likewise, each a CardFile
    blocks: tuple[JsonValue, ...] = ()  # a BlockFile
    limits: tuple[JsonValue, ...] = ()  # a LimitFile
