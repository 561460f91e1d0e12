"""`aps-exporter demo`: simulator and exporter in one process."""

from __future__ import annotations

from functools import partial

import click

from aps_exporter.assembly import make_poller
from aps_exporter.commands.options import log_option, start_log
from aps_exporter.commands.serving import exporter
from aps_exporter.commands.simulator_options import make_simulator, simulator_options
from aps_exporter.config import PanelSettings, Settings
from aps_exporter.simulator.server import Simulator
from aps_exporter.web.server import serve


@click.command("demo")
@simulator_options(start="10:00", speed=60.0)
@click.option("--listen", default="127.0.0.1:0", help="Address to serve on [any free port]")
@log_option("info")
def command(listen: str, log_level: str, **options: object) -> None:
    """Show everything without any hardware: a simulated ECU and the exporter that reads it.

    \b
    Example:
        aps-exporter demo
    """
    start_log(log_level)
    with make_simulator(options) as ecu:
        panels = {name: PanelSettings(group=group) for name, group in ecu.panel_groups().items()}
        settings = Settings(host=ecu.host, panels=panels)
        poller = make_poller(settings, now=ecu.clock.now)
        with exporter(settings, poller, ecu.clock.now, lasting=False) as app:
            serve(app, [listen], partial(_announce, ecu))


def _announce(ecu: Simulator, urls: list[str]) -> None:
    click.echo(f"""
A simulated roof runs at {ecu.clock.speed:g} times the speed of time. Open

  {urls[0]}/         the exporter
  {urls[0]}/metrics  what Prometheus sees
  {ecu.url}/index.php/realtimedata  the ECU's own page
  {ecu.control_url}  switch faults on and off

Stop it with Ctrl-C.
""")
