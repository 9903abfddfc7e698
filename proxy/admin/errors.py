"""How the admin API says no: one shape for every failure."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.dial.turn import (
    Conflict,
    NoSuchRestraint,
    NotDurable,
    StandsInFiles,
    TooManyRestraints,
    TooManySettings,
    TurnError,
    VersionMismatch,
)
from proxy.errors import GuardrailError
from proxy.model.record import Json


class ApiError(GuardrailError):
    """A failure with its status and stable code. `extra` stands beside `error` where the contract names it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Json] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Json] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.headers = dict(headers or {})
        self.extra = extra or {}

    def body(self) -> dict[str, Json]:
        error: dict[str, Json] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = self.details
        return {"error": error, **self.extra}


def unprocessable(code: str, message: str, **details: Json) -> ApiError:
    """422: the request was read and asks for something that cannot be."""
    return ApiError(422, code, message, details=details or None)


def from_turn(error: TurnError) -> ApiError:
    """The answer to a turn of the dial that did not take effect."""
    match error:
        case VersionMismatch():
            return ApiError(412, "version_mismatch", str(error))
        case Conflict():
            return ApiError(409, "conflict", str(error))
        case TooManySettings():
            return ApiError(409, "too_many_settings", str(error))
        case TooManyRestraints():
            return ApiError(409, "too_many_restraints", str(error))
        case NoSuchRestraint():
            return ApiError(404, "no_such_restraint", str(error))
        case StandsInFiles():
            return ApiError(409, "stands_in_files", str(error))
        case NotDurable():
            return ApiError(503, "not_durable", str(error), headers={"Retry-After": "5"})
        case _:
            raise error
