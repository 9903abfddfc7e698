"""Every error that the proxy raises on purpose, with the status and the code that a client reads.

GuardrailError
├── ConfigError                 settings, rules: a list of problems with positions
├── Invalid                     a subject, rate, scope, reason or ttl that cannot be used
├── Refused                     an exchange ends with an error of the proxy's own; status + code
│   ├── BadRequest      400     invalid_json, duplicate_key, wrong_api, invalid_request
│   ├── NotAuthenticated 401    invalid_api_key
│   ├── SubjectBlocked  403     subject_blocked
│   ├── UnknownPath     404     unknown_path, model_not_found
│   ├── TooLarge        413     body_too_large
│   ├── Unreadable      415     unsupported_encoding
│   ├── RateLimited     429     rate_limited
│   ├── ContentFiltered 400     content_filter
│   ├── ReplyFiltered   502     content_filter, where a reply has no form to say so
│   ├── BackendFailed   502/504 backend_error
│   │   └── BackendDown 502     the same, with a time to come again: it was not asked
│   ├── Contained       503     contained
│   ├── LogUnavailable  503     log_unavailable
│   └── Draining        503     draining
└── UnreadableReply             a backend's bytes cannot be read as its wire
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.model.level import Outcome


class GuardrailError(Exception):
    """The root: everything that the proxy raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a file of the operator's. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class ConfigError(GuardrailError):
    """Settings or rules that cannot be used; carries every problem, not only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class Invalid(GuardrailError):
    """A name, a rate, a reason or a ttl that cannot be used; the text says why."""


class Refused(GuardrailError):
    """The exchange ends here with an error of the proxy's own, in the wire's shape."""

    status = 500
    code = "internal_error"
    outcome = Outcome.REFUSED
    retry_after_s: int | None = None

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status


class BadRequest(Refused):
    status = 400
    code = "invalid_request"


class NotAuthenticated(Refused):
    status = 401
    code = "invalid_api_key"


class SubjectBlocked(Refused):
    status = 403
    code = "subject_blocked"
    outcome = Outcome.SUBJECT_BLOCKED


class UnknownPath(Refused):
    status = 404
    code = "unknown_path"


class BodyTimeout(Refused):
    status = 408
    code = "body_timeout"


class TooLarge(Refused):
    status = 413
    code = "body_too_large"


class Unreadable(Refused):
    status = 415
    code = "unsupported_encoding"


class RateLimited(Refused):
    status = 429
    code = "rate_limited"
    outcome = Outcome.RATE_LIMITED

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ContentFiltered(Refused):
    status = 400
    code = "content_filter"
    outcome = Outcome.BLOCKED_INPUT


class ReplyFiltered(Refused):
    status = 502
    code = "content_filter"
    outcome = Outcome.BLOCKED_OUTPUT


class BackendFault(StrEnum):
    """How a backend failed, in one word."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    BROKEN = "broken"  # the connection broke
    STATUS = "status"  # by its status it cannot serve
    DOWN = "down"  # it failed before and was not asked
    UNREADABLE = "unreadable"  # it answered, and that makes no sense


class BackendFailed(Refused):
    status = 502
    code = "backend_error"
    outcome = Outcome.BACKEND_ERROR

    def __init__(self, message: str, fault: BackendFault = BackendFault.UNREADABLE) -> None:
        super().__init__(message, status=504 if fault is BackendFault.TIMEOUT else None)
        self.fault = fault


class BackendDown(BackendFailed):
    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, BackendFault.DOWN)
        self.retry_after_s = retry_after_s


class Contained(Refused):
    status = 503
    code = "contained"
    outcome = Outcome.CONTAINED


class LogUnavailable(Refused):
    status = 503
    code = "log_unavailable"


class Overloaded(Refused):
    status = 503
    code = "overloaded"
    retry_after_s = 1


class UnreadableReply(GuardrailError):
    """A backend's bytes cannot be read as the wire they should be; nothing of them is released."""
