"""The exchange log drawn for people: local times, marked findings, colours where the terminal has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from proxy.commands.options import table
from proxy.log.port import Page
from proxy.log.record_text import said
from proxy.model.record import Json

_STYLES: Final = {
    "released": "green",
    "redacted": "yellow",
    "blocked_input": "red",
    "blocked_output": "red",
    "killed": "bold red",
    "contained": "red",
    "subject_blocked": "red",
    "rate_limited": "yellow",
    "backend_error": "magenta",
    "interrupted": "magenta",
}
_MARK: Final = "black on yellow"
_PIPE_WIDTH: Final = 160
_WIDE: Final = 120
_ID_CHARS: Final = 32
_SHOWN_CHARS_MAX: Final = 20_000
"""A longer text is cut on the screen; `--json` has it whole."""


def hits(found: Page, width: int) -> Table:
    """A row for each exchange. Where not all fits beside the id, which `log show` takes, the most telling does."""
    most = width >= _WIDE
    rows = table(
        "Started", "Id", "Outcome", "Model", *(("App", "User", "Level", "ms") if most else ()), "Rules"
    )
    for one in found.exchanges:
        rules = sorted({str(finding.get("rule")) for finding in _objects(one.get("findings"))})
        more = (
            Text(_text(one.get("app"))),
            Text(_text(_at(one, "subject", "user"))),
            _text(one.get("level")),
            _ms(_at(one, "latency_ms", "total")),
        )
        rows.add_row(
            _local(one.get("started_at")),
            Text(_text(one.get("id"))),
            _outcome(one),
            Text(_text(_at(one, "model", "requested"))),
            *(more if most else ()),
            Text(", ".join(rules)),
        )
    rows.columns[1].min_width = _ID_CHARS
    return rows


def page(found: Page) -> None:
    """A table of exchanges."""
    console = _console()
    if not found.exchanges and found.next is None:
        console.print("No exchange fits.")
        return
    console.print(hits(found, console.width))
    if found.next is not None:
        console.print(f"There may be more: --cursor {found.next}")


def record(whole: Mapping[str, Json]) -> None:
    """One exchange: its facts, the conversation with findings marked, what came back and what was delivered."""
    console = _console()
    console.print(_facts(whole))
    findings = _objects(whole.get("findings"))
    body = _at(whole, "request", "body")
    marks = _marks(findings, "input")
    for who, field, text in said(body):
        _say(console, who, text, marks.get(field, ()))
    sent = _at(whole, "request", "sent")
    if sent is not None:
        before = list(said(body))
        for who, field, text in said(sent):
            if (who, field, text) not in before:
                _say(console, f"{who}, as sent to the model", text, ())
    received, delivered = _at(whole, "response", "received"), _at(whole, "response", "delivered")
    _reply(console, "model", received, _marks(findings, "output"))
    if delivered is not None:
        _reply(console, "delivered to the client", delivered, {})
    if findings:
        console.print(_findings_table(findings))
    scores = whole.get("scores")
    if isinstance(scores, dict) and scores:
        console.print(
            Text("Scores  " + "  ".join(f"{label} {_number(value)}" for label, value in scores.items()))
        )
    console.print(Text(f"Hash    {_text(whole.get('hash')) or 'none yet: under way'}", style="dim"))


def figures(stats: Mapping[str, Json]) -> None:
    """The answer of `log stats`."""
    console = _console()
    console.print(f"{stats.get('exchanges')} exchanges, {stats.get('under_way')} under way")
    if stats.get("first") is not None:
        console.print(f"from {_local(stats.get('first'))} to {_local(stats.get('last'))}")
    raw, file = stats.get("request_bytes"), stats.get("file_bytes")
    if isinstance(raw, int) and isinstance(file, int):
        parts = f"{stats.get('parts')} parts of content"
        console.print(f"{_size(file)} on disk, {parts}; the requests' bodies were {_size(raw)}")
    for title in ("outcomes", "models", "rules"):
        counts = stats.get(title)
        if isinstance(counts, dict) and counts:
            rows = table(title.capitalize(), "Exchanges")
            for name, count in counts.items():
                rows.add_row(Text(name), str(count))
            console.print(rows)


def _facts(whole: Mapping[str, Json]) -> Panel:
    model = whole.get("model")
    names = model if isinstance(model, dict) else {}
    subject = whole.get("subject")
    who = subject if isinstance(subject, dict) else {}
    latency = whole.get("latency_ms")
    times = latency if isinstance(latency, dict) else {}
    total = ", ".join(
        f"{key.replace('_', ' ')} {_ms(value)} ms" for key, value in times.items() if value is not None
    )
    streamed = ", streamed" if whole.get("stream") else ""
    body = Table.grid(padding=(0, 2))
    rows: list[tuple[str, Text]] = [
        ("outcome", _outcome(whole)),
        ("started", Text(_local(whole.get("started_at")))),
        ("call", Text(f"{_text(whole.get('api'))} {_text(whole.get('path'))}{streamed}")),
        ("model", Text(", ".join(f"{key} {_text(value)}" for key, value in names.items() if value is not None))),
        ("caller", Text(", ".join(
            [f"app {_text(whole.get('app'))}"] * (whole.get("app") is not None)
            + [f"{key} {_text(value)}" for key, value in who.items() if value is not None]
        ))),
        ("took", Text(total or "–")),
        ("level", Text(f"{_text(whole.get('level'))}, policy {_text(whole.get('policy'))[:16]}")),
    ]  # fmt: skip
    if whole.get("backend") is not None:
        rows.insert(4, ("backend", Text(_text(whole.get("backend")))))
    for attempt in _objects(whole.get("attempts")):
        took = f" ({_ms(attempt.get('ms'))} ms)" if attempt.get("ms") is not None else ""
        asked = " ".join(_text(attempt.get(key)) for key in ("backend", "version", "sent"))
        rows.append(("before", Text(f"{asked}: {_text(attempt.get('error'))}{took}", style="yellow")))
    if whole.get("error") is not None:
        rows.append(("error", Text(_text(whole.get("error")), style="red")))
    if whole.get("unscanned"):
        rows.append(("unscanned", Text(str(whole.get("unscanned")), style="yellow")))
    for key, value in rows:
        body.add_row(Text(key, style="bold"), value)
    return Panel(body, title=Text(f"exchange {_text(whole.get('id'))}"), title_align="left", expand=False)


def _reply(console: Console, who: str, reply: Json, marks: Mapping[str, Sequence[tuple[int, int]]]) -> None:
    if isinstance(reply, str):
        # Offsets count in one field; where findings stand in several, only the table below can say which.
        _say(console, who, reply, next(iter(marks.values())) if len(marks) == 1 else ())
        return
    for entry in _objects(reply):
        index = entry.get("index")
        mine = [
            spans
            for field, spans in marks.items()
            if f"[{index}]" in field and not field.endswith("arguments")
        ]
        name = f"{who}, choice {index}"
        text = _text(entry.get("text"))
        if text:
            _say(console, name, text, mine[0] if len(mine) == 1 else ())
        for kind in ("reasoning", "refusal", "other"):
            if entry.get(kind):
                _say(console, f"{name}, {kind}", _text(entry.get(kind)), ())
        for call in _objects(entry.get("tool_calls")):
            _say(console, f"{name} calls {_text(call.get('name'))}", _text(call.get("arguments")), ())


def _say(console: Console, who: str, text: str, spans: Sequence[tuple[int, int]]) -> None:
    text = _text(text)
    shown = Text(text[:_SHOWN_CHARS_MAX])
    for start, end in spans:
        shown.stylize(_MARK, start, end)
    if not console.is_terminal:
        # No colours to mark with: brackets say where.
        shown = Text(_bracketed(text[:_SHOWN_CHARS_MAX], spans))
    if len(text) > _SHOWN_CHARS_MAX:
        shown.append(f" … {len(text) - _SHOWN_CHARS_MAX} more characters; see --json", style="dim")
    console.print(Text(_text(who), style="bold cyan"))
    console.print(shown, soft_wrap=True)


def _bracketed(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in sorted(set(spans), reverse=True):
        if start < end <= len(text):
            text = f"{text[:start]}⟦{text[start:end]}⟧{text[end:]}"
    return text


def _marks(findings: Sequence[Mapping[str, Json]], direction: str) -> dict[str, list[tuple[int, int]]]:
    marks: dict[str, list[tuple[int, int]]] = {}
    for finding in findings:
        start, end = finding.get("start"), finding.get("end")
        if finding.get("direction") == direction and isinstance(start, int) and isinstance(end, int):
            marks.setdefault(_text(finding.get("field")), []).append((start, end))
    return marks


def _findings_table(findings: Sequence[Mapping[str, Json]]) -> Table:
    rows = table("Rule", "Found", "Score", "Action", "In", "Characters")
    for finding in findings:
        shadow = " (shadow)" if finding.get("mode") == "shadow" else ""
        rows.add_row(
            Text(_text(finding.get("rule"))),
            Text(_text(finding.get("label"))),
            _number(finding.get("score")),
            f"{_text(finding.get('action'))}{shadow}",
            Text(f"{_text(finding.get('direction'))} {_text(finding.get('field'))}"),
            f"{finding.get('start')}–{finding.get('end')}",
        )
    return rows


def _outcome(whole: Mapping[str, Json]) -> Text:
    outcome = whole.get("outcome")
    return Text(_text(outcome) or "under way", style=_STYLES.get(_text(outcome), ""))


def _local(moment: Json) -> str:
    """A record's UTC time as local ISO time, in milliseconds."""
    if not isinstance(moment, str):
        return ""
    return datetime.fromisoformat(moment).astimezone().isoformat(sep=" ", timespec="milliseconds")


def _ms(value: Json) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else ""


def _number(value: Json) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else _text(value)


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{count / 1000:.1f} kB"


def _at(whole: Mapping[str, Json], *keys: str) -> Json:
    value: Json = whole
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Json) -> str:
    if isinstance(value, str):
        # What a model or a client wrote must not steer the terminal.
        return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in value)
    return "" if value is None else str(value)


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console
