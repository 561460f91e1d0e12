"""`aps-exporter simulate`: a faithful ECU on a port."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

import click

from aps_exporter.commands.simulator_options import make_simulator, simulator_options
from aps_exporter.errors import ConfigError
from aps_exporter.simulator.drills import DRILLS, by_day, run_drill
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
@click.option("--control-port", default=0, help="Port of the control page; 0: any [0]")
def command(drill: str | None, **options: object) -> None:
    """Be an ECU, with a plant, weather and faults, until stopped.

    \b
    Example:
        aps-exporter simulate --start 12:30 --fault inverter-silent=801000090002
        aps-exporter simulate --drill inverter-missing
    """
    if drill is None:
        _run(make_simulator(options), lambda: None)
        return
    simulator = make_simulator({**options, **asdict(by_day(datetime.now(UTC)))})
    over = threading.Event()
    hold = partial(run_drill, simulator, DRILLS[drill], over.wait, click.echo)
    try:
        _run(simulator, lambda: threading.Thread(target=hold, daemon=True).start())
    finally:
        over.set()


def _run(simulator: Simulator, begin: Callable[[], None]) -> None:
    """Serve until stopped; `begin` is called when the ports are open."""

    def announce() -> None:
        click.echo(f"The simulated ECU is at {simulator.url}/")
        click.echo(f"Switch faults at {simulator.control_url}")
        begin()

    try:
        simulator.run(announce)
    except OSError as error:
        message = f"can't listen: {error.strerror or error}"
        raise ConfigError(message) from error
