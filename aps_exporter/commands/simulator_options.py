"""Options of the commands that run a simulated ECU, and the simulator they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, get_args
from zoneinfo import ZoneInfo

import click

from aps_exporter.errors import ConfigError
from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.faults import FAULTS
from aps_exporter.simulator.fleet import FleetServer
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import (
    Access,
    Family,
    KindName,
    Language,
    SimulatorSettings,
)

__all__ = ["make_fleet", "make_simulator", "simulator_options"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Made = TypeVar("_Made")

QUARTER_HOUR = timedelta(minutes=15)
DEFAULTS = SimulatorSettings()


def simulator_options(*, start: str | None, speed: float) -> Callable[[_Function], _Function]:
    """Add the options; `start` and `speed` are the defaults of the simulated clock."""
    options = (
        click.option(
            "--family",
            type=click.Choice(get_args(Family)),
            default=DEFAULTS.family,
            show_default=True,
            help="How the ECU writes its pages",
        ),
        click.option(
            "--interface",
            type=click.Choice(get_args(Access)),
            help="Web pages, TCP port or both [what the family has; both: php-dc, php-3phase]",
        ),
        click.option(
            "--inverters", default=DEFAULTS.inverters, show_default=True, help="How many inverters"
        ),
        click.option(
            "--kind",
            "kinds",
            type=click.Choice(get_args(KindName)),
            multiple=True,
            help="Kind of inverter; repeatable, used in turn",
        ),
        click.option(
            "--seed",
            default=DEFAULTS.seed,
            show_default=True,
            help="Decides the weather and what tells the panels apart",
        ),
        click.option(
            "--timezone", default=DEFAULTS.timezone, show_default=True, help="The ECU's time zone"
        ),
        click.option("--latitude", default=DEFAULTS.latitude, show_default=True, help="Degrees"),
        click.option("--longitude", default=DEFAULTS.longitude, show_default=True, help="Degrees"),
        click.option(
            "--start",
            type=click.DateTime(["%H:%M", "%Y-%m-%dT%H:%M"]),
            default=start,
            show_default="now" if start is None else True,
            help="Local time at the start; moved to whole quarter hours from the real time",
        ),
        click.option(
            "--speed", default=speed, show_default=True, help="Simulated seconds per second"
        ),
        click.option(
            "--language",
            type=click.Choice(get_args(Language)),
            default=DEFAULTS.language,
            show_default=True,
            help="Of the pages",
        ),
        click.option(
            "--answer-delay",
            "answer_delay_s",
            default=DEFAULTS.answer_delay_s,
            show_default=True,
            help="Seconds the ECU thinks about a page",
        ),
        click.option(
            "--fault",
            "faults",
            multiple=True,
            help=f"Fault from the start; repeatable: {', '.join(FAULTS)}",
        ),
    )

    def add(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def make_simulator(options: Mapping[str, Any]) -> Simulator:
    """Make the simulated ECU of `simulator_options`; raises `ConfigError` for an impossible one."""
    return _make(options, Simulator)


def make_fleet(options: Mapping[str, Any], count: int) -> FleetServer:
    """Make so many of them; raises `ConfigError` for an impossible fleet."""
    return _make(options, lambda settings, clock: FleetServer(settings, count, clock))


def _make(options: Mapping[str, Any], make: Callable[[SimulatorSettings, Clock], _Made]) -> _Made:
    chosen = dict(options)
    start = chosen.pop("start")
    try:
        settings = SimulatorSettings(**chosen)
        return make(settings, _clock(start, ZoneInfo(settings.timezone), settings.speed))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _clock(start: datetime | None, zone: ZoneInfo, speed: float) -> Clock:
    """Start the clock near `start`, as if only the zone were wrong.

    An exporter that compares the ECU's clock with its own then believes it from the first page.
    """
    now = datetime.now(UTC)
    if start is None:
        return Clock(now, speed)
    if start.year == 1900:  # noqa: PLR2004  # what strptime makes of a time without a date
        start = datetime.combine(now.astimezone(zone).date(), start.time())
    quarters = round((start.replace(tzinfo=zone) - now) / QUARTER_HOUR)
    return Clock(now + quarters * QUARTER_HOUR, speed)
