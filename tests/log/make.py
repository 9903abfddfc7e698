"""Records for the log's tests."""

from __future__ import annotations

from proxy.model.finding import Finding
from proxy.model.level import Action, Direction, Level, Mode, Outcome
from proxy.model.record import Attempt, Begun, Finished, Json, Latency, ModelUsed
from proxy.model.subject import Subject

T0 = 1_790_000_000.25


def begun(
    number: int,
    *,
    body: Json = None,
    user: str | None = "ann",
    ip: str | None = "10.0.0.7",
    app: str | None = "shop",
    model: str | None = "support-bot",
    level: Level = Level.GUARDED,
    policy: str = "d1" * 32,
    at: float | None = None,
) -> Begun:
    return Begun(
        id=f"{number:032x}",
        started_at=T0 + number if at is None else at,
        api="openai",
        path="/v1/chat/completions",
        stream=False,
        app=app,
        subject=Subject(key="shop", user=user, ip=ip, region="DE"),
        model=ModelUsed(requested=model, version="v2", sent="gpt-test-2"),
        level=level,
        policy=policy,
        body={"model": model, "messages": [{"role": "user", "content": f"hello {number}"}]}
        if body is None
        else body,
        body_bytes=64,
    )


def finished(
    number: int,
    *,
    outcome: Outcome = Outcome.RELEASED,
    received: Json = "good day",
    delivered: Json = None,
    sent: Json = None,
    findings: tuple[Finding, ...] = (),
    scores: dict[str, float] | None = None,
    level: Level = Level.GUARDED,
    model: str | None = "support-bot",
    error: str | None = None,
    attempts: tuple[Attempt, ...] = (),
) -> Finished:
    return Finished(
        id=f"{number:032x}",
        finished_at=T0 + number + 0.5,
        outcome=outcome,
        model=ModelUsed(model, "v2", "gpt-test-2", "gpt-test-2-0101", "fp_1"),
        level=level,
        backend="main",
        sent=sent,
        received=received,
        delivered=delivered,
        finish_reason="stop",
        usage={"prompt_tokens": 3, "completion_tokens": 2},
        latency=Latency(total=12.5, backend_first_byte=8.0, first_byte=9.0, guard=0.75),
        findings=findings,
        scores=scores or {},
        error=error,
        attempts=attempts,
    )


def finding(rule: str = "pii-in-replies", label: str = "EMAIL_ADDRESS", score: float = 1.0) -> Finding:
    return Finding(
        rule=rule,
        detector="pii",
        label=label,
        score=score,
        action=Action.REDACT,
        direction=Direction.OUTPUT,
        field="choices[0].message.content",
        start=5,
        end=9,
        mode=Mode.ENFORCE,
    )
