"""What is left of a request from the dial's level `degraded` on: what every wire does the same way. Pure.

Each wire makes a new object of a request, in which whatever it does not touch is the very value that was there
before; only what is not gets written anew, into the request's own bytes. The new request is one that the real APIs
take, wherever the old one was (`tests/fakes/strict.py` holds what they refuse).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from proxy import jsonio
from proxy.model.record import Json
from proxy.model.text import Path
from proxy.wire.shape import compact, mapping, sequence, string
from proxy.wire.splice import members, splice

BETWEEN: Final = "\n\n"
"""What stands between the prompt that is put in front and what it is put in front of."""

SAY_JSON: Final = "Answer in JSON."
"""Without the word in some message OpenAI's API refuses a request for JSON."""

_HARD: Final = frozenset(("medium", "high", "xhigh", "max"))
_BLOCKS_PER_KEPT: Final = 2


@dataclass(frozen=True, slots=True)
class Reduction:
    """What is to be left. None leaves that part as it came."""

    keep_messages: int | None = None
    system_prompt: str | None = None
    replaces_prompt: bool = False  # it stands in the place of the request's own, else before them
    temperature: float | None = None
    max_output_tokens: int | None = None
    tools: bool = True  # whether they stay
    takes_temperature: bool = True
    takes_system: bool = True  # whether the model knows messages of the system; else the user's first says it
    always_thinks: bool = False  # also where the request does not ask for it (Messages)
    cap_field: str | None = None  # what a chat's cap is called where the request has none


def rendered(raw: bytes, before: Mapping[str, Json], after: Mapping[str, Json]) -> bytes:
    """The request with what differs, all else byte for byte; `before` is what `raw` says."""
    changes: dict[Path, bytes | None] = {(key,): None for key in before if key not in after}
    for key, value in after.items():
        if key not in before or value is not before[key]:
            changes[(key,)] = _written(raw, key, before.get(key), value)
    return splice(raw, changes)


def _written(raw: bytes, key: str, before: Json, after: Json) -> bytes:
    """A value anew; the entries of a list that stay are their own bytes."""
    if not isinstance(before, list) or not isinstance(after, list):
        return jsonio.dumps(after)
    own = {id(entry): text for entry, text in zip(before, members(raw, key), strict=True)}
    return b"[" + b",".join(own.get(id(entry)) or jsonio.dumps(entry) for entry in after) + b"]"


def kept_from(starts: Sequence[int], total: int, keep: int | None) -> int:
    """Where to cut `total` messages so that at most `keep` are left, by whole turns; the last turn always stays.
    `starts` are the places where turns begin, 0 among them.

    The cut moves by blocks where turns are short: it stands at the first turn from a multiple of half of what is
    kept on. So it stays where it is for some turns, and what precedes the newest messages is as it was before.
    """
    if keep is None or total <= keep:
        return 0
    block = max(1, keep // _BLOCKS_PER_KEPT)
    fits = [start for start in starts if start >= total - keep]
    aligned = (
        start
        for before, start in pairwise((-1, *starts))
        if start // block > before // block and total - keep <= start < total - keep + block
    )
    return next(aligned, fits[0] if fits else starts[-1])


def lowered(value: Json, most: float | None) -> Json:
    """A number of the request's, or the bound where it is higher or there is none."""
    if most is None:
        return value
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return min(value, most) if known and isinstance(value, int | float) else most


def cap(out: dict[str, Json], field: str, most: int | None) -> None:
    """Bounds the output at that key."""
    if most is not None:
        out[field] = lowered(out.get(field), most)


def cool(out: dict[str, Json], temperature: float | None) -> None:
    """Bounds the temperature. Some models take it or `top_p`, not both."""
    if temperature is not None:
        out["temperature"] = lowered(out.get("temperature"), temperature)
        out.pop("top_p", None)


def drop(out: dict[str, Json], keys: Sequence[str]) -> None:
    for key in keys:
        out.pop(key, None)


def eased(effort: Json, default: str | None = None) -> Json:
    """The effort of reasoning (where none is asked for, the model's own), lowered where it would use up a bounded
    output before the answer begins."""
    return "low" if (effort or default) in _HARD else effort


def call_text(name: Json, arguments: Json) -> str:
    """A tool call in the history, as text."""
    said = arguments if isinstance(arguments, str) else compact(arguments) or ""
    return f"[tool call {_name(name)}: {said}]"


def result_text(name: Json, result: str, *, failed: bool = False) -> str:
    """A tool's result in the history, as text."""
    return f"[tool {'error' if failed else 'result'} {_name(name)}: {result}]"


def _name(name: Json) -> str:
    return string(name) or "unknown"


def in_front(prompt: str, content: Json, part_type: str = "text") -> Json:
    """A content, a string or a list of parts, with a prompt before it."""
    if isinstance(content, list):
        return [{"type": part_type, "text": prompt}, *content]
    said = string(content)
    return f"{prompt}{BETWEEN}{said}" if said else prompt


_JSON: Final = re.compile("json", re.IGNORECASE)


def prompt_of(reduction: Reduction, asked: Json, left: Json) -> str | None:
    """The prompt to put in front. `asked` is the form that the answer is to have, `left` what is left of the
    messages: it must speak of JSON where that is asked for."""
    prompt = reduction.system_prompt
    if mapping(asked).get("type") != "json_object" or _JSON.search(f"{compact(left)}{prompt or ''}"):
        return prompt
    return f"{prompt} {SAY_JSON}" if prompt else SAY_JSON


def same(before: Json, after: Sequence[Json]) -> bool:
    """Whether a list holds the very entries that it held."""
    old = sequence(before)
    return len(old) == len(after) and all(one is other for one, other in zip(old, after, strict=True))
