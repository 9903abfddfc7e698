"""Rule files: what they may say, and what is told about each thing that they may not."""

from __future__ import annotations

import pytest

from proxy.detect import obfuscation
from proxy.detect.offers import Offers
from proxy.detect.secrets import KINDS
from proxy.errors import ConfigError
from proxy.model.level import Action, Direction, Level, Mode
from proxy.policy.compile import compile_policy
from proxy.policy.rule import (
    KilledReply,
    Obfuscation,
    Pattern,
    Phrases,
    Pii,
    PromptLeak,
    Regex,
    Secrets,
    Toxicity,
)
from proxy.policy.schema import read
from tests.policy.folders import BLOCK_ALPHA, folder, problems, rule

CONTRACT = """\
rules:
  - id: pii-in-replies
    on: output                     # input | output
    detect: {pii: {entities: [EMAIL_ADDRESS, PHONE_NUMBER, CREDIT_CARD, US_SSN, IBAN_CODE], min_score: 0.4}}
    action: redact
    levels: {degraded: block}
    on_error: block
    mode: enforce
    severity: high
    message: "I can't share that."
    when: {models: [support-bot], apps: [shop]}
"""


def test_the_contracts_example() -> None:
    (only,) = read(folder(CONTRACT)).rules
    assert only.id == "pii-in-replies"
    assert only.on is Direction.OUTPUT
    assert only.detectors == (
        Pii(frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "IBAN_CODE"}), 0.4),
    )
    assert (only.action, only.levels) == (Action.REDACT, ((Level.DEGRADED, Action.BLOCK),))
    assert only.when.models == frozenset({"support-bot"})
    assert only.when.apps == frozenset({"shop"})


def test_defaults() -> None:
    text = rule("id: a\non: input\ndetect: {pii: {entities: [CREDIT_CARD]}}\naction: block")
    (only,) = read(folder(text)).rules
    assert only.detectors == (Pii(frozenset({"CREDIT_CARD"}), 0.4),)
    assert only.mode is Mode.ENFORCE
    assert only.severity == "medium"
    assert only.message == "This request was refused by policy."
    assert only.on_error is Action.BLOCK
    (alpha,) = read(folder(BLOCK_ALPHA)).rules
    assert alpha.message == "I can't share that."


@pytest.mark.parametrize(
    ("keys", "on_error"),
    [
        ("action: flag", Action.FLAG),
        ("action: flag\nlevels: {degraded: block}", Action.BLOCK),
        ("action: flag\non_error: block", Action.BLOCK),
        ("action: redact", Action.BLOCK),
        ("action: block\non_error: allow", Action.FLAG),
    ],
)
def test_a_rule_that_never_acts_does_not_block_on_error_unless_told(keys: str, on_error: Action) -> None:
    (only,) = read(folder(rule(f"id: a\non: output\ndetect: {{phrases: [x]}}\n{keys}"))).rules
    assert only.on_error is on_error


def test_every_form_of_every_detector() -> None:
    text = rule(
        """
        id: a
        on: output
        action: block
        detect:
          phrases: {any: [one, two], file: words/list.txt, whole_word: false}
          regex: ["ab{1,3}", {pattern: "c+", max_length: 50}]
          pii: {entities: [IBAN_CODE], min_score: 0.7}
          secrets: {kinds: [GITHUB_TOKEN]}
          toxicity: {toxicity: 0.8}
          prompt_leak: {words: 20}
          obfuscation: {}
        """
    ).replace("    phrases", "      phrases")
    text = (
        text.replace("    regex", "      regex")
        .replace("    pii", "      pii")
        .replace("    secrets", "      secrets")
        .replace("    toxi", "      toxi")
        .replace("    prompt", "      prompt")
        .replace("    obfus", "      obfus")
    )
    words = "\ufeff# a comment\r\n\r\nthree\n  four  \n"
    (only,) = read(folder({"x/a.yaml": text, "x/words/list.txt": words})).rules
    assert only.detectors == (
        Phrases(("one", "two", "three", "four"), whole_word=False),
        Regex((Pattern("ab{1,3}"), Pattern("c+", 50))),
        Pii(frozenset({"IBAN_CODE"}), 0.7),
        Secrets(frozenset({"GITHUB_TOKEN"})),
        Toxicity({"toxicity": 0.8}),
        PromptLeak(20),
        Obfuscation(frozenset(obfuscation.KINDS)),
    )


def test_all_kinds_of_secrets() -> None:
    (only,) = read(folder(rule("id: a\non: output\ndetect: {secrets: {kinds: all}}\naction: redact"))).rules
    assert only.detectors == (Secrets(frozenset(KINDS)),)


