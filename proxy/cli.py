"""The command `guardrail-proxy`: its sub-commands, and how they end. What they do stands in proxy/commands/."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

import typer

from proxy import __version__
from proxy.errors import ConfigError, GuardrailError

HELP: Final = (
    "Inline LLM guardrail proxy: judges, logs and contains every exchange of applications with models."
)

MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "serve": "serve",
        "demo": "serve",
        "check": "rules",
        "scan": "rules",
        "rules": "rules",
        "cards": "cards",
        "tripwires": "tripwires",
        "probes": "probes",
        "alerts": "alerts",
        "dial": "dial",
        "block": "subjects",
        "limit": "subjects",
        "rollback": "rollback",
        "patch": "patch",
        "changes": "dial",
        "log": "log",
        "models": "models",
    }
)
"""Which module of proxy/commands/ a command stands in, in the order of the help. A group is `app_NAME` there."""


def build(word: str | None = None) -> typer.Typer:
    """The command line; with a command's name, only that command: turning the dial at night must not wait for the
    imports that serving needs."""
    app = typer.Typer(
        name="guardrail-proxy",
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    for name, module_name in MODULES.items():
        if word in MODULES and name != word:
            continue
        module = importlib.import_module(f"proxy.commands.{module_name}")
        group = getattr(module, f"app_{name}", None)
        if isinstance(group, typer.Typer):
            app.add_typer(group, name=name)
        else:
            app.command(name=name)(getattr(module, name))
    app.callback(help=HELP)(_group)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"guardrail-proxy {__version__}")
        raise typer.Exit


def _group(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Makes it a group also where only one command was built."""


def main() -> None:
    """Run the command. Exit status: 0 done, 1 failed, 2 wrong usage; never a traceback for a user's mistake."""
    try:
        gc.disable()  # what modules make stays, and is not worth a walk
        try:
            command = build(sys.argv[1] if len(sys.argv) > 1 else None)
        finally:
            gc.enable()
        command()
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        sys.exit(1)
    except (GuardrailError, OSError) as error:
        print(f"guardrail-proxy: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
