"""Options that several commands share, and the settings they make."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from aps_exporter.config import PVOutputSettings, Settings, load_settings, warnings_of
from aps_exporter.errors import ConfigError

__all__ = ["ecu_options", "listen_option", "log_option", "make_settings", "start_log"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

DEFAULT_LISTEN = "[::]:10025"

_ECU_OPTIONS = (
    click.option("--config", type=click.Path(path_type=Path), help="Configuration file (JSON)"),
    click.option("--host", help="The ECU: address or name, with :port where it isn't 80"),
    click.option("--path", help="Page with the inverters; found by itself without this"),
    click.option("--interface", help="How to read it: web, tcp or auto [auto]"),
    click.option("--tcp-port", help="The ECU's port for its TCP interface [8899]"),
    click.option("--timezone", help="The ECU's time zone, such as Europe/Amsterdam"),
    click.option("--timeout", help="Seconds that a whole poll may take [5]"),
    click.option("--max-age", help="Seconds that a reading is shared [10]"),
    click.option("--stale-after", help="Seconds after which a report isn't about now [1800]"),
    click.option("--latitude", help="Of the roof, in degrees north; for the sun's height"),
    click.option("--longitude", help="Of the roof, in degrees east"),
    click.option("--state-dir", help="Folder of state.sqlite3 [the user's state folder]"),
    click.option("--expected-count", help="How many panels should report"),
    click.option(
        "--scale-missing/--no-scale-missing",
        default=None,
        help="Estimate the total when panels are missing",
    ),
)


def ecu_options(function: _Function) -> _Function:
    """Add the options that say which ECU, and how to read it."""
    for option in reversed(_ECU_OPTIONS):
        function = option(function)
    return function


def listen_option(function: _Function) -> _Function:
    """Add `--listen`."""
    return click.option(
        "--listen",
        multiple=True,
        default=(DEFAULT_LISTEN,),
        show_default=True,
        help="Address to serve on; repeatable",
    )(function)


def log_option(default: str) -> Callable[[_Function], _Function]:
    """Add `--log-level` with a default that suits the command."""
    return click.option(
        "--log-level",
        type=click.Choice(("debug", "info", "warning", "error")),
        default=default,
        show_default=True,
        help="How much to log to stderr",
    )


def start_log(level: str) -> None:
    """Log to stderr."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=level.upper())
    logging.getLogger("urllib3").setLevel(logging.INFO)


def _pvoutput_environment() -> dict[str, str | None]:
    """Take what PVOutput needs from the environment; a key has no place on a command line."""
    prefix = click.get_current_context().auto_envvar_prefix
    return {
        f"pvoutput.{key}": os.environ.get(f"{prefix}_PVOUTPUT_{key.upper()}")
        for key in PVOutputSettings.model_fields
    }


def make_settings(options: Mapping[str, object]) -> Settings:
    """Make the settings of `ecu_options`, and say what is odd about them."""
    overrides = {**_pvoutput_environment(), **options}
    file = overrides.pop("config")
    if not file and not overrides["host"]:
        message = "no ECU is given: say --host ADDRESS or --config FILE"
        raise ConfigError(message)
    settings = load_settings(file if isinstance(file, Path) else None, overrides)
    for warning in warnings_of(settings):
        click.echo(f"aps-exporter: warning: {warning}", err=True)
    return settings
