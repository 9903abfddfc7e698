"""The command `guardrail-proxy`: its sub-commands, and how they end. What they do stands in proxy/commands/."""

from __future__ import annotations

import sys

import typer

from proxy.commands import dial, log, rules, serve
from proxy.errors import ConfigError, GuardrailError


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="guardrail-proxy",
        help="Inline LLM guardrail proxy: judges, logs and contains every exchange of applications with models.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.command()(serve.serve)
    app.command()(serve.demo)
    app.command()(rules.check)
    app.command()(rules.scan)
    app.add_typer(rules.app_rules, name="rules", help="Test rule files.")
    app.add_typer(dial.app_dial, name="dial", help="Turn the containment dial of a running proxy.")
    app.command()(dial.changes)
    app.add_typer(log.app_log, name="log", help="Read the exchange log.")
    return app


def main() -> None:
    """Run the command. Exit status: 0 done, 1 failed, 2 wrong usage; never a traceback for a user's mistake."""
    try:
        build()()
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        sys.exit(1)
    except GuardrailError as error:
        print(f"guardrail-proxy: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"guardrail-proxy: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
