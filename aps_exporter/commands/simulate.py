"""`aps-exporter simulate`: a faithful ECU on a port."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

import click

from aps_exporter.commands.simulator_options import make_fleet, make_simulator, simulator_options
from aps_exporter.errors import ConfigError
from aps_exporter.simulator.drills import DRILLS, by_day, run_drill
from aps_exporter.simulator.fleet import FleetServer
from aps_exporter.simulator.served import Served
from aps_exporter.simulator.server import Simulator


@click.command("simulate")
@simulator_options(start=None, speed=1.0)
@click.option(
    "--drill",
    type=click.Choice(tuple(DRILLS)),
    help="Hold a fire drill, in daylight: a fault that comes and goes, for your alerts to ring",
)
@click.option("--address", "host", default="127.0.0.1", show_default=True, help="Address to be at")
@click.option("--port", default=8080, show_default=True, help="Port of the ECU's pages; 0: any")
@click.option(
    "--tcp-port", default=8899, show_default=True, help="Port for commands over TCP; 0: any"
)
@click.option("--control-port", default=0, help="Port of the control page; 0: any [0]")
@click.option(
    "--ecus",
    type=int,
    help="Be so many ECUs, each at a loopback address, and print their configuration; only pages",
)
def command(drill: str | None, ecus: int | None, **options: object) -> None:
    """Be an ECU, with a plant, weather and faults, until stopped.

    \b
    Example:
        aps-exporter simulate --start 12:30 --fault inverter-silent=801000090002
        aps-exporter simulate --interface both --fault page-gone
        aps-exporter simulate --drill inverter-missing
        aps-exporter simulate --ecus 200 --answer-delay 1 > config.json
    """
    if ecus is not None:
        _run_fleet(make_fleet(options, ecus))
    elif drill is not None:
        _run_drill(drill, options)
    else:
        _run_ecu(make_simulator(options), lambda: None)


def _run_fleet(fleet: FleetServer) -> None:
    def announce() -> None:
        members = [asdict(member) for member in fleet.members]
        click.echo(json.dumps({"ecus": members}, indent=1))
        click.echo(f"Serving {len(members)} simulated ECUs.", err=True)

    _run(fleet, announce)


def _run_drill(drill: str, options: Mapping[str, object]) -> None:
    simulator = make_simulator({**options, **asdict(by_day(datetime.now(UTC)))})
    over = threading.Event()
    hold = partial(run_drill, simulator, DRILLS[drill], over.wait, click.echo)
    try:
        _run_ecu(simulator, lambda: threading.Thread(target=hold, daemon=True).start())
    finally:
        over.set()


def _run_ecu(simulator: Simulator, begin: Callable[[], None]) -> None:
    """Serve until stopped; `begin` is called when the ports are open."""

    def announce() -> None:
        if simulator.has_pages:
            click.echo(f"The simulated ECU is at {simulator.url}/")
        click.echo(f"Switch faults at {simulator.control_url}")
        if simulator.tcp_host:
            click.echo(f"The simulated ECU takes commands over TCP at {simulator.tcp_host}")
        begin()

    _run(simulator, announce)


def _run(served: Served, announce: Callable[[], None]) -> None:
    try:
        served.run(announce)
    except OSError as error:
        where = f" on {error.filename}" if error.filename else ""
        message = f"can't listen{where}: {error.strerror or error}"
        raise ConfigError(message) from error
