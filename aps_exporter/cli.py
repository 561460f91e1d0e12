"""The command `aps-exporter`: finds the subcommand, turns errors into a line and an exit code."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from aps_exporter import __version__
from aps_exporter.errors import ApsError, ConfigError
from aps_exporter.lean import load_requests

__all__ = ["main"]

EXIT_USAGE = 1  # a wrong flag is a wrong configuration; click's own 2 means the ECU here
EXIT_INTERRUPTED = 130
EXIT_BUG = 70

log = logging.getLogger(__name__)


class _Commands(click.Group):
    """The subcommands, imported when called: what `read` doesn't need, it doesn't load."""

    NAMES = (
        "serve",
        "read",
        "check",
        "discover",
        "doctor",
        "outbox",
        "roster",
        "simulate",
        "demo",
    )

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Give the names in the order of the README."""
        return list(self.NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of the command."""
        if cmd_name not in self.NAMES:
            return None
        load_requests()
        module = importlib.import_module(f"aps_exporter.commands.{cmd_name}")
        command: click.Command = module.command
        return command


@click.command(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="aps-exporter")
@click.pass_context
def aps_exporter(context: click.Context) -> None:
    """Read an APsystems ECU and tell Prometheus, people and PVOutput what it says.

    Every option has an environment variable, APS_EXPORTER_<COMMAND>_<OPTION>.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 fine, 1 configuration, 2 ECU, 4 PVOutput."""
    sys.exit(_run(args))


def _run(args: Sequence[str] | None) -> int:
    try:
        code = aps_exporter.main(
            args,
            prog_name="aps-exporter",
            standalone_mode=False,
            auto_envvar_prefix="APS_EXPORTER",
        )
    except click.ClickException as error:
        click.echo(f"aps-exporter: {error.format_message()} See --help.", err=True)
        return EXIT_USAGE
    except ApsError as error:
        for line in error.problems if isinstance(error, ConfigError) else (str(error),):
            click.echo(f"aps-exporter: {line}", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except Exception as error:
        # A bug: users get a line, and with --log-level debug the rest.
        log.debug("this is a bug", exc_info=True)
        click.echo(f"aps-exporter: bug: {type(error).__name__}: {error}", err=True)
        return EXIT_BUG
    return code if isinstance(code, int) else 0
