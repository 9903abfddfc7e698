"""Step 3: whether the caller may call at all: blocks and limits hold at every level of the dial.

Whoever is known to be blocked or over a limit by the request's head has no body read, but for a part that the log
keeps. A user that only the body names is looked up when that was read, and so are the blocks of everybody else once
more: a body may take its time, and a block holds from the moment it was set.

A call counts once under each limit of its caller, as soon as it is known to be theirs, whatever becomes of it; one
that is refused for a limit counts under none that it was held against.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.errors import RateLimited, SubjectBlocked
from proxy.model.subject import Reach, Subject
from proxy.request.body import keep_some
from proxy.request.exchange import Exchange, Ports
from proxy.request.identify import clean_name


async def admit(x: Exchange, ports: Ports) -> None:
    """Raises SubjectBlocked, RateLimited."""
    try:
        admit_again(x, ports)
    except (SubjectBlocked, RateLimited):
        x.level = ports.dial.effective(Reach(app=x.app, app_verified=x.app_verified)).level
        x.body_read = False
        x.body, x.body_bytes = await keep_some(x.http)
        raise


def admit_again(x: Exchange, ports: Ports) -> None:
    """The same, by all names that are known by now."""
    restraints = ports.dial.restraints()
    for subject in _subjects(x):
        for block in restraints.blocks(subject, x.app):
            x.error = f"blocked: {block.about} by {block.actor}: {block.reason}"
            raise SubjectBlocked("the operators of this service do not let you use it")
    found = [one for subject in _subjects(x) for one in restraints.limits(subject, x.app)]
    fresh = [one for one in found if one.id not in x.counted]
    if not fresh:
        return
    limited = ports.windows.take(restraints, fresh)
    if limited is not None:
        limit, wait_s = limited.limit, limited.retry_after_s
        x.error = f"limited: {limit.about} to {limit.value} by {limit.actor}: {limit.reason}"
        raise RateLimited(
            f"too many calls: {limit.value} are allowed; try again in {wait_s} s", retry_after_s=wait_s
        )
    x.counted.update(one.id for one in fresh)


def _subjects(x: Exchange) -> Iterator[Subject]:
    """The caller, and the user that its body names where that is another: no header may hide whom it is about."""
    yield x.subject
    named = clean_name(x.view.user) if x.view is not None else None
    if named is not None and named != x.subject.user:
        yield Subject(user=named)
