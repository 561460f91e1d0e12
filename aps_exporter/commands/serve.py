"""`aps-exporter serve`: the exporter."""

from __future__ import annotations

from contextlib import closing

import click

from aps_exporter.assembly import open_post
from aps_exporter.commands.options import (
    config_options,
    entrance_options,
    log_option,
    make_entrance,
    make_loader,
    start_log,
)
from aps_exporter.commands.serving import (
    exporter,
    is_local,
    make_manners,
    manners_options,
    reload_on_hangup,
)
from aps_exporter.fleet import Fleet
from aps_exporter.reload import Reloader
from aps_exporter.web.server import serve


@click.command("serve")
@config_options
@entrance_options
@manners_options
@log_option("info")
def command(log_level: str, **options: object) -> None:
    """Serve the metrics of ECUs to Prometheus, reading them on each scrape.

    Sends them to PVOutput too when the configuration says so. SIGHUP reloads the configuration.

    \b
    Example:
        aps-exporter serve --host 192.168.1.102
    """
    start_log(log_level)
    entrance, manners = make_entrance(options), make_manners(options)
    load = make_loader(options)
    with closing(Fleet(load(), open_post, loopback=is_local(entrance))) as fleet:
        reloader = Reloader(load=load, fleet=fleet)
        with reload_on_hangup(reloader):
            serve(exporter(reloader, manners), entrance)
