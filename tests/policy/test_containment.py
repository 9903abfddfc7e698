"""What rule files say of the dial's levels."""

from __future__ import annotations

import pytest

from proxy.errors import ConfigError
from proxy.policy.containment import ALLOWED_MAX
from proxy.policy.folder import Folder
from proxy.policy.reading import read_folder
from proxy.policy.rule import Containment, Degraded, KilledReply, Restricted
from proxy.policy.schema import read
from proxy.subjects import Rate, SubjectName
from tests.policy.shipped import RULES


def containment(*files: str) -> Containment:
    named = {f"{number}.yaml": f"containment:\n{text}\n".encode() for number, text in enumerate(files)}
    return read(Folder("rules", named or {"0.yaml": b"rules: []"})).containment


def problems(*files: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        containment(*files)
    return [str(problem) for problem in caught.value.problems]


def test_without_a_word_the_levels_contain_all_the_same() -> None:
    assert containment() == Containment(Degraded(), Restricted(), KilledReply())
    assert Degraded().tools is False
    assert Degraded().max_output_tokens == 300
    assert Restricted().allow == ()


def test_everything_that_can_be_said() -> None:
    said = containment(
        "  degraded: {keep_messages: 6, system_prompt: Be brief., system_prompt_mode: replace, temperature: 0.2,\n"
        "             max_output_tokens: 100, tools: true, threshold_scale: 0.5}",
        "  restricted: {allow: ['app:shop', 'ip:10.0.0.0/8', 'region:de'], rate: 10/minute}\n"
        "  killed: {reply: error}",
    )
    assert said.degraded == Degraded(6, "Be brief.", "replace", 0.2, 100, True, 0.5)
    assert said.restricted.allow == tuple(
        SubjectName.parse(text) for text in ("app:shop", "ip:10.0.0.0/8", "region:DE")
    )
    assert said.restricted.rate == Rate(10, 60)
    assert said.killed.reply == "error"


def test_what_is_not_said_has_its_default_and_null_leaves_the_request_alone() -> None:
    degraded = containment("  degraded: {tools: true, temperature: null, keep_messages: ~}").degraded
    assert degraded == Degraded(keep_messages=None, temperature=None, tools=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("degraded: {keep_mesages: 4}", "2:14: unknown key `keep_mesages`; did you mean `keep_messages`?"),
        ("degraded: {keep_messages: 0}", "2:29: must be greater than or equal to 1, not 0"),
        ("degraded: {keep_messages: 2.5}", "2:29: must be a valid integer, not 2.5"),
        ("degraded: {temperature: 3}", "2:27: must be less than or equal to 2, not 3"),
        ("degraded: {max_output_tokens: 15}", "2:33: must be greater than or equal to 16, not 15"),
        ("degraded: {tools: off}", '2:21: must be true or false, not "off"'),
        ("degraded: {threshold_scale: 0}", "2:31: must be greater than 0, not 0"),
        (
            "degraded: {system_prompt_mode: append}",
            "2:34: must be one of prepend, replace; did you mean `prepend`?",
        ),
        ("degraded: {system_prompt_mode: replace}", "2:34: `replace` needs a `system_prompt`"),
        (
            "degraded: {system_prompt_mode: replace, system_prompt: null}",
            "2:34: `replace` needs a `system_prompt`",
        ),
        (
            "restricted: {allow: [shop]}",
            "2:24: a subject is `user:ID`, `key:NAME`, `ip:CIDR`, `region:CC` or `app:NAME`",
        ),
        ("restricted: {allow: 'app:shop'}", "2:23: must be a list"),
        (
            "restricted: {rate: 10 per minute}",
            "2:22: a rate is a number and second, minute, hour or day, as `10/minute` or `500/12 hours`",
        ),
        (
            "restricted: {rate: 5000/minute}",
            "2:22: has at most 1000 calls: it holds for each caller",
        ),
    ],
)
def test_what_cannot_be_meant(text: str, expected: str) -> None:
    assert problems("  " + text) == [f"rules/0.yaml:{expected}"]


def test_the_list_has_a_bound() -> None:
    names = ", ".join(f"'user:{number}'" for number in range(ALLOWED_MAX + 1))
    assert problems(f"  restricted: {{allow: [{names}]}}") == [
        f"rules/0.yaml:2:23: holds more than {ALLOWED_MAX} subjects"
    ]


@pytest.mark.parametrize("level", ["degraded", "restricted", "killed"])
def test_each_level_is_described_once(level: str) -> None:
    text = f"  {level}: {{}}"
    assert problems(text, text) == [
        f"rules/1.yaml:2:3: `{level}` stands twice; also in rules/0.yaml:2:3",
    ]


def test_the_shipped_file_says_what_holds_without_it() -> None:
    rules = read(read_folder(RULES))
    assert "75-containment.yaml" in rules.used
    assert rules.containment == Containment()
