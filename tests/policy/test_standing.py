"""`containment.set`, `blocks` and `limits` of the rule files, read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from proxy.errors import ConfigError
from proxy.model.level import Level
from proxy.policy.folder import Folder
from proxy.policy.schema import read
from proxy.policy.standing import LEVELS_MAX, RESTRAINTS_MAX, Standing

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC).timestamp()


def standing(*files: str) -> Standing:
    folder = Folder("rules", {f"{n}.yaml": file.encode() for n, file in enumerate(files)})
    return read(folder).standing


def test_what_files_set() -> None:
    found = standing(
        """
containment:
  set:
    - {scope: "model:old-bot", level: killed, reason: "retired", until: 2027-01-01}
    - {scope: global, level: degraded, reason: "night shift"}
blocks:
  - {subject: "ip:203.0.113.0/24", reason: "INC-42", until: "2027-01-01T03:00:00+01:00"}
""",
        'limits: [{subject: "user:bob", rate: 10/minute, reason: "INC-43"}]',
    )
    assert [(str(one.scope), one.level, one.reason, one.until) for one in found.levels] == [
        ("model:old-bot", Level.KILLED, "retired", NEW_YEAR),
        ("global", Level.DEGRADED, "night shift", None),
    ]
    assert [(str(one.subject), str(one.rate), one.until) for one in found.restraints] == [
        ("ip:203.0.113.0/24", "None", NEW_YEAR + 7200),
        ("user:bob", "10/minute", None),
    ]


@pytest.mark.parametrize(
    ("file", "place", "says"),
    [
        ("containment: {set: [{level: killed, reason: x}]}", "1:21", "`scope` is missing"),
        ('containment: {set: [{scope: "bot", level: killed, reason: x}]}', "1:29", "a scope is"),
        ("containment: {set: [{scope: global, level: kiled, reason: x}]}", "1:44", "must be one of open"),
        ('containment: {set: [{scope: global, level: killed, reason: " "}]}', "1:60", "needs a reason"),
        ("containment: {set: [{scope: global, level: killed}]}", "1:21", "`reason` is missing"),
        ("containment: {set: [{scope: global, level: killed, reason: x, until: soon}]}", "1:70", "is a date"),
        (
            "containment: {set: [{scope: global, level: killed, reason: x, ttl: 1h}]}",
            "1:63",
            "unknown key `ttl`",
        ),
        ('blocks: [{subject: "model:bot", reason: x}]', "1:20", "a subject is"),
        ('blocks: [{subject: "ip:10.0.0.5/8", reason: x}]', "1:20", "is ambiguous"),
        ('blocks: [{subject: "user:a", rate: 1/minute, reason: x}]', "1:30", "unknown key `rate`"),
        ('limits: [{subject: "user:a", reason: x}]', "1:10", "`rate` is missing"),
        ('limits: [{subject: "user:a", rate: often, reason: x}]', "1:36", "a rate is"),
        (
            'blocks: [{subject: "region:de", reason: x}, {subject: "region:DE", reason: y}]',
            "1:55",
            "stands twice; also in rules/0.yaml:1:20",
        ),
        (
            "containment: {set: [{scope: global, level: open, reason: x},\n"
            " {scope: global, level: open, reason: y}]}",
            "2:10",
            "stands twice",
        ),
        (
            "limits: ["
            + ", ".join(f'{{subject: "user:{n}", rate: 99999/day, reason: x}}' for n in range(6))
            + "]",
            "1:",
            "together allow at most",
        ),
    ],
)
def test_every_mistake_has_its_place(file: str, place: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        standing(file)
    problems = [str(problem) for problem in refused.value.problems]
    assert any(problem.startswith(f"rules/0.yaml:{place}") and says in problem for problem in problems), (
        problems
    )


def test_one_subject_may_have_several_limits() -> None:
    limits = ", ".join(f'{{subject: "user:a", rate: {rate}, reason: x}}' for rate in ("1/second", "100/day"))
    assert len(standing(f"limits: [{limits}]").restraints) == 2


def test_so_many_and_no_more() -> None:
    blocks = "".join(f'  - {{subject: "user:{n}", reason: x}}\n' for n in range(RESTRAINTS_MAX + 1))
    with pytest.raises(ConfigError, match=f"at most {RESTRAINTS_MAX} blocks and limits"):
        standing("blocks:\n" + blocks)
    levels = "".join(
        f'    - {{scope: "model:{n}", level: killed, reason: x}}\n' for n in range(LEVELS_MAX + 1)
    )
    with pytest.raises(ConfigError, match=f"at most {LEVELS_MAX} scopes"):
        standing("containment:\n  set:\n" + levels)
