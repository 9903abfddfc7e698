"""What one finished exchange tells of how its model behaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Metric(StrEnum):
    """What tripwires can watch. The rates are 1 or 0 of each exchange, or of each probe."""

    TOXICITY = "toxicity"
    BLOCKED_RATE = "blocked_rate"
    REDACTED_RATE = "redacted_rate"
    REPLY_LENGTH = "reply_length"
    LATENCY_S = "latency_s"
    ERROR_RATE = "error_rate"
    TOKENS = "tokens"
    PII_RATE = "pii_rate"
    SECRET_RATE = "secret_rate"
    UNSCANNED_RATE = "unscanned_rate"
    FIRST_BYTE_S = "first_byte_s"
    FLAGGED_RATE = "flagged_rate"
    REFUSAL_RATE = "refusal_rate"
    SENTIMENT = "sentiment"  # from -1 to 1
    NEW_PROMPTS = "new_prompts"  # 1 where its caller did not say the same lately
    EXTERNAL = "external"  # posted, each series under its own name
    PROBE_PASS_RATE = "probe_pass_rate"  # of probes, which are no exchanges of anybody's
    PROBE_BIAS_RATE = "probe_bias_rate"


PROBED: Final = frozenset({Metric.PROBE_PASS_RATE, Metric.PROBE_BIAS_RATE})
"""Those that only probes tell."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One exchange that was sent to its backend, or refused for what it said. `values` has only the metrics of
    which it is a sample, by the name of their series."""

    at: float  # Unix seconds, when it ended
    exchange: str
    model: str | None  # its public name, else the one it was asked for by
    names: frozenset[str]  # every name of the model
    version: str | None
    sent: str | None
    served: str | None
    app: str | None
    caller: (
        str | None
    )  # as blocks name it: `user:ID` where somebody vouches for it, else `key:NAME`, else `ip:…`
    values: Mapping[str, float] = field(default_factory=dict)
    prompt: int | None = None  # the hash of what its user said, where a tripwire asks for new prompts
    said: str | None = None  # the beginning of the reply, where one asks for its sentiment

    @property
    def versions(self) -> frozenset[str | None]:
        """The names of the version that served it."""
        return frozenset((self.version, self.sent, self.served))
