"""A skip nobody argued for fails the run in CI, and only there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy import ROOT


@pytest.mark.parametrize(
    ("ci", "body", "status"),
    [
        ("true", "def test_a(): ...", 0),
        ("true", "import pytest\n@pytest.mark.skip('no reason')\ndef test_a(): ...\ndef test_b(): ...", 1),
        ("true", "import pytest\npytest.importorskip('no_such_module')", 1),
        ("", "import pytest\n@pytest.mark.skip('no reason')\ndef test_a(): ...\ndef test_b(): ...", 0),
    ],
)
def test_unexplained_skips_fail_in_ci(tmp_path: Path, ci: str, body: str, status: int) -> None:
    (tmp_path / "test_sample.py").write_text(f"{body}\ndef test_last(): ...\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.skips", "-p", "no:cacheprovider", str(tmp_path)],
        env=os.environ | {"CI": ci, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert ("without an allowed reason" in done.stdout) == (status == 1)
