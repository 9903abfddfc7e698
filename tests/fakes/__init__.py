"""Stand-ins for what surrounds the proxy, on real sockets."""

from tests.fakes.backend import (
    Action,
    Chunk,
    Close,
    Drip,
    End,
    Json,
    Pause,
    ReceivedRequest,
    Reset,
    ScriptedBackend,
    Send,
    Sse,
    refused_url,
    sse,
)

__all__ = [
    "Action",
    "Chunk",
    "Close",
    "Drip",
    "End",
    "Json",
    "Pause",
    "ReceivedRequest",
    "Reset",
    "ScriptedBackend",
    "Send",
    "Sse",
    "refused_url",
    "sse",
]
