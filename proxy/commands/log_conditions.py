"""The conditions of `log search` and `log export`, as a shell's options."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final

import typer

from proxy.commands.options import Command, option, stands_for
from proxy.log.filters import read_bounds
from proxy.log.port import Search

_AGO: Final = re.compile(r"(\d+)([smhd])")
_AGO_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LEAST: Final = re.compile(r"\s*>?=\s*")
_MOST: Final = re.compile(r"\s*<?=\s*")

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
    list[str] | None,
    typer.Option("--score", "--min-score", help="A least score: toxicity=0.8. May be given several times."),
]
MaxScoreOption = Annotated[
    list[str] | None,
    typer.Option("--max-score", help="A highest score: toxicity=0.3. May be given several times."),
]
WordsOption = Annotated[
    str | None, typer.Option("--q", help="Words that each stand in the prompt or the reply, in any case.")
]


def searching(command: Command) -> Command:
    """Let a command look for exchanges: in place of its first parameter, the search, it takes the options that say
    which. An option that cannot be read is wrong usage."""

    def run(
        *,
        model: str | None,
        app: str | None,
        subject: str | None,
        outcome: str | None,
        rule: str | None,
        level: str | None,
        policy: str | None,
        since: str | None,
        until: str | None,
        score: list[str] | None,
        max_score: list[str] | None,
        q: str | None,
        **own: object,
    ) -> None:
        asked = Search(
            model=model,
            app=app,
            subject=subject,
            outcome=outcome,
            rule=rule,
            level=level,
            policy=policy,
            since=None if since is None else _moment(since),
            until=None if until is None else _moment(until),
            scores=_bounds(score, _LEAST),
            max_scores=_bounds(max_score, _MOST),
            q=q,
        )
        command(asked, **own)

    return stands_for(run, command, _CONDITIONS, led=True)


_CONDITIONS: Final = (
    option("model", None, ModelOption),
    option("app", None, AppOption),
    option("subject", None, SubjectOption),
    option("outcome", None, OutcomeOption),
    option("rule", None, RuleOption),
    option("level", None, LevelOption),
    option("policy", None, PolicyOption),
    option("since", None, SinceOption),
    option("until", None, UntilOption),
    option("score", None, ScoreOption),
    option("max_score", None, MaxScoreOption),
    option("q", None, WordsOption),
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


def _bounds(texts: list[str] | None, sign: re.Pattern[str]) -> dict[str, float] | None:
    """Bounds as a person writes them: toxicity=0.8, or with the sign that the option means."""
    try:
        return read_bounds(sign.sub("=", text.strip(), count=1) for text in texts) if texts else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
