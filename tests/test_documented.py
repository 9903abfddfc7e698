"""Every command says how to use it: an example in its help, a line in the README."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from proxy import __version__
from proxy.cli import build
from tests.tidy import ROOT


def walk(command: object, path: str) -> Iterator[tuple[str, str]]:
    """Every command and every group of commands below, as its words and its help."""
    if isinstance(command, TyperGroup):
        if path != "guardrail-proxy":
            yield path, command.help or ""
        for name, child in command.commands.items():
            yield from walk(child, f"{path} {name}")
    else:
        assert isinstance(command, TyperCommand)
        yield path, command.help or ""


COMMANDS: Final = tuple(walk(typer.main.get_command(build()), "guardrail-proxy"))


@pytest.mark.parametrize(("path", "text"), COMMANDS, ids=[path for path, _ in COMMANDS])
def test_every_command_has_an_example_and_stands_in_the_readme(path: str, text: str) -> None:
    assert "Example" in text, f"{path}: no example in its help"
    assert path in text, f"{path}: its example does not show it"
    assert path in (ROOT / "README.md").read_text("utf-8"), f"{path} is not in the README"


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        build()(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"guardrail-proxy {__version__}\n")


def test_the_commands_were_found() -> None:
    assert len(COMMANDS) > 5
