"""`aps-exporter read`: one reading, as text or JSON."""

from __future__ import annotations

from datetime import datetime

import click

from aps_exporter.assembly import make_poller, make_roster
from aps_exporter.commands.options import ecu_options, log_option, make_settings, start_log
from aps_exporter.deadline import Deadline
from aps_exporter.ecu.journal import stale_notice
from aps_exporter.render import to_json, to_text


@click.command("read")
@ecu_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing but JSON")
@click.option("--no-publish", is_flag=True, help="Don't send to PVOutput, whatever is configured")
@log_option("error")
def command(*, as_json: bool, no_publish: bool, log_level: str, **options: object) -> None:
    """Print one reading of an ECU.

    \b
    Example:
        aps-exporter read --host 192.168.1.102 --json
    """
    start_log(log_level)
    settings = make_settings(options)
    reading = make_poller(settings).read(Deadline.after(settings.timeout + 1))
    summary = make_roster(settings).summarize(reading)
    click.echo(to_json(summary, datetime.now().astimezone()) if as_json else to_text(summary))
    if notice := stale_notice(reading):
        click.echo(f"aps-exporter: the ECU sleeps: {notice}", err=True)
