"""Step 3: whether the caller may call at all: blocks hold at every level of the dial.

Whoever is known to be blocked by the request's head has no body read, but for a part that the log keeps. A user
that only the body names is looked up when that was read, and so is everybody else once more: a body may take its
time, and a block holds from the moment it was set.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.errors import SubjectBlocked
from proxy.model.subject import Reach, Subject
from proxy.request.body import keep_some
from proxy.request.exchange import Exchange, Ports
from proxy.request.identify import clean_name


async def admit(x: Exchange, ports: Ports) -> None:
    """Raises SubjectBlocked."""
    try:
        admit_again(x, ports)
    except SubjectBlocked:
        x.level = ports.dial.effective(Reach(app=x.app, app_verified=x.app_verified)).level
        x.body, x.body_bytes, x.body_whole = await keep_some(x.http)
        raise


def admit_again(x: Exchange, ports: Ports) -> None:
    """The same, by all names that are known by now."""
    restraints = ports.dial.restraints()
    for subject in _subjects(x):
        for block in restraints.blocks(subject, x.app):
            x.error = f"blocked: {block.about} by {block.actor}: {block.reason}"
            raise SubjectBlocked("the operators of this service do not let you use it")


def _subjects(x: Exchange) -> Iterator[Subject]:
    """The caller, and the user that its body names where that is another: no header may hide whom it is about."""
    yield x.subject
    named = clean_name(x.view.user) if x.view is not None else None
    if named is not None and named != x.subject.user:
        yield Subject(user=named)
