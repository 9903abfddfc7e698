"""What the real APIs refuse, as far as edits of a request could bring it about: each function tells why, or None.

Sources: the OpenAI and Anthropic API references and guides, and the errors that they answer with. The words are
theirs, shortened.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.fakes.actions import Action, Json, ReceivedRequest, Script
from tests.fakes.strict_anthropic import Body, messages
from tests.fakes.strict_openai import chat, completion, responses


def strict(script: Script) -> Script:
    """The script, for a backend that refuses what the real one would: 400 with the reason."""

    def answer(request: ReceivedRequest) -> Sequence[Action]:
        reason = refusal(request.path, json.loads(request.body)) if request.body else None
        if reason is not None:
            error = {"type": "invalid_request_error", "message": reason, "code": None, "param": None}
            return [Json({"type": "error", "error": error}, status=400)]
        return script(request) if callable(script) else script

    return answer


def refusal(path: str, body: Body) -> str | None:
    """Why the API behind that path would answer 400; None where it would take the request."""
    match path.split("?")[0]:
        case "/v1/chat/completions":
            return chat(body)
        case "/v1/completions":
            return completion(body)
        case "/v1/responses":
            return responses(body)
        case "/v1/messages":
            return messages(body)
        case "/v1/messages/count_tokens":
            return messages(body, counts=True)
    return None
