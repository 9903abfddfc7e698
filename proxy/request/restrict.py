"""Who is still served at the dial's level `restricted`, and how often."""

from __future__ import annotations

from typing import Final

from proxy.errors import Contained, RateLimited
from proxy.request.exchange import Exchange, Ports

RATE: Final = "restricted.rate"
"""What the rate is called among the limits under which an exchange counts: under each it counts once."""


def restrict(x: Exchange, ports: Ports) -> None:
    """Raises Contained for who is not on the list, RateLimited for who calls too often."""
    setting = ports.dial.effective(x.reach).setting
    why = f": {setting.reason}" if setting is not None else ""
    if not x.allowed:
        x.error = f"restricted, and not on the list{why}"
        raise Contained(
            "this service is restricted by its operators; you are not on the list of those it serves"
        )
    rate = x.policy.containment.restricted.rate
    if rate is None or RATE in x.counted:
        return
    key = x.subject.key
    wait_s = ports.windows.take_caller(f"key:{key}" if key is not None else f"ip:{x.subject.ip}", rate)
    if wait_s is not None:
        x.error = f"restricted to {rate}{why}"
        raise RateLimited(
            f"too many calls: {rate} are allowed while this service is restricted; try again in {wait_s} s",
            retry_after_s=wait_s,
        )
    x.counted.add(RATE)
