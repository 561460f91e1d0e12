"""`aps-exporter serve`: the exporter."""

from __future__ import annotations

import click

from aps_exporter.assembly import make_poller, utc_now
from aps_exporter.commands.options import (
    ecu_options,
    listen_option,
    log_option,
    make_settings,
    start_log,
)
from aps_exporter.commands.serving import exporter
from aps_exporter.web.server import serve


@click.command("serve")
@ecu_options
@listen_option
@log_option("info")
def command(listen: tuple[str, ...], log_level: str, **options: object) -> None:
    """Serve the metrics of an ECU to Prometheus, reading it on each scrape.

    Sends them to PVOutput too when the configuration says so.

    \b
    Example:
        aps-exporter serve --host 192.168.1.102
    """
    start_log(log_level)
    settings = make_settings(options)
    with exporter(settings, make_poller(settings), utc_now, lasting=True) as app:
        serve(app, listen)
