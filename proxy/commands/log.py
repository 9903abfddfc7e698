"""The exchange log from a shell: `log search`, `show`, `verify`, `stats`, `export`, with or without a proxy.

Erasing from it is in log_erase.py."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from proxy import jsonio
from proxy.commands import log_draw, log_erase
from proxy.commands.log_options import (
    DEFAULT_CONFIG,
    ConfigOption,
    DataOption,
    JsonOption,
    fail,
    place_of,
)
from proxy.log.export import JSONL, PARQUET, Export
from proxy.log.heads import FILE_NAME as HEADS_NAME
from proxy.log.port import PAGE_DEFAULT, PAGE_MAX, Search
from proxy.log.query import LogReader
from proxy.log.stats import stats as log_stats
from proxy.log.verify import verify as verify_log
from proxy.model.record import Json

_AGO: Final = re.compile(r"(\d+)([smhd])")
_AGO_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SCORE: Final = re.compile(r"([^<>=\s]+)\s*>?=\s*([0-9.]+)")

app_log = typer.Typer(name="log", no_args_is_help=True)
app_log.command()(log_erase.erase)
app_log.command()(log_erase.compact)

ModelOption = Annotated[str | None, typer.Option("--model", help="The model as asked for, sent or served.")]
AppOption = Annotated[str | None, typer.Option("--app", help="The application.")]
SubjectOption = Annotated[
    str | None,
    typer.Option("--subject", help="user:ID, key:NAME, ip:ADDRESS, ip:CIDR, region:CC or app:NAME."),
]
OutcomeOption = Annotated[
    str | None, typer.Option("--outcome", help="How it ended: released, blocked_output …")
]
RuleOption = Annotated[str | None, typer.Option("--rule", help="The id of a rule that found something.")]
LevelOption = Annotated[str | None, typer.Option("--level", help="The dial's level it ended at.")]
PolicyOption = Annotated[str | None, typer.Option("--policy", help="The policy's digest, or its beginning.")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="From then on: 90s, 30m, 2h, 7d ago, or 2026-03-01T03:17 (local)."),
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Before then; written like --since.")]
ScoreOption = Annotated[
    list[str] | None, typer.Option("--score", help="A least score: toxicity=0.8. May be given several times.")
]
WordsOption = Annotated[
    str | None, typer.Option("--q", help="Words that each stand in the prompt or the reply, in any case.")
]


@app_log.callback()
def _log() -> None:
    """Read the exchange log, and erase from it.

    Example: guardrail-proxy log search --since 1h --outcome blocked_output
    """


@app_log.command()
def search(
    config: ConfigOption = DEFAULT_CONFIG,
    data_dir: DataOption = None,
    model: ModelOption = None,
    app: AppOption = None,
    subject: SubjectOption = None,
    outcome: OutcomeOption = None,
    rule: RuleOption = None,
    level: LevelOption = None,
    policy: PolicyOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    score: ScoreOption = None,
    q: WordsOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=PAGE_MAX)] = PAGE_DEFAULT,
    cursor: Annotated[str | None, typer.Option("--cursor", help="`next` of the page before.")] = None,
    json: JsonOption = False,
) -> None:
    """Find exchanges, the newest first; every condition given must hold.

    Example: guardrail-proxy log search --since 2h --subject user:ann --score toxicity=0.8
    """
    asked = _search(
        model=model, app=app, subject=subject, outcome=outcome, rule=rule, level=level, policy=policy, since=since,
        until=until, score=score, q=q, limit=limit, cursor=cursor,
    )  # fmt: skip
    with _open(config, data_dir) as reader:
        try:
            page = reader.search(asked)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    if json:
        _print_json({"exchanges": list(page.exchanges), "next": page.next})
        return
    log_draw.page(page)


@app_log.command()
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The exchange's id, as in x-guardrail-exchange.")],
    config: ConfigOption = DEFAULT_CONFIG,
    data_dir: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Draw one exchange: who said what, what was found in it, and what was delivered.

    Example: guardrail-proxy log show 019a2b3c4d5e6f708192a3b4c5d6e7f8
    """
    with _open(config, data_dir) as reader:
        record = reader.show(id)
        nearest = None if record is not None else reader.nearest(id)
    if record is None:
        hint = f"; the nearest is {nearest}" if nearest else "; the log is empty"
        fail(f"no exchange {id} is on the log{hint}")
    elif json:
        _print_json(record)
    else:
        log_draw.record(record)


