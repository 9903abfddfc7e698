"""What is left of a request from the dial's level `degraded` on."""

from __future__ import annotations

from dataclasses import replace

from proxy import jsonio
from proxy.errors import Contained
from proxy.model.record import Json
from proxy.request.exchange import Exchange, Ports
from proxy.request.turn import READ_INLINE_BYTES_MAX, beside
from proxy.wire.base import RequestView, Wire
from proxy.wire.families import always_thinks, cap_field, takes_system, takes_temperature
from proxy.wire.openai_responses_kept import explicit
from proxy.wire.reduce import Reduction


async def degrade(x: Exchange, ports: Ports) -> None:
    """Cuts the request down; what is judged from here on is what will be sent. Raises Contained for one that cannot
    be cut."""
    wire, asked = x.wire, x.view
    if wire is None or asked is None:
        raise Contained("what this path is sent cannot be read; it is closed while the service is degraded")
    raw, large = x.sent_raw, x.body_bytes > READ_INLINE_BYTES_MAX
    if asked.conversation is not None:
        if x.kept is None or not x.kept.sendable:
            raise Contained(
                "what the backend keeps of this conversation is not on the log, and cannot be cut down to what is"
                " allowed while the service is degraded: send its messages themselves"
            )
        large = True
        raw = await beside(large, explicit, raw, x.kept.items)
    raw = await beside(large, wire.reduce_request, raw, _reduction(x, ports))
    if raw != x.sent_raw:
        body, view = await beside(large, _read, wire, raw)
        x.sent_raw, x.sent = raw, body
        x.asks(replace(view, model=asked.model, user=asked.user))


def _read(wire: Wire, raw: bytes) -> tuple[Json, RequestView]:
    body = jsonio.loads_strict(raw)
    return body, wire.read_request(body)


def _reduction(x: Exchange, ports: Ports) -> Reduction:
    """By the policy, for the model that is to be asked: what settings do not say of it, its name may tell."""
    degraded, route = x.policy.containment.degraded, x.route
    assert route is not None, "read finds the route"
    supports = ports.settings.supports(route.backend, route.sent)
    return Reduction(
        keep_messages=degraded.keep_messages,
        system_prompt=degraded.system_prompt,
        replaces_prompt=degraded.system_prompt_mode == "replace",
        temperature=degraded.temperature,
        max_output_tokens=degraded.max_output_tokens,
        tools=degraded.tools,
        takes_temperature=_said(supports.temperature, takes_temperature(route.sent)),
        takes_system=_said(supports.system, takes_system(route.sent)),
        always_thinks=always_thinks(route.sent),
        cap_field=ports.settings.backends[route.backend].max_tokens_field or cap_field(route.sent),
    )


def _said(setting: bool | None, guess: bool) -> bool:
    return guess if setting is None else setting
