"""`guardrail-proxy log …`: what people and scripts see, and how it ends."""

from __future__ import annotations

import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from proxy import jsonio
from proxy.commands.log import app_log
from proxy.commands.log_draw import hits
from proxy.log.port import Page
from proxy.log.schema import FILE_NAME, StoreUnusable
from proxy.log.store import Store
from proxy.model.level import Outcome
from proxy.model.record import Attempt, Json
from tests.log.make import T0, begun, finding, finished


@pytest.fixture
def data(tmp_path: Path) -> Path:
    store = Store(tmp_path / FILE_NAME, lambda: T0)
    now = datetime.now(UTC).timestamp()
    for number in range(4):
        body: Json = {
            "model": "support-bot",
            "messages": [
                {"role": "system", "content": "Be [bold]kind[/bold]."},
                {"role": "user", "content": [{"type": "text", "text": f"who is number {number}\x1b[2J?"}]},
            ],
        }
        end = finished(
            number,
            outcome=Outcome.REDACTED,
            received="mail jane@x.org please",
            delivered="mail <EMAIL_ADDRESS> please",
            findings=(finding(),),
            scores={"toxicity": number / 10},
            attempts=(
                Attempt(
                    "main", "v3", "gpt-3", "backend main: the connection broke before it answered", 12.25
                ),
                Attempt("spare", None, None, "backend spare: not asked", None),
            )
            if number == 1
            else (),
        )
        store.write([begun(number, body=body, at=now - 3600 * number)])
        if number:
            store.write([end])
    store.release()
    return tmp_path


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(app_log, [*words, "--data-dir", str(data)])


def test_search_lists_the_newest_first_and_filters(data: Path) -> None:
    result = run(data, "search", "--json")
    assert result.exit_code == 0
    found = jsonio.loads(result.stdout.encode())
    assert isinstance(found, dict)
    exchanges = found["exchanges"]
    assert isinstance(exchanges, list)
    ids = [hit["id"] for hit in exchanges if isinstance(hit, dict)]
    assert ids == [f"{number:032x}" for number in range(4)]
    assert found["next"] is None
    recent = run(data, "search", "--since", "90m", "--score", "toxicity=0.1")
    assert f"{1:032x}" in recent.stdout
    assert f"{2:032x}" not in recent.stdout
    zone = (datetime.now(UTC) - timedelta(hours=2, minutes=30)).isoformat()
    assert run(data, "search", "--until", zone, "--json").stdout.count('"id"') == 1
    assert "under way" in run(data, "search", "--subject", "user:ann").stdout
    assert "No exchange fits" in run(data, "search", "--app", "none").stdout


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--score", "toxicity=0.1"), [1, 2, 3]),
        (("--min-score", "toxicity >= 0.2"), [2, 3]),
        (("--max-score", "toxicity=0.1"), [1]),  # 0 is under way, and has no score
        (("--max-score", "toxicity <= .2", "--score", "toxicity=0.1"), [1, 2]),
        (("--max-score", "toxicity=0.2", "--max-score", "insult=1"), []),
    ],
)
def test_scores_are_sought_between_bounds(data: Path, words: tuple[str, ...], found: list[int]) -> None:
    page = jsonio.loads(run(data, "search", "--json", *words).stdout.encode())
    assert isinstance(page, dict)
    hits = page["exchanges"]
    assert isinstance(hits, list)
    assert [int(str(hit["id"]), 16) for hit in hits if isinstance(hit, dict)] == found


@pytest.mark.parametrize("width", [80, 160])
def test_an_id_is_never_cut_off(width: int) -> None:
    one: dict[str, Json] = {
        "id": f"{7:032x}", "started_at": "2027-01-15T03:17:00.000Z", "outcome": "blocked_output",
        "app": "a-long-name-of-an-app", "model": {"requested": "support-bot-of-the-night"}, "level": "restricted",
        "findings": [{"rule": "pii-in-replies"}, {"rule": "secrets-in-replies"}],
    }  # fmt: skip
    with StringIO() as shown:
        Console(file=shown, width=width).print(hits(Page((one,), None), width))
        text = shown.getvalue()
    assert f"{7:032x}" in text
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= width


def test_a_full_page_tells_how_to_go_on(data: Path) -> None:
    first = run(data, "search", "--limit", "3")
    cursor = first.stdout.rsplit("--cursor ", 1)[1].strip()
    rest = run(data, "search", "--cursor", cursor)
    assert f"{3:032x}" in rest.stdout
    assert f"{2:032x}" not in rest.stdout