@app_log.command()
def verify(
    config: ConfigOption = DEFAULT_CONFIG, data_dir: DataOption = None, json: JsonOption = False
) -> None:
    """Compute every hash of the log again; name the first record that was changed or is missing.

    Example: guardrail-proxy log verify --config proxy.yaml
    """
    with _open(config, data_dir) as reader:
        verdict = verify_log(reader)
    fault = verdict.fault
    if json:
        bad: Json = None if fault is None else {"link": fault.link, "id": fault.id, "problem": fault.text}
        _print_json(
            {"ok": fault is None, "records": verdict.records, "removed": verdict.removed,
             "under_way": verdict.under_way, "head": verdict.head,
             "unguarded": verdict.unguarded, "first_bad": bad}
        )  # fmt: skip
    elif fault is None:
        typer.echo(f"ok: {verdict.records} records fit, {verdict.under_way} under way")
        if verdict.removed:
            typer.echo(
                f"{verdict.removed} were removed by retention or erasure, which the chain has on record"
            )
        typer.echo(f"head: {verdict.head}")
        if verdict.unguarded is None:
            typer.echo(f"there is no {HEADS_NAME}: records cut off the end would not show")
        elif verdict.unguarded:
            typer.echo(f"the last {verdict.unguarded} are newer than the last head in {HEADS_NAME}")
    else:
        where = f"record {fault.link}, " if fault.link else ""
        who = f"exchange {fault.id}: " if fault.id else ""
        typer.echo(f"CHANGED: {where}{who}{fault.text}", err=True)
        typer.echo(f"{verdict.records} records before it fit", err=True)
    if fault is not None:
        raise typer.Exit(1)


@app_log.command()
def stats(
    config: ConfigOption = DEFAULT_CONFIG, data_dir: DataOption = None, json: JsonOption = False
) -> None:
    """How much is on the log, of what, and how large it is.

    Example: guardrail-proxy log stats --config proxy.yaml
    """
    with _open(config, data_dir) as reader:
        figures = log_stats(reader)
    if json:
        _print_json(figures)
        return
    log_draw.figures(figures)


@app_log.command()
def export(
    config: ConfigOption = DEFAULT_CONFIG,
    data_dir: DataOption = None,
    model: ModelOption = None,
    app: AppOption = None,
    subject: SubjectOption = None,
    outcome: OutcomeOption = None,
    rule: RuleOption = None,
    level: LevelOption = None,
    policy: PolicyOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    score: ScoreOption = None,
    q: WordsOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="A new file (a folder as Parquet), for its owner alone, with a manifest beside it; else stdout.",
        ),
    ] = None,
    form: Annotated[
        Literal["jsonl", "parquet"] | None,
        typer.Option("--format", help="JSON lines, the default, or Parquet (needs make install-parquet)."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the --out of an export that was cut off, as it was begun."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
) -> None:
    """Write whole records as JSON lines or as Parquet, the newest first.

    Example: guardrail-proxy log export --since 7d --rule pii-in-replies --out leaks.jsonl
    """
    if json and form == PARQUET:
        raise typer.BadParameter("--json is --format jsonl")
    asked = _search(
        model=model, app=app, subject=subject, outcome=outcome, rule=rule, level=level, policy=policy, since=since,
        until=until, score=score, q=q, limit=PAGE_MAX, cursor=None,
    )  # fmt: skip
    if resume and (out is None or form is not None or asked != Search(limit=PAGE_MAX, scores={})):
        raise typer.BadParameter(
            "--resume takes --out, no format and no conditions: those are in the manifest"
        )
    if form == PARQUET and out is None:
        raise typer.BadParameter("--format parquet takes --out FOLDER: it writes files")
    with _open(config, data_dir) as reader:
        try:
            if out is not None:
                _export(
                    reader, Export.resume(out) if resume else Export.begin(out, asked, form or JSONL), out
                )
                return
            for page in reader.whole_pages(asked):
                sys.stdout.buffer.writelines(whole.text + b"\n" for whole in page.records)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        except BrokenPipeError:
            # Whoever read it has enough (`| head`); nothing more can be said on this output.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


def _export(reader: LogReader, export: Export, out: Path) -> None:
    try:
        for _ in export.pages(reader):
            pass
    finally:
        export.close()
    typer.echo(f"{export.records} records written to {out}", err=True)


def _open(config: Path, data_dir: Path | None) -> LogReader:
    return LogReader(*place_of(config, data_dir))


def _search(
    *,
    since: str | None,
    until: str | None,
    score: list[str] | None,
    limit: int,
    cursor: str | None,
    **words: str | None,
) -> Search:
    return Search(
        **words,
        since=None if since is None else _moment(since),
        until=None if until is None else _moment(until),
        scores=dict(_least(text) for text in score or ()),
        limit=limit,
        cursor=cursor,
    )


def _moment(text: str) -> float:
    """Unix seconds of `2h` (ago) or an ISO time, local where it names no zone."""
    now = datetime.now().astimezone()
    if ago := _AGO.fullmatch(text):
        return now.timestamp() - int(ago[1]) * _AGO_SECONDS[ago[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time: write 90s, 30m, 2h or 7d for that long ago, or 2026-03-01T03:17"
        ) from None


def _least(text: str) -> tuple[str, float]:
    match = _SCORE.fullmatch(text.strip())
    try:
        if match is not None:
            return match[1], float(match[2])
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is no score: write LABEL=LEAST, as toxicity=0.8")


def _print_json(value: Mapping[str, Json]) -> None:
    typer.echo(jsonio.dumps(value))
