"""What is known of models by their names: parameters that a family of them refuses. Where a name deceives, the
settings say otherwise (`supports`).

Sources: OpenAI's guide to reasoning models, Anthropic's guides to migrating to newer models.
"""

from __future__ import annotations

import re
from typing import Final

_REASONING: Final = re.compile(
    r"(?:^|[/:])(?:o\d+(?![\w.])|gpt-(?:[5-9]|\d\d)(?!\S*chat)|codex)", re.IGNORECASE
)
_LATE_CLAUDE: Final = re.compile(
    r"claude-(?:opus|sonnet|haiku|fable|mythos)-[5-9]|claude-mythos", re.IGNORECASE
)
_NO_SAMPLING: Final = re.compile(r"claude-opus-4[-.][7-9]|claude-4[-.][7-9]-opus", re.IGNORECASE)
_NO_SYSTEM: Final = re.compile(r"(?:^|[/:])o1-(?:mini|preview)", re.IGNORECASE)


def takes_temperature(model: str | None) -> bool:
    """Whether a model of that name takes a temperature other than its own."""
    families = (_REASONING, _NO_SAMPLING, _LATE_CLAUDE)
    return model is None or not any(family.search(model) for family in families)


def always_thinks(model: str | None) -> bool:
    """Whether it thinks, and counts that as output, in a request of the Messages API that does not say so."""
    return model is not None and _LATE_CLAUDE.search(model) is not None


def takes_system(model: str | None) -> bool:
    """Whether it takes messages of the system."""
    return model is None or not _NO_SYSTEM.search(model)


def cap_field(model: str | None) -> str:
    """What the cap of a chat's output is called: reasoning models refuse the name that every other one knows."""
    return "max_completion_tokens" if model is not None and _REASONING.search(model) else "max_tokens"
