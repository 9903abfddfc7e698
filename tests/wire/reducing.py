"""Requests reduced, for the tests of `degraded`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from proxy.wire.families import always_thinks, cap_field, takes_system, takes_temperature
from proxy.wire.reduce import Reduction
from proxy.wire.registry import wire_for

PROMPT = "Be careful."
FULL = Reduction(4, PROMPT, False, 0.0, 300, False)
CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"


def left_of(path: str, body: Any, reduction: Reduction = FULL) -> Any:
    wire = wire_for("POST", path, is_anthropic=path.startswith(MESSAGES))
    assert wire is not None
    raw = json.dumps(body).encode()
    out = wire.reduce_request(raw, reduction)
    wire.read_request(json.loads(out))  # and this proxy reads what it made
    return json.loads(out)


def at_model(reduction: Reduction, model: str) -> Reduction:
    return replace(
        reduction,
        takes_temperature=takes_temperature(model),
        takes_system=takes_system(model),
        always_thinks=always_thinks(model),
        cap_field=cap_field(model),
    )
