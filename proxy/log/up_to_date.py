"""For readers in other processes: what is durable is in the tables, where they look."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from proxy.log.journal import first_frame, journal_path
from proxy.log.schema import StoreLocked
from proxy.log.store import Store
from proxy.model.secret import Secrets

WAIT_S: Final = 5.0
"""So long a reader waits at most for what a running proxy has not brought in yet; then it reads what there is."""
_LOOK_S: Final = 0.02


def bring_up_to_date(path: Path, secrets: Secrets | None, now: Callable[[], float]) -> str:
    """See that all that is durable by now is in the tables. What a proxy left that was cut off is brought in; one
    that runs does it by itself, and is waited for. Returns what of it cannot be read, for people; empty where all
    can be. Raises sqlite3.Error, OSError, StoreUnusable, Damaged."""
    frame = first_frame(path) if path.exists() else None
    if frame is None:
        return ""
    store = Store(path, now, secrets=secrets)
    try:
        store.open()
    except StoreLocked:
        until = time.monotonic() + WAIT_S
        while first_frame(path) == frame:
            if time.monotonic() >= until:
                return f"the proxy has not brought in what {journal_path(path)} has for {WAIT_S:g} s"
            time.sleep(_LOOK_S)
    finally:
        store.release()
    return store.lost()
