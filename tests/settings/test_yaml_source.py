"""Operators' YAML: what is read, what is refused, and where each problem is said to stand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import ConfigError
from proxy.yaml_source import DEPTH_MAX, YAML_BYTES_MAX, nearest, parse


def problems(text: str | bytes) -> list[str]:
    raw = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ConfigError) as caught:
        parse("f.yaml", raw)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on: output", {"on": "output"}),
        ("a: on\nb: off\nc: yes\nd: no\ne: y", {"a": "on", "b": "off", "c": "yes", "d": "no", "e": "y"}),
        ("%YAML 1.1\n---\non: yes", {"on": "yes"}),
        ("a: true\nb: False", {"a": True, "b": False}),
        ("a:\nb: ~\nc: null", {"a": None, "b": None, "c": None}),
        ("a: 010\nb: 0o17\nc: 0x1F\nd: -3", {"a": 10, "b": 15, "c": 31, "d": -3}),
        ("a: 1.5\nb: 1e3\nc: .5\nd: -0.25", {"a": 1.5, "b": 1000.0, "c": 0.5, "d": -0.25}),
        ("a: 1_000\nb: 12:30:45\nc: 2027-01-01", {"a": "1_000", "b": "12:30:45", "c": "2027-01-01"}),
        ("a: .inf\nb: .nan", {"a": ".inf", "b": ".nan"}),
        ("a: '1'\nb: \"true\"\nc: |\n  1\n", {"a": "1", "b": "true", "c": "1\n"}),
        ("1: one\ntrue: two", {"1": "one", "true": "two"}),
        ("[1, [2, {a: b}], {}]", [1, [2, {"a": "b"}], {}]),
        ("\ufeffa: 1", {"a": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("", None),
        ("# nothing\n", None),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    assert parse("f.yaml", text.encode()).value == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ["f.yaml:3:1: the key `a` stands twice; first in line 1"]),
        ("x: {a: 1, a: 2}", ["f.yaml:1:11: the key `a` stands twice; first in line 1"]),
        ("a:\n\tb: 1\n", ["f.yaml:2:1: a tab cannot indent; use spaces"]),
        ("a: &x 1\n", ["f.yaml:1:4: an anchor (`&name`); write the value out where it is used"]),
        (
            "a: &x [1]\nb: *x\n",
            [
                "f.yaml:1:4: an anchor (`&name`); write the value out where it is used",
                "f.yaml:2:4: an alias (`*name`); write the value out",
            ],
        ),
        ("a: !!python/object:os.system x", ["f.yaml:1:4: a tag (`!name`); quote a value to make it text"]),
        ("a: !x [1]", ["f.yaml:1:4: a tag (`!name`); it has no meaning here"]),
        ("a: 1\n---\nb: 2\n", ["f.yaml:2:1: a second document; one file holds one"]),
        ("? [a, b]\n: 1\nc: 2\n", ["f.yaml:1:3: a key must be a word, not a list or mapping"]),
        ('a: "\\ud800"', ["f.yaml:1:4: half of a surrogate pair is no character"]),
        (b"a: ok\nb: \xff\n", ["f.yaml:2:4: not UTF-8 text"]),
        ("a: ok\nb: \x00\n", ["f.yaml:2:4: a control character that YAML does not allow"]),
    ],
)
def test_what_is_refused_and_where(text: str | bytes, expected: list[str]) -> None:
    assert problems(text) == expected


@pytest.mark.parametrize("text", ["a: [1, 2\nb: 3", "a: 'x", "- a\nb: 1", "a: @x", "a: b: c", "}", "[a][b]"])
def test_a_syntax_error_has_a_position(text: str) -> None:
    assert all(problem.startswith("f.yaml:") and "\n" not in problem for problem in problems(text))


def test_every_problem_is_told_not_only_the_first() -> None:
    text = "a: 1\na: 2\nb: &x 3\nc: *x\nd: [1\n"
    assert [problem.split(":")[1] for problem in problems(text)] == ["2", "3", "4", "6"]


def test_an_alias_bomb_is_refused_before_anything_is_expanded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "alias" in " ".join(problems("\n".join(lines)))


def test_depth_and_size_are_bounded() -> None:
    deep = "[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1)
    assert problems(deep) == [f"f.yaml:1:{DEPTH_MAX + 1}: nested deeper than {DEPTH_MAX} levels"]
    assert parse("f.yaml", ("[" * DEPTH_MAX + "]" * DEPTH_MAX).encode()).value is not None
    assert "phrase file" in problems(b"#" * (YAML_BYTES_MAX + 1))[0]


def test_marks_point_at_keys_and_values() -> None:
    document = parse("f.yaml", b"rules:\n  - id: a\n    on: input\n")
    assert document.mark(("rules", 0, "id")) == (2, 9)
    assert document.mark(("rules", 0, "id"), key=True) == (2, 5)
    assert document.mark(("rules", 0, "missing")) == (2, 5), "what is missing is a problem of its mapping"
    assert document.mark(("nothing", "here")) == (1, 1)


@pytest.mark.parametrize(
    ("word", "tail"),
    [("detct", "; did you mean `detect`?"), ("ON", "; did you mean `on`?"), ("zzzzzz", "")],
)
def test_the_nearest_name_is_offered_only_when_near(word: str, tail: str) -> None:
    assert nearest(word, ["detect", "on", "action"]) == tail


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain)
@settings(max_examples=150, deadline=None)
def test_json_reads_as_itself_with_a_mark_for_every_value(value: object) -> None:
    document = parse("f.json", json.dumps(value, ensure_ascii=False).encode())
    assert document.value == value
    assert len(document.values) == count(value)


def count(value: object) -> int:
    if isinstance(value, dict):
        return 1 + sum(count(item) for item in value.values())
    if isinstance(value, list):
        return 1 + sum(count(item) for item in value)
    return 1


@given(
    st.text(st.characters(codec="utf-8"), max_size=60) | st.text("a:-[]{}#&*!|>'\"%@`?, \n\t0", max_size=40)
)
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused_never_a_crash(text: str) -> None:
    try:
        parse("f.yaml", text.encode())
    except ConfigError as error:
        places = [(problem.line, problem.column) for problem in error.problems]
    else:
        return
    assert places
    assert min(min(place) for place in places) >= 1
