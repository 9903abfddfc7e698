"""Refusals in a wire's own error shape, as the official clients read them."""

from __future__ import annotations

from types import MappingProxyType

from proxy import jsonio
from proxy.wire.sse import encode

_OPENAI = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        409: "conflict_error",
        413: "invalid_request_error",
        415: "invalid_request_error",
        422: "invalid_request_error",
        429: "rate_limit_error",
    }
)
_ANTHROPIC = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
)


def error_type(api: str, status: int) -> str:
    """The wire's own word for a status: rate_limit_error."""
    if api == "anthropic":
        return _ANTHROPIC.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return _OPENAI.get(status, "server_error" if status >= 500 else "invalid_request_error")


def error_body(api: str, status: int, code: str, message: str) -> bytes:
    """A whole error reply's body. `api`: openai | anthropic. The stable code stands in `error.code` on both
    wires; Anthropic's clients pass over a key that they do not know."""
    kind = error_type(api, status)
    if api == "anthropic":
        return jsonio.dumps({"type": "error", "error": {"type": kind, "message": message, "code": code}})
    return jsonio.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


def error_frame(api: str, code: str, message: str) -> bytes:
    """An error inside a stream; the clients raise it. Nothing may follow."""
    body = error_body(api, 500, code, message)
    return encode(body, "error") if api == "anthropic" else encode(body)
