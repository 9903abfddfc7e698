"""`log:` in proxy.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.model.level import Outcome
from proxy.model.secret import Secret, Secrets
from proxy.settings import load
from tests.settings.test_settings import LEAST, problems, write


def test_how_long_exchanges_are_kept(tmp_path: Path) -> None:
    assert load(write(tmp_path, LEAST), {}).log.keep == {}
    day = 86_400.0
    text = LEAST + "log: {keep: {released: 30d, blocked_output: 1y, killed: 90s}, max_bytes: 1073741824}\n"
    log = load(write(tmp_path, text), {}).log
    assert log.keep == {"released": 30 * day, "blocked_output": 365 * day, "killed": 90.0}
    assert log.max_bytes == 1 << 30
    log = load(write(tmp_path, LEAST + "log: {keep: {blocked_output: 1y, other: 7d}}\n"), {}).log
    assert log.keep == {str(o): (365 if o == "blocked_output" else 7) * day for o in Outcome}


@pytest.mark.parametrize(
    ("keep", "says"),
    [
        ("{keep: {relased: 30d}}", "2:23: `relased` is no outcome; did you mean `released`?"),
        ("{keep: {released: 30}}", "2:24: must be text"),
        ("{keep: {released: 0d}}", "2:24: an age is a whole number and s, m, h, d or y, as `30d`"),
        ("{keep: {released: forever}}", "2:24: an age is"),
        ("{max_bytes: 100}", "2:18: must be greater"),
    ],
)
def test_what_cannot_be_kept_so_is_refused(tmp_path: Path, keep: str, says: str) -> None:
    found = problems(tmp_path, f"{LEAST}log: {keep}\n")
    assert len(found) == 1
    assert says in found[0]


def test_keys_of_the_encryption_are_read_by_reference(tmp_path: Path) -> None:
    (tmp_path / "older").write_text("b" * 32 + "\n")
    text = LEAST + "log: {encryption: {key_env: LOG_KEY, older: [{key_file: older}]}}\n"
    secrets = load(write(tmp_path, text), {"LOG_KEY": "a" * 64}).log.secrets
    assert secrets == Secrets(Secret.of("a" * 64), (Secret.of("b" * 32),))
    assert "aaaa" not in repr(secrets)
    assert load(write(tmp_path, LEAST), {}).log.secrets is None


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("{}", "the key `key_env` (or `key_file`) is missing"),
        ("{key_env: SHORT}", "2:19: a key has 32 characters and more"),
        ("{key_env: NONE}", "the environment variable `NONE` is not set"),
        ("{key_env: GOOD, older: [{}]}", "is missing"),
        ("{key: abc}", "`key`"),
    ],
)
def test_a_key_that_is_none_is_refused(tmp_path: Path, said: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, f"{LEAST}log: {{encryption: {said}}}\n"), {"SHORT": "a" * 31, "GOOD": "g" * 32})
    assert says in str(refused.value)
