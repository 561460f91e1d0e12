"""`aps-exporter read`: one reading, as text or JSON, and once to PVOutput when configured."""

from __future__ import annotations

from datetime import datetime

import click

from aps_exporter.assembly import make_poller, make_roster
from aps_exporter.commands.options import ecu_options, log_option, make_settings, start_log
from aps_exporter.config import Settings
from aps_exporter.deadline import Deadline
from aps_exporter.ecu.journal import clock_notice, stale_notice
from aps_exporter.pvoutput.one_shot import publish_once
from aps_exporter.render import to_json, to_text
from aps_exporter.summary import Summary


@click.command("read")
@ecu_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing but JSON")
@click.option("--no-publish", is_flag=True, help="Don't send to PVOutput, whatever is configured")
@log_option("error")
def command(*, as_json: bool, no_publish: bool, log_level: str, **options: object) -> None:
    """Print one reading of an ECU.

    Sends it to PVOutput once when the configuration says so, as cron jobs want it.

    \b
    Example:
        aps-exporter read --host 192.168.1.102 --json
    """
    start_log(log_level)
    settings = make_settings({**options, **({"pvoutput.publish": False} if no_publish else {})})
    summary = _read(settings)
    click.echo(to_json(summary, datetime.now().astimezone()) if as_json else to_text(summary))
    for notice in filter(None, (stale_notice(summary.reading), clock_notice(summary.reading))):
        click.echo(f"aps-exporter: about the ECU: {notice}", err=True)
    if not as_json:
        click.echo()
    click.echo(_publish(summary, settings, held_back=no_publish), err=as_json)


def _read(settings: Settings) -> Summary:
    """Read the ECU, and hold what it says against who was ever seen."""
    # A little more patience than the poll, which knows better what is wrong.
    reading = make_poller(settings).read(Deadline.after(settings.timeout + 1))
    roster = make_roster(settings, lasting=True)
    try:
        return roster.summarize(reading)
    finally:
        roster.memory.close()


def _publish(summary: Summary, settings: Settings, *, held_back: bool) -> str:
    """Send the summary if that is wanted, and say what came of it."""
    if held_back:
        return "Publishing skipped (--no-publish)."
    if not settings.pvoutput.publish:
        return "Publishing skipped (pvoutput.publish=no)."
    answer = publish_once(summary, settings)
    if answer is None:
        return "Publishing skipped (nothing received that is about now)."
    return f"PVOutput response: {answer}"
