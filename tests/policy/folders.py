"""Rules folders for tests, in memory and on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.policy.compile import compile_policy
from proxy.policy.folder import Folder

BLOCK_ALPHA = "rules: [{id: alpha, on: output, detect: {phrases: [alpha]}, action: block}]\n"
BLOCK_BETA = "rules: [{id: beta, on: output, detect: {phrases: [beta]}, action: block}]\n"
BROKEN = "rules: [{id: alpha, on: output, detct: {}}]\n"


def folder(files: Mapping[str, str | bytes] | str) -> Folder:
    if isinstance(files, str):
        files = {"a.yaml": files}
    return Folder(
        "rules",
        {name: text if isinstance(text, bytes) else text.encode() for name, text in files.items()},
    )


def problems(files: Mapping[str, str | bytes] | str) -> list[str]:
    """What is wrong with these files, without the folder's name."""
    with pytest.raises(ConfigError) as caught:
        compile_policy(folder(files))
    return [str(problem).removeprefix("rules/") for problem in caught.value.problems]


def rule(keys: str) -> str:
    """A file of one rule with these keys, each on a line of its own from line 2 on."""
    lines = [line.strip() for line in keys.strip().splitlines()]
    return "rules:\n" + "".join(f"  {'- ' if not at else '  '}{line}\n" for at, line in enumerate(lines))


def write(where: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return where
