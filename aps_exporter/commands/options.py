"""Options that several commands share, and the settings they make."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from aps_exporter.config import PVOutputSettings, warnings_of
from aps_exporter.config_entries import EcuSettings
from aps_exporter.config_fleet import Configuration, load_configuration
from aps_exporter.errors import ConfigError
from aps_exporter.web.entrance import Entrance

__all__ = [
    "config_options",
    "ecu_option",
    "ecu_options",
    "entrance_options",
    "log_option",
    "make_configuration",
    "make_entrance",
    "make_loader",
    "make_settings",
    "start_log",
    "web_config_option",
]

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


def config_options(function: _Function) -> _Function:
    """Add the options that make a configuration."""
    for option in reversed(_ECU_OPTIONS):
        function = option(function)
    return function


def ecu_option(function: _Function) -> _Function:
    """Add `--ecu`."""
    return click.option("--ecu", help="Which of the ECUs that the configuration lists")(function)


def ecu_options(function: _Function) -> _Function:
    """Add the options that say which ECU, and how to read it."""
    return config_options(ecu_option(function))


def listen_option(function: _Function) -> _Function:
    """Add `--listen`."""
    return click.option(
        "--listen",
        multiple=True,
        default=(DEFAULT_LISTEN,),
        show_default=True,
        help="Address to serve on; repeatable",
    )(function)


def web_config_option(function: _Function) -> _Function:
    """Add `--web.config.file`."""
    return click.option(
        "--web.config.file",
        "web_config_file",
        type=click.Path(path_type=Path),
        help="Web configuration with TLS and passwords (YAML)",
    )(function)


def entrance_options(function: _Function) -> _Function:
    """Add the options that say where clients come in, and what they have to show there."""
    options = (
        listen_option,
        click.option(
            "--web.systemd-socket",
            "web_systemd_socket",
            is_flag=True,
            help="Serve on the sockets that systemd has opened instead",
        ),
        web_config_option,
        click.option(
            "--web.health-without-auth",
            "web_health_without_auth",
            is_flag=True,
            help="Ask no password for /-/healthy and /-/ready",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def make_entrance(options: dict[str, Any]) -> Entrance:
    """Take what `entrance_options` added out of a command's options."""
    return Entrance(
        addresses=options.pop("listen"),
        systemd=options.pop("web_systemd_socket"),
        config_file=options.pop("web_config_file"),
        health_without_auth=options.pop("web_health_without_auth"),
    )


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


def make_loader(options: Mapping[str, object]) -> Callable[[], Configuration]:
    """Make what loads the configuration of `config_options`, and says what is odd about it."""
    overrides = {**_pvoutput_environment(), **options}
    file = overrides.pop("config")
    if not file and not overrides["host"]:
        message = "no ECU is given: say --host ADDRESS or --config FILE"
        raise ConfigError(message)

    def load() -> Configuration:
        configuration = load_configuration(file if isinstance(file, Path) else None, overrides)
        for warning in dict.fromkeys(w for ecu in configuration.ecus for w in warnings_of(ecu)):
            click.echo(f"aps-exporter: warning: {warning}", err=True)
        return configuration

    return load


def make_configuration(options: Mapping[str, object]) -> Configuration:
    """Make the configuration of `config_options`, once."""
    return make_loader(options)()


def make_settings(options: Mapping[str, object]) -> EcuSettings:
    """Make the settings of the one ECU that `ecu_options` mean."""
    which = options.get("ecu")
    configuration = make_configuration({k: v for k, v in options.items() if k != "ecu"})
    return configuration.ecu(None if which is None else str(which))
