"""How the proxy's values look in JSON on the admin API. Times are RFC 3339, UTC, with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime

from proxy.backend.client import Backend
from proxy.dial.board import Effective
from proxy.dial.restraint import Kind, Restraint
from proxy.dial.setting import Change, Setting
from proxy.errors import Problem
from proxy.model.record import Json
from proxy.policy.patch import RULE_PREFIX, Patch
from proxy.policy.rule import (
    Detector,
    Obfuscation,
    Phrases,
    Pii,
    PromptLeak,
    Regex,
    Rule,
    Secrets,
    Size,
    Toxicity,
)


def moment(unix_s: float) -> str:
    """`2027-01-01T03:17:00.000Z`."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_moment(text: str) -> float:
    """Unix seconds of RFC 3339 (a time without zone is UTC) or of Unix seconds. Raises ValueError."""
    try:
        return float(text) if text[:1].isdigit() and text.replace(".", "", 1).isdigit() else _rfc3339(text)
    except (ValueError, OverflowError):
        raise ValueError("a time is written as 2027-01-01T03:17:00Z or as Unix seconds") from None


def _held(one: Setting | Restraint) -> dict[str, Json]:
    """Who set it, why, and from when till when it holds."""
    return {
        "actor": str(one.actor),
        "reason": one.reason,
        "since": moment(one.since),
        "expires": None if one.expires is None else moment(one.expires),
    }


def setting(one: Setting) -> dict[str, Json]:
    return {
        "scope": str(one.scope),
        "level": one.level.word,
        **_held(one),
    }


def restraint(one: Restraint) -> dict[str, Json]:
    return {
        "id": one.id,
        "subject": one.about,
        **({"rate": one.value} if one.kind is Kind.LIMIT else {}),
        **_held(one),
    }


def rollback(one: Restraint, *, applies: bool) -> dict[str, Json]:
    """`applies` is false where the settings do not have that version any more."""
    return {
        "model": one.about,
        "version": one.value,
        **_held(one),
        "applies": applies,
    }


def patch(one: Restraint) -> dict[str, Json]:
    """With the rule that it is in the policy."""
    found = Patch.loads(one.value)
    phrases: list[Json] = list(found.phrases)
    return {
        "id": one.id,
        "rule": RULE_PREFIX + one.id,
        "on": found.on,
        "action": found.action,
        "phrases": phrases,
        **_held(one),
    }


def effective(one: Effective) -> dict[str, Json]:
    return {"level": one.level.word, "setting": None if one.setting is None else setting(one.setting)}


def change(one: Change) -> dict[str, Json]:
    return {
        "at": moment(one.at),
        "actor": str(one.actor),
        "action": one.action,
        "scope": one.scope,
        "before": one.before,
        "after": one.after,
        "reason": one.reason,
    }


def backend_status(one: Backend) -> dict[str, Json]:
    """A backend and its health: how often it failed in a row, and when it is asked again where it is not."""
    health, last = one.health, one.health.last
    return {
        "name": one.name,
        "url": one.settings.url,
        "api": one.api,
        "own_key": one.settings.key is not None,
        "state": health.state.value,
        "since": moment(health.since),
        "failures": health.failures,
        "last_error": None if last is None else {"reason": last.fault.value, "at": moment(last.at)},
        "retry_in_s": round(health.wait_s, 1),
    }


def problem(one: Problem) -> dict[str, Json]:
    return {"file": one.file, "line": one.line, "column": one.column, "message": one.message}


def rule(one: Rule, patch: Restraint | None = None) -> dict[str, Json]:
    """A rule as the files write it, with every default filled in; of one that was patched in also the patch."""
    when: dict[str, Json] = {}
    if one.when.models is not None:
        when["models"] = sorted(one.when.models)
    if one.when.apps is not None:
        when["apps"] = sorted(one.when.apps)
    return {
        "id": one.id,
        "on": one.on,
        "detect": dict(map(_detector, one.detectors)),
        "action": one.action,
        "levels": {level.word: action for level, action in one.levels},
        "on_error": "block" if one.on_error == "block" else "allow",
        "mode": one.mode,
        "severity": one.severity,
        "message": one.message,
        "when": when,
        **({} if patch is None else {"patch": _held(patch)}),
    }


def _detector(one: Detector) -> tuple[str, dict[str, Json]]:
    match one:
        case Phrases():
            return "phrases", {"any": list(one.phrases), "whole_word": one.whole_word}
        case Regex():
            patterns: list[Json] = [
                {"pattern": item.pattern, "max_length": item.max_length} for item in one.patterns
            ]
            return "regex", {"patterns": patterns}
        case Pii():
            return "pii", {"entities": sorted(one.entities), "min_score": one.min_score}
        case Secrets():
            return "secrets", {"kinds": sorted(one.kinds)}
        case Toxicity():
            return "toxicity", dict(one.thresholds)
        case PromptLeak():
            return "prompt_leak", {"words": one.words}
        case Obfuscation():
            return "obfuscation", {"kinds": sorted(one.kinds)}
        case Size():
            limits = {"max_characters": one.max_characters, "max_messages": one.max_messages}
            return "size", {name: limit for name, limit in limits.items() if limit is not None}


def _rfc3339(text: str) -> float:
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
