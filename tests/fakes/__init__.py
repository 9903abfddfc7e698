"""Stand-ins for what surrounds the proxy, on real sockets."""

from tests.fakes.actions import (
    Action,
    Chunk,
    Close,
    Drip,
    End,
    Json,
    Pause,
    ReceivedRequest,
    Reset,
    Send,
    Sse,
    sse,
)
from tests.fakes.backend import ScriptedBackend, refused_url

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