GOOD = {
    "id": "id: a",
    "on": "on: output",
    "detect": "detect: {phrases: [x]}",
    "action": "action: redact",
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"id": "id: Bad Id"},
            '2:9: "Bad Id" is not allowed here: it must match ^[a-z0-9][a-z0-9._-]{0,63}$',
        ),
        ({"id": ""}, "2:5: the key `id` is missing"),
        ({"on": "on: outputs"}, "3:9: must be one of input, output; did you mean `output`?"),
        ({"on": "on: true"}, "3:9: must be one of input, output"),
        ({"x": "acton: redact"}, "6:5: unknown key `acton`; did you mean `action`?"),
        (
            {"action": "action: pseudonymize"},
            "5:13: `pseudonymize` is for input only, where the reply leads back: use redact",
        ),
        ({"x": "mode: shadows"}, "6:11: must be one of enforce, shadow; did you mean `shadow`?"),
        ({"x": "severity: 3"}, "6:15: must be one of low, medium, high, critical"),
        (
            {"x": "levels: {degraded: flag}"},
            "6:24: `flag` must be stricter than `redact`, which holds below this level",
        ),
        (
            {
                "on": "on: input",
                "action": "action: redact",
                "x": "levels: {degraded: pseudonymize}",
            },
            "6:24: `pseudonymize` must be stricter than `redact`, which holds below this level",
        ),
        ({"x": "levels: {degrade: block}"}, None),
        ({"x": "levels: {open: block}"}, None),
        ({"x": "when: {}"}, "6:11: names neither models nor apps; leave `when` out to mean any"),
        ({"x": "when: {models: bot}"}, "6:20: must be a list"),
        (
            {"detect": "detect: {}"},
            "4:13: names no detector: phrases, regex, pii, secrets, toxicity, prompt_leak, obfuscation or size",
        ),
        ({"detect": "detect: {phrase: [x]}"}, "4:14: unknown key `phrase`; did you mean `phrases`?"),
        ({"detect": "detect: {secrets: {}}"}, "4:23: the key `kinds` is missing"),
        ({"detect": "detect: {secrets: {kinds: every}}"}, "4:31: must be a list"),
        (
            {"detect": "detect: {secrets: {kinds: [NPM_TOKEN, GITHUB_TOKENS]}}"},
            "4:43: unknown kind of secret `GITHUB_TOKENS`; did you mean `GITHUB_TOKEN`?",
        ),
        ({"detect": "detect: {phrases: []}"}, "4:23: names no phrase"),
        (
            {"detect": "detect: {phrases: [ok, 12]}"},
            "4:28: must be text; quote a number or a date to make it text",
        ),
        ({"detect": 'detect: {phrases: [ok, "\\u200b"]}'}, "4:28: the phrase has no visible character"),
        ({"detect": "detect: {phrases: {any: [ok, '  ']}}"}, "4:34: the phrase has no visible character"),
        ({"detect": "detect: {phrases: {file: none.txt}}"}, "4:30: there is no file `rules/none.txt`"),
        (
            {"detect": "detect: {phrases: {file: ../up.txt}}"},
            "4:30: must lie in the rules folder, named relative to this file",
        ),
        ({"detect": "detect: {regex: ['(']}"}, "4:22: missing ): ("),
        (
            {"detect": "detect: {regex: [ok, {pattern: 'a(?=b)'}]}"},
            "4:36: invalid perl operator: (?= (RE2 has no look-around)",
        ),
        ({"detect": "detect: {regex: ['a+']}"}, "4:22: a match can be of any length: give max_length"),
        (
            {"detect": "detect: {regex: [{pattern: a+, max_length: 5000}]}"},
            "4:48: must be less than or equal to 4096, not 5000",
        ),
        (
            {"detect": "detect: {pii: {entities: [EMAIL_ADRESS]}}"},
            "4:31: unknown entity `EMAIL_ADRESS`; did you mean `EMAIL_ADDRESS`?",
        ),
        (
            {"detect": "detect: {pii: {entities: [PERSON]}}"},
            "4:31: `PERSON` needs a language model: install the extra `ner`",
        ),
        ({"detect": "detect: {pii: {entities: []}}"}, "4:30: must not be empty"),
        (
            {"detect": "detect: {pii: {entities: [IBAN_CODE], min_score: 1.5}}"},
            "4:54: must be less than or equal to 1, not 1.5",
        ),
        (
            {"detect": "detect: {toxicity: {toxicty: 0.5}}"},
            "4:25: unknown label `toxicty`; did you mean `toxicity`?",
        ),
        ({"detect": "detect: {toxicity: {toxicity: 0}}"}, "4:35: must be greater than 0, not 0"),
        (
            {"detect": "detect: {toxicity: {threat: 0.5}}"},
            "4:25: `threat` is not scored here: it needs the detoxify engine",
        ),
    ],
)
def test_what_a_rule_may_not_say(changes: dict[str, str], expected: str | None) -> None:
    keys = "\n".join(line for line in (GOOD | changes).values() if line)
    found = problems(rule(keys))
    if expected is None:
        assert len(found) == 1
    else:
        assert found == [f"a.yaml:{expected}"]