def test_show_draws_the_exchange_with_its_findings_marked(data: Path) -> None:
    result = run(data, "show", f"{1:032x}")
    assert result.exit_code == 0, result.output
    assert "Be [bold]kind[/bold]." in result.stdout
    assert "who is number 1�[2J?" in result.stdout  # what a client wrote does not steer the terminal
    assert "mail ⟦jane⟧@x.org please" in result.stdout
    assert "mail <EMAIL_ADDRESS> please" in result.stdout
    assert "redacted" in result.stdout
    assert "main v3 gpt-3: backend main: the connection broke before it answered (12.2 ms)" in result.stdout
    assert "spare  : backend spare: not asked" in result.stdout
    whole = jsonio.loads(run(data, "show", f"{1:032x}", "--json").stdout.encode())
    assert isinstance(whole, dict)
    assert whole["attempts"] == [
        {
            "backend": "main", "version": "v3", "sent": "gpt-3", "ms": 12.25,
            "error": "backend main: the connection broke before it answered",
        },
        {"backend": "spare", "version": None, "sent": None, "error": "backend spare: not asked", "ms": None},
    ]  # fmt: skip
    assert whole["response"] == {
        "received": "mail jane@x.org please",
        "delivered": "mail <EMAIL_ADDRESS> please",
        "finish_reason": "stop",
        "logprobs": None,
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }


def test_an_unknown_id_is_told_with_the_nearest(data: Path) -> None:
    result = run(data, "show", f"{1:032x}"[:-1] + "0f")
    assert result.exit_code == 1
    assert "no exchange" in result.stderr
    assert "the nearest is 0000" in result.stderr


def test_verify_says_what_fits_and_ends_with_1_where_something_does_not(data: Path) -> None:
    good = run(data, "verify")
    assert (good.exit_code, good.stdout.splitlines()[0]) == (0, "ok: 3 records fit, 1 under way")
    assert run(data, "verify", "--index").stdout.splitlines()[1] == "the index of words says what they say"
    with sqlite3.connect(data / FILE_NAME) as db:
        db.execute("UPDATE exchange SET body_bytes = 7 WHERE seq = 3")
    db.close()
    bad = run(data, "verify")
    assert bad.exit_code == 1
    assert f"CHANGED: record 2, exchange {2:032x}" in bad.stderr
    verdict = jsonio.loads(run(data, "verify", "--json").stdout.encode())
    assert isinstance(verdict, dict)
    assert verdict["ok"] is False
    first_bad = verdict["first_bad"]
    assert isinstance(first_bad, dict)
    assert first_bad["id"] == f"{2:032x}"


def test_export_writes_whole_records_a_line_each_for_its_owner_alone(data: Path) -> None:
    out = data / "out.jsonl"
    result = run(data, "export", "--outcome", "redacted", "--out", str(out))
    assert result.exit_code == 0, result.output
    records = [jsonio.loads(line) for line in out.read_bytes().splitlines()]
    assert [record["id"] for record in records if isinstance(record, dict)] == [
        f"{number:032x}" for number in (1, 2, 3)
    ]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert run(data, "export", "--out", str(out)).exit_code == 1  # never over another file
    assert len(run(data, "export").stdout.splitlines()) == 4


def test_stats_counts(data: Path) -> None:
    figures = jsonio.loads(run(data, "stats", "--json").stdout.encode())
    assert isinstance(figures, dict)
    assert (figures["exchanges"], figures["under_way"], figures["outcomes"]) == (4, 1, {"redacted": 3})
    assert "4 exchanges" in run(data, "stats").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("search", "--since", "yesterday"),
        ("search", "--score", "toxicity"),
        ("search", "--score", "toxicity<=0.3"),
        ("search", "--max-score", "toxicity>=0.3"),
        ("search", "--max-score", "toxicity=0.3", "--max-score", "toxicity=0.4"),
        ("search", "--min-score", "toxicity=0.3", "--max-score", "toxicity=0.2"),
        ("search", "--outcome", "fine"),
        ("search", "--subject", "ann"),
        ("search", "--cursor", "?"),
        ("search", "--limit", "0"),
        ("export", "--level", "calm"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_reason(data: Path, words: tuple[str, ...]) -> None:
    result = run(data, *words)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_no_store_yet_is_said_in_one_line(tmp_path: Path) -> None:
    result = run(tmp_path, "search")
    assert isinstance(result.exception, StoreUnusable)  # the outer command prints it and ends with 1
    assert "no exchange log here yet" in str(result.exception)


def test_without_settings_it_says_how_to_name_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app_log, ["search"])
    assert done.exit_code == 1
    assert "there is no proxy.yaml" in done.output
    assert "--data-dir data" in done.output


def test_the_log_is_read_without_the_secrets_that_the_settings_name(data: Path) -> None:
    settings = data / "proxy.yaml"
    settings.write_text(
        "data_dir: .\nadmin: {tokens: [{name: oncall, role: operator, token_env: NOT_SET_HERE}]}\n"
        'backends: {main: {url: "http://127.0.0.1:9", api: openai, key_env: NOT_SET_EITHER}}\n'
    )
    result = CliRunner().invoke(app_log, ["search", "--config", str(settings), "--json"])
    assert result.exit_code == 0, result.output
    assert result.stdout.count('"id"') == 4
