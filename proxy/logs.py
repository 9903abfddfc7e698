"""The proxy's own structured log: what happened to the proxy, for people and machines. Not the exchange log.

Lines carry names, ids, reasons and places in the code; never a body, a header's value or a credential. The text of
an exception may quote any of them (a parser's does), and so may what a library has to say: of an exception
its type and its way through the code are printed, of a library's message its words without their values, and
never a variable of anybody's.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from pathlib import PurePath
from types import TracebackType
from typing import Final, Literal, TextIO, cast

import structlog

FAULTS_MAX: Final = 8
"""How many exceptions of a chain or a group are told, the cause first."""

PLACES_MAX: Final = 16
"""How many places of each, the innermost first."""

_PATH_PARTS: Final = 3

_log = structlog.get_logger("proxy")


def configure(form: Literal["console", "json"], level: int = logging.INFO) -> None:
    """Send structured lines from that level on to standard error in that form, and all that libraries and the
    interpreter tell."""
    out = _StandardError()
    renderer: structlog.typing.Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=out.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _tell_fault,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, out)),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    logging.raiseExceptions = False  # a line that cannot be made would be printed with all its values
    warnings.showwarning = _warned
    sys.excepthook = _uncaught
    threading.excepthook = _thread_died
    sys.unraisablehook = _unraisable


def faults(error: BaseException) -> list[str]:
    """What may be told of an exception and of what led to it, the cause first: `TYPE < FILE:LINE in FUNCTION < …`.

    Of its text only what the operating system or SQLite calls the fault.
    """
    return [_fault(one) for one in _chain(error)][-FAULTS_MAX:]


class _StandardError:
    """Standard error as it is at that moment. A line that it does not take (closed, full, nobody reads) is lost:
    what the line is about goes on."""

    def write(self, text: str) -> None:
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(text)

    def isatty(self) -> bool:
        with contextlib.suppress(ValueError):
            return sys.stderr is not None and sys.stderr.isatty()
        return False

    def flush(self) -> None:
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()


class _Libraries(logging.Handler):
    """Prints what libraries log: by whom, where, and the words of the message without its values."""

    def emit(self, record: logging.LogRecord) -> None:
        words = record.msg if isinstance(record.msg, str) else ""
        if not record.args:
            # Whatever the values were, they stand in it already. asyncio's begin with words of its own.
            words = (
                words.partition("\n")[0].partition("(")[0].partition("<")[0]
                if record.name == "asyncio"
                else ""
            )
        log = structlog.get_logger(record.name)
        log.log(
            record.levelno,
            "library",
            library=record.name,
            at=f"{record.module}:{record.lineno}",
            words=words,
            exc_info=record.exc_info,
        )


def _tell_fault(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put `fault` in the place of `exc_info`."""
    given = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if isinstance(given, tuple):
        given = given[1]
    elif given and not isinstance(given, BaseException):
        given = sys.exc_info()[1]
    if isinstance(given, BaseException):
        event["fault"] = faults(given)
    return event


def _chain(error: BaseException) -> Iterator[BaseException]:
    """What led to an exception, and then itself; a group's members before it."""
    seen: set[int] = set()
    stack: list[tuple[BaseException, bool]] = [(error, False)]
    while stack:
        one, told = stack.pop()
        if told:
            yield one
        elif id(one) not in seen:
            seen.add(id(one))
            stack.append((one, True))
            cause = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
            members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
            stack.extend((other, False) for other in (*members, cause) if other is not None)


def _fault(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    # The operating system's and SQLite's own names for a fault: words of a closed set.
    known = getattr(error, "sqlite_errorname", None)
    if isinstance(error, OSError) and error.errno is not None:
        known = f"errno {error.errno}"
    places = [
        f"{'/'.join(PurePath(frame.f_code.co_filename).parts[-_PATH_PARTS:])}:{line} in {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return " < ".join((f"{name} ({known})" if known else name, *reversed(places[-PLACES_MAX:])))


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        _log.error("uncaught", exc_info=error)


def _thread_died(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread is not None else None
    _log.error("thread_died", thread=name, exc_info=args.exc_value)


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    _log.error("unraisable", exc_info=args.exc_value)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _log.warning("warning", category=category.__name__, at=f"{PurePath(filename).name}:{lineno}")