def test_all_problems_of_all_files_are_told() -> None:
    files = {
        "a.yaml": rule("id: A\non: x\ndetect: {phrases: [x]}\naction: flag") + "  - {id: b}\n",
        "b.yaml": "rules: [\n",
        "c.yaml": rule("id: c\non: input\ndetect: {regex: ['(', ')']}\naction: flag"),
    }
    assert [problem.rsplit(":", 2)[0][:8] for problem in problems(files)] == [
        "a.yaml:2",
        "a.yaml:3",
        "a.yaml:6",
        "a.yaml:6",
        "a.yaml:6",
        "b.yaml:2",
        "c.yaml:4",
        "c.yaml:4",
    ]


def test_an_id_stands_once_across_all_files() -> None:
    (found,) = problems({"a.yaml": BLOCK_ALPHA, "b/c.yaml": BLOCK_ALPHA})
    assert found == "b/c.yaml:1:14: the rule id `alpha` stands twice; also in rules/a.yaml:1:14"


def test_a_label_that_the_engine_does_not_score_is_a_warning_beside_one_that_it_does() -> None:
    text = rule("id: a\non: output\ndetect: {toxicity: {toxicity: 0.8, threat: 0.5}}\naction: block")
    (warning,) = compile_policy(folder(text)).warnings
    assert (warning.line, warning.column) == (4, 40)
    assert "`threat`" in warning.message


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "rules:1:1: the folder holds no rule file (*.yaml)"),
        ({"a.test.yaml": "cases: []"}, "rules:1:1: the folder holds no rule file (*.yaml)"),
        ({"a.yaml": ""}, "a.yaml:1:1: the file is empty; write `rules: []` for no rules"),
        ({"a.yaml": "# gone\n"}, "a.yaml:1:1: the file is empty; write `rules: []` for no rules"),
        ({"a.yaml": BLOCK_ALPHA, "b.yml": ""}, "b.yml:1:1: rule files are named *.yaml, not *.yml"),
        ({"a.yaml": "- x\n"}, "a.yaml:1:1: must be a mapping of keys to values"),
        ({"a.yaml": "rule: []\n"}, "a.yaml:1:1: unknown key `rule`; did you mean `rules`?"),
    ],
)
def test_an_empty_or_misnamed_file_is_a_problem_not_an_empty_policy(
    files: dict[str, str], expected: str
) -> None:
    assert problems(files) == [expected]


def test_what_a_killed_model_answers() -> None:
    assert read(folder("rules: []\n")).containment.killed == KilledReply()
    assert KilledReply().message == "This assistant is offline for maintenance."
    text = "containment: {killed: {reply: error, message: Back at nine.}}\n"
    assert read(folder(text)).containment.killed == KilledReply("error", "Back at nine.")
    text = "containment: {killed: {reply: {backend: calm}}}\n"
    by_backend = KilledReply("backend", KilledReply().message, "calm")
    assert read(folder(text)).containment.killed == by_backend, "no settings are known"
    assert read(folder(text), None, Offers(backends={"calm": None})).containment.killed == by_backend


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "containment: {killed: {reply: {bakend: plain}}}",
            "1:32: unknown key `bakend`; did you mean `backend`?",
        ),
        (
            "containment: {killed: {reply: {backend: 5}}}",
            "1:41: must be text; quote a number or a date to make it text",
        ),
        ("containment: {killed: {reply: {}}}", "1:31: write static, error or {backend: NAME}"),
        ("containment: {killed: {reply: {word: error}}}", "1:31: write static, error or {backend: NAME}"),
        (
            "containment: {killed: {reply: {backend: calmer}}}",
            "1:41: the settings have no backend `calmer`; did you mean `calm`?",
        ),
        (
            "containment: {killed: {reply: {backend: main}}}",
            "1:41: `main` cannot answer in place of a killed model: it serves `bot`",
        ),
        ("containment: {killed: {reply: none}}", "1:31: must be one of static, error"),
    ],
)
def test_what_a_killed_model_cannot_answer(text: str, expected: str) -> None:
    offers = Offers(backends={"main": "it serves `bot`", "calm": None})
    with pytest.raises(ConfigError) as refused:
        read(folder(text + "\n"), None, offers)
    assert [str(problem) for problem in refused.value.problems] == [f"rules/a.yaml:{expected}"]
