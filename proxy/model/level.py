"""The levels of the containment dial, and the words that rules and outcomes use."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Level(IntEnum):
    """How much the dial permits, from full service to none; a higher number is stricter."""

    OPEN = 0  # everything evaluated, nothing enforced
    GUARDED = 1  # the default: rules act
    DEGRADED = 2
    RESTRICTED = 3
    KILLED = 4

    @property
    def word(self) -> str:
        """The level as the contract writes it: `guarded`."""
        return self.name.lower()

    @classmethod
    def parse(cls, word: str) -> Level:
        """The level of that word. Raises ValueError that names the valid ones."""
        try:
            return cls[word.upper()]
        except KeyError:
            raise ValueError(f"level must be one of {', '.join(level.word for level in cls)}") from None


class Action(StrEnum):
    """What a rule does with a finding."""

    FLAG = "flag"
    REDACT = "redact"
    PSEUDONYMIZE = "pseudonymize"
    BLOCK = "block"


class Mode(StrEnum):
    """Whether a rule acts, or is only evaluated and counted."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class Direction(StrEnum):
    """Which way a text goes: from the application to the model, or back."""

    INPUT = "input"
    OUTPUT = "output"


class Outcome(StrEnum):
    """How an exchange ended, as its record and the metrics say it (INTERFACE section 4)."""

    RELEASED = "released"
    REDACTED = "redacted"
    BLOCKED_INPUT = "blocked_input"
    BLOCKED_OUTPUT = "blocked_output"
    SUBJECT_BLOCKED = "subject_blocked"
    RATE_LIMITED = "rate_limited"
    KILLED = "killed"
    CONTAINED = "contained"
    BACKEND_ERROR = "backend_error"
    CLIENT_CLOSED = "client_closed"
    INTERRUPTED = "interrupted"
    # The request was at fault (bad JSON, too large, unknown path, no valid key), or the log could not be written.
    REFUSED = "refused"
