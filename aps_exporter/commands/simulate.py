"""`aps-exporter simulate`: a faithful ECU on a port."""

from __future__ import annotations

import click

from aps_exporter.commands.simulator_options import make_simulator, simulator_options
from aps_exporter.errors import ConfigError


@click.command("simulate")
@simulator_options(start=None, speed=1.0)
@click.option("--address", "host", default="127.0.0.1", show_default=True, help="Address to be at")
@click.option("--port", default=8080, show_default=True, help="Port of the ECU's pages; 0: any")
@click.option("--control-port", default=0, help="Port of the control page; 0: any [0]")
def command(**options: object) -> None:
    """Be an ECU, with a plant, weather and faults, until stopped.

    \b
    Example:
        aps-exporter simulate --start 12:30 --fault inverter-silent=801000090002
    """
    simulator = make_simulator(options)

    def announce() -> None:
        click.echo(f"The simulated ECU is at {simulator.url}/")
        click.echo(f"Switch faults at {simulator.control_url}")

    try:
        simulator.run(announce)
    except OSError as error:
        message = f"can't listen: {error.strerror or error}"
        raise ConfigError(message) from error
