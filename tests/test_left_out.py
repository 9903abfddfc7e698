"""What requirements-left-out.txt keeps out of an installation is truly not needed: everything works without it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Final

from tests.tidy import ROOT

WITHOUT: Final = """
import sys
from importlib.abc import MetaPathFinder

LEFT_OUT = set(sys.argv.pop(1).split(","))


class NotInstalled(MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname.partition(".")[0] in LEFT_OUT:
            raise ModuleNotFoundError(f"{fullname} is left out", name=fullname)


sys.meta_path.insert(0, NotInstalled())
sys.argv[0] = "guardrail-proxy"
from proxy.cli import main

main()
"""
MODULES: Final = {"scikit-learn": "sklearn"}  # where a distribution's module has another name


def left_out() -> list[str]:
    text = (ROOT / "requirements-left-out.txt").read_text("utf-8")
    return re.findall(r"^([\w-]+)$", text, re.MULTILINE)


def test_the_lock_leaves_them_out() -> None:
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE))
    assert left_out()
    assert pinned.isdisjoint(left_out())


def test_the_shipped_rules_pass_their_tests_without_them() -> None:
    modules = ",".join(MODULES.get(name, name) for name in (*left_out(), "scipy", "thinc"))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, modules, "rules", "test", "rules"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
