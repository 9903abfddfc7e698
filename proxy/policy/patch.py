"""Hot patches: rules of phrases that operators add to the policy in force, without a file. The dial keeps them, as
JSON; in the policy they stand behind the rules of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Protocol

from proxy import jsonio
from proxy.detect.phrases import PhraseError, check_phrase
from proxy.errors import Invalid
from proxy.model.level import Action, Direction
from proxy.model.record import Json
from proxy.policy.rule import Phrases, Rule
from proxy.policy.schema import DEFAULT_MESSAGE

PHRASES_MAX: Final = 100
"""In one patch. A list that is longer belongs into a rule file."""
PHRASE_CHARS_MAX: Final = 200
RULE_PREFIX: Final = "patch:"

ACTIONS: Final = (Action.FLAG, Action.REDACT, Action.BLOCK)


class Kept(Protocol):
    """A patch as it is kept: `value` is what `Patch.dumps` made."""

    @property
    def id(self) -> str: ...

    @property
    def value(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Patch:
    """What a patch looks for, and what it does with it."""

    on: Direction
    action: Action
    phrases: tuple[str, ...]

    @classmethod
    def parse(cls, body: dict[str, Json]) -> Patch:
        """Of `{"phrases": […], "on": "input", "action": "block"}`. Raises Invalid."""
        try:
            on = Direction(str(body.get("on")))
        except ValueError:
            raise Invalid("`on` must be input or output") from None
        if body.get("action") not in ACTIONS:
            raise Invalid(f"`action` must be one of {', '.join(ACTIONS)}")
        phrases = body.get("phrases")
        if not isinstance(phrases, list) or not 0 < len(phrases) <= PHRASES_MAX:
            raise Invalid(f"`phrases` must be a list of 1 to {PHRASES_MAX} phrases")
        return cls(on, Action(str(body["action"])), tuple(dict.fromkeys(map(_phrase, phrases))))

    @classmethod
    def loads(cls, text: str) -> Patch:
        """Of what `dumps` made. Raises Invalid."""
        body = jsonio.loads(text.encode())
        if not isinstance(body, dict):
            raise Invalid("a patch is kept as a JSON object")
        return cls.parse(body)

    def dumps(self) -> str:
        """The form in which it is kept, and shown on the trail of changes."""
        phrases: list[Json] = list(self.phrases)
        return jsonio.dumps({"on": self.on, "action": self.action, "phrases": phrases}).decode()

    def rule(self, id: str) -> Rule:
        """The rule that it is in the policy. A patch is made in need, so its failure lets nothing pass."""
        return Rule(
            id=RULE_PREFIX + id,
            on=self.on,
            detectors=(Phrases(self.phrases),),
            action=self.action,
            on_error=Action.FLAG if self.action is Action.FLAG else Action.BLOCK,
            severity="high",
            message=DEFAULT_MESSAGE[self.on],
        )


def digest_with(files: str, patches: Sequence[Rule]) -> str:
    """The digest of a policy: that of its files, where nothing is patched; else BLAKE2b-128 in hex over it and, for
    each patch, its id, direction, action and phrases, each led by its length as eight bytes, big end first."""
    if not patches:
        return files
    out = blake2b(digest_size=16)
    for rule in patches:
        phrases = [phrase for one in rule.detectors if isinstance(one, Phrases) for phrase in one.phrases]
        for part in (files, rule.id, rule.on, rule.action, *phrases):
            out.update(len(part.encode()).to_bytes(8, "big"))
            out.update(part.encode())
    return out.hexdigest()


def _phrase(phrase: Json) -> str:
    if not isinstance(phrase, str):
        raise Invalid("each of `phrases` must be a string")
    if len(phrase) > PHRASE_CHARS_MAX:
        raise Invalid(f"a phrase of a patch has at most {PHRASE_CHARS_MAX} characters")
    try:
        check_phrase(phrase)
    except PhraseError as error:
        raise Invalid(f"`{phrase}`: {error}") from None
    return phrase
