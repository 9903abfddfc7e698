"""The JSON Schemas of what the admin API takes and gives, as openapi.json shows them. What is taken is described
exactly: what a schema allows is refused only for what a schema cannot say (that a model or a caller exists)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from proxy.dial.setting import TTL_S_MAX
from proxy.model.level import Direction, Level, Outcome
from proxy.model.record import Json
from proxy.policy.patch import ACTIONS, PHRASE_CHARS_MAX, PHRASES_MAX
from proxy.scopes import REASON_CHARS_MAX
from proxy.subjects import CALLS_MAX, NAME_CHARS_MAX, WINDOW_S_MAX

Schema = Mapping[str, Json]


def whole_numbers(most: int) -> str:
    """A regular expression of the whole numbers from 1 to `most`, without leading zeros: each number below `most`
    has fewer digits, or its first digits are those of `most` and the next one is less."""
    digits = str(most)
    fewer = [f"[1-9][0-9]{{0,{len(digits) - 2}}}"] if len(digits) > 1 else []
    less = [
        f"{digits[:place]}[{lowest}-{int(digit) - 1}][0-9]{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if int(digit) > (lowest := int(not place))
    ]
    return f"(?:{'|'.join((*fewer, *less, digits))})"


def record(fields: Mapping[str, Json], *, optional: Sequence[str] = (), more: bool = False) -> Schema:
    """An object of these fields; with `more`, of others too."""
    return {
        "type": "object",
        "properties": dict(fields),
        "required": [name for name in fields if name not in optional],
        **({} if more else {"additionalProperties": False}),
    }


def several(schema: Json) -> Schema:
    return {"type": "array", "items": schema}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [dict(schema), {"type": "null"}]}


# Characters that no name has anywhere, and those that it has not at its ends (`printable` and `str.strip`).
_NOWHERE: Final = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_NOT_AT_ENDS: Final = _NOWHERE + r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_NAME: Final = rf"[^{_NOT_AT_ENDS}](?:[^{_NOWHERE}]{{0,{NAME_CHARS_MAX - 2}}}[^{_NOT_AT_ENDS}])?"

TEXT: Final[Schema] = {"type": "string"}
TEXT_OR_NULL: Final[Schema] = {"type": ["string", "null"]}
FLAG: Final[Schema] = {"type": "boolean"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
NUMBER: Final[Schema] = {"type": "number"}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}
OBJECT: Final[Schema] = {"type": "object"}
LEVEL: Final[Schema] = {"enum": [level.word for level in sorted(Level)]}

# What is taken.

REASON: Final[Schema] = {
    "type": "string",
    "maxLength": REASON_CHARS_MAX,
    "pattern": rf"^[^{_NOWHERE}]*[^{_NOT_AT_ENDS}][^{_NOWHERE}]*$",
    "description": "Why, in one line; kept on the trail of changes.",
}
OPTIONAL_REASON: Final[Schema] = {**REASON, "type": ["string", "null"]}
TTL: Final[Schema] = {
    "type": ["string", "null"],
    "pattern": "^(?:"
    + "|".join(
        f"{whole_numbers(TTL_S_MAX // unit_s)}{unit}"
        for unit, unit_s in (("s", 1), ("m", 60), ("h", 3600), ("d", 86_400))
    )
    + ")$",
    "description": f"As `30m`: a number and s, m, h or d, at most {TTL_S_MAX // 86_400}d; without, for ever",
}
SCOPE: Final[Schema] = {
    "type": "string",
    "pattern": f"^(?:global|(?:model|app):{_NAME})$",
    "description": "global, model:NAME or app:NAME",
}
SUBJECT: Final[Schema] = {
    "type": "string",
    "pattern": f"^(?:(?:user|key|app):{_NAME}|region:[A-Za-z][A-Za-z0-9]|ip:[0-9A-Fa-f:.]+(?:/[0-9]+)?)$",
    "description": "user:ID, key:NAME, ip:CIDR, region:CC or app:NAME",
}
RATE: Final[Schema] = {
    "type": "string",
    "pattern": f"^{whole_numbers(CALLS_MAX)} ?/ ?(?:"
    + "|".join(
        f"(?:{whole_numbers(WINDOW_S_MAX // unit_s)})? ?{unit}s?"
        for unit, unit_s in (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400))
    )
    + ")$",
    "description": "So many calls in any such time: `10/minute`, `500/12 hours`",
}
CALLER: Final[Schema] = {"type": "string", "pattern": f"^(?:{_NAME})?$"}
ADDRESS: Final[Schema] = {
    "anyOf": [{"type": "string", "format": kind} for kind in ("ipv4", "ipv6")] + [{"const": ""}]
}
REGION: Final[Schema] = {"type": "string", "pattern": "^(?:[A-Za-z][A-Za-z0-9])?$"}
SOUGHT: Final[Schema] = {"type": "string", "pattern": "^(?:user|key|ip|region|app):[\\s\\S]+$"}
TRAIL_CURSOR: Final[Schema] = {"type": "string", "pattern": "^[us][0-9]{1,18}$"}
PHRASES: Final[Schema] = {
    "type": "array",
    "minItems": 1,
    "maxItems": PHRASES_MAX,
    "items": {"type": "string", "minLength": 1, "maxLength": PHRASE_CHARS_MAX},
}
DIRECTION: Final[Schema] = {"enum": [str(direction) for direction in Direction]}
PATCH_ACTION: Final[Schema] = {"enum": [str(action) for action in ACTIONS]}
OUTCOME: Final[Schema] = {"enum": [str(outcome) for outcome in Outcome]}
TIME: Final[Schema] = {
    "anyOf": [dict(MOMENT), {"type": "string", "pattern": "^[0-9]{1,11}(?:[.][0-9]{1,6})?$"}],
}


def up_to(most: int, default: int) -> Schema:
    """A whole number from 1."""
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


def said(schema: Schema, text: str) -> Schema:
    """The same, with a description."""
    return {**schema, "description": text}


ID: Final[Schema] = {"type": "string", "minLength": 1}
IN_PATHS: Final[Mapping[str, Schema]] = {"scope": SCOPE, "model": ID, "id": ID}
"""The variable parts of paths, by their names."""


# What is given.

HELD: Final[Schema] = {"actor": TEXT, "reason": TEXT, "since": MOMENT, "expires": or_null(MOMENT)}
SETTING: Final = record({"scope": TEXT, "level": LEVEL, **HELD})
BLOCK: Final = record({"id": TEXT, "subject": TEXT, **HELD})
LIMIT: Final = record({"id": TEXT, "subject": TEXT, "rate": TEXT, **HELD})
ROLLBACK: Final = record({"model": TEXT, "version": TEXT, **HELD, "applies": FLAG})
PATCH: Final = record(
    {"id": TEXT, "rule": TEXT, "on": DIRECTION, "action": PATCH_ACTION, "phrases": several(TEXT), **HELD}
)
CHANGE: Final = record(
    {
        "at": MOMENT, "actor": TEXT, "action": TEXT, "scope": TEXT, "before": or_null(TEXT), "after": or_null(TEXT),
        "reason": TEXT,
    }
)  # fmt: skip
PROBLEM: Final = record({"file": TEXT, "line": COUNT, "column": COUNT, "message": TEXT})
RULE: Final = record(
    {
        "id": TEXT, "on": DIRECTION, "detect": OBJECT, "action": TEXT, "levels": OBJECT,
        "on_error": {"enum": ["block", "allow"]}, "mode": {"enum": ["enforce", "shadow"]},
        "severity": {"enum": ["low", "medium", "high", "critical"]}, "message": TEXT,
        "when": record({"models": several(TEXT), "apps": several(TEXT)}, optional=("models", "apps")),
        "patch": record(HELD),
    },
    optional=("patch",),
)  # fmt: skip
_SUMMARY: Final[Schema] = {
    "id": TEXT, "started_at": MOMENT, "finished_at": or_null(MOMENT), "api": TEXT, "path": TEXT, "stream": FLAG,
    "app": or_null(TEXT),
    "subject": record({name: or_null(TEXT) for name in ("key", "user", "ip", "region")}),
    "model": record(
        {name: or_null(TEXT) for name in ("requested", "version", "sent", "served", "fingerprint")}
    ),
    "backend": or_null(TEXT), "level": LEVEL, "policy": TEXT, "latency_ms": OBJECT, "findings": several(OBJECT),
    "scores": OBJECT, "outcome": or_null(OUTCOME), "error": {},
}  # fmt: skip
EXCHANGE_SUMMARY: Final = record(_SUMMARY)
EXCHANGE: Final = record(
    {
        **_SUMMARY,
        "request": record({"body": {}, "sent": {}}, optional=("sent",)),
        "response": record(
            {"received": {}, "delivered": {}, "finish_reason": {}, "logprobs": {}, "usage": {}},
            optional=("delivered",),
        ),
        "hash": or_null(TEXT),
        "previous_hash": or_null(TEXT),
    },
    more=True,  # `media`, `unscanned`, `attempts`, … only where there are any
)
_LIVE: Final[Schema] = {
    "exchanges": COUNT,
    "last_seen": MOMENT,
    "versions": several(
        record(
            {
                "version": or_null(TEXT), "sent": or_null(TEXT), "served": or_null(TEXT), "exchanges": COUNT,
                "last_seen": MOMENT,
            }
        )
    ),
}  # fmt: skip
_STATE: Final[Schema] = {"enum": ["ok", "pending", "firing", "cooling"]}
_BASELINE: Final = record(
    {
        "learning": FLAG, "learned_samples": COUNT, "expected": or_null(NUMBER), "low": or_null(NUMBER),
        "high": or_null(NUMBER), "from": {"enum": ["hour", "neighbours", "all", None]}, "windows": COUNT,
        "adds_up": or_null(NUMBER),
    }
)  # fmt: skip
_LEARNED: Final = record(
    {
        "tripwire": TEXT, "per": TEXT, "metric": TEXT, "stat": TEXT, "state": _STATE, "value": or_null(NUMBER),
        "baseline": _BASELINE,
    }
)  # fmt: skip
CARD: Final = record(
    {
        "model": TEXT, "version": or_null(TEXT), "owner": record({"team": or_null(TEXT), "contact": or_null(TEXT)}),
        "type": or_null(TEXT), "base_model": or_null(TEXT), "training_data": or_null(TEXT),
        "dependencies": or_null(several(TEXT)), "risks": or_null(several(TEXT)), "missing": several(TEXT),
        "live": or_null(record(_LIVE)), "baselines": several(_LEARNED),
    }
)  # fmt: skip
WITHOUT_CARD: Final = record({"model": TEXT, **_LIVE, "baselines": several(_LEARNED)})
TRIPWIRE: Final = record(
    {
        "id": TEXT, "per": TEXT, "state": _STATE,
        "value": or_null(NUMBER), "threshold": or_null(NUMBER), "since": or_null(MOMENT),
        "baseline": or_null(_BASELINE), "metric": TEXT, "stat": TEXT, "window_s": NUMBER,
        "samples": COUNT, "min_samples": COUNT, "severity": TEXT,
    }
)  # fmt: skip
RAN: Final = record(
    {
        "probe": TEXT, "model": TEXT, "result": {"enum": ["passed", "failed", "error", "skipped"]}, "why": TEXT,
        "at": MOMENT, "seconds": NUMBER, "version": or_null(TEXT), "exchanges": several(TEXT),
        "gaps": {"type": "object", "additionalProperties": NUMBER},
    }
)  # fmt: skip
PROBE: Final = record(
    {
        "id": TEXT, "model": TEXT, "every_s": NUMBER, "asks": COUNT, "timeout_s": NUMBER,
        "last": or_null(RAN),
    }
)  # fmt: skip
DELIVERY: Final = record({"target": TEXT, "delivered": FLAG, "error": or_null(TEXT)})
STATUS: Final = record(
    {
        "dial": record(
            {
                "version": COUNT, "settings": COUNT, "blocks": COUNT, "rollbacks": COUNT, "limits": COUNT,
                "unstored_changes": COUNT, "exchanges_attached": COUNT,
            }
        ),
        "version": TEXT,
        "uptime_s": NUMBER,
    },
    more=True,  # of each part of the proxy as much as it tells
)  # fmt: skip
CHECKS: Final = record({"ready": {"const": True}, "checks": {"type": "object", "additionalProperties": TEXT}})


def listed(name: str, one: Schema) -> Schema:
    """All of a kind, with the version that If-Match understands."""
    return record({"version": COUNT, name: several(one)})


def done(fields: Schema, *, optional: Sequence[str] = ()) -> Schema:
    """What a change answers: what it was about, and whether it was stored."""
    return record({**fields, "changed": FLAG, "durable": FLAG, "version": COUNT}, optional=optional)
