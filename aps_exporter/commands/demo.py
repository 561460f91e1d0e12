"""`aps-exporter demo`: simulator and exporter in one process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from itertools import pairwise

import click

from aps_exporter.assembly import open_post
from aps_exporter.commands.options import log_option, start_log
from aps_exporter.commands.serving import exporter
from aps_exporter.commands.simulator_options import make_simulator, simulator_options
from aps_exporter.config import PanelSettings
from aps_exporter.config_entries import EcuSettings
from aps_exporter.config_fleet import Configuration
from aps_exporter.fleet import Fleet
from aps_exporter.reload import Reloader
from aps_exporter.simulator.server import Simulator
from aps_exporter.web.server import serve

__all__ = ["command", "lay_roof"]

_TCP_PORT = 8899
_LOOK_S = 2.0
_SHARE_S = 1.0
"""Both are short: the simulated ECU needn't be spared, and makes a sweep each five seconds."""
_WIDEST = 8


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
        settings = EcuSettings(
            name="demo-roof",
            host=ecu.host,
            max_age=_SHARE_S,
            # Where it has no TCP port, another program's is not to be asked.
            interface="auto" if ecu.tcp_port else "web",
            tcp_port=ecu.tcp_port or _TCP_PORT,
            latitude=ecu.settings.latitude,
            longitude=ecu.settings.longitude,
            panels=lay_roof(ecu.panel_groups()),
        )
        configuration = Configuration(ecus=(settings,), single=True)
        open_ = partial(open_post, now=ecu.clock.now, lasting=False, look_s=_LOOK_S)
        with closing(Fleet(configuration, open_, loopback=True)) as fleet:
            app = exporter(Reloader(load=lambda: configuration, fleet=fleet))
            serve(app, [listen], partial(_announce, ecu))


def lay_roof(groups: Mapping[str, str]) -> dict[str, PanelSettings]:
    """Lay each side of the roof in centred rows, the shortest on top, so that it looks like one."""
    sides: dict[str, list[str]] = {}
    for panel_id, side in groups.items():
        sides.setdefault(side, []).append(panel_id)
    panels: dict[str, PanelSettings] = {}
    row = 0
    for side, ids in sorted(sides.items(), key=lambda item: len(item[1])):
        first = len(ids) % _WIDEST or _WIDEST
        edges = [0, *range(first, len(ids) + 1, _WIDEST)]
        for start, end in pairwise(edges):
            row += 1
            margin = (_WIDEST - (end - start)) // 2
            for place in range(start, end):
                panels[ids[place]] = PanelSettings(
                    name=f"{side.title()} {place + 1}",
                    group=side,
                    row=row,
                    column=margin + 1 + place - start,
                )
    return panels


def _announce(ecu: Simulator, urls: list[str]) -> None:
    doors = [f"{ecu.url}/index.php/realtimedata  the ECU's own page"] if ecu.has_pages else []
    doors += [f"{ecu.tcp_host}  the ECU's commands over TCP"] if ecu.tcp_host else []
    own = "\n  ".join(doors)
    click.echo(f"""
A simulated roof runs at {ecu.clock.speed:g} times the speed of time. Open

  {urls[0]}/         the roof, to look at
  {urls[0]}/metrics  what Prometheus sees
  {own}
  {ecu.control_url}  switch faults on and off

Stop it with Ctrl-C.
""")
