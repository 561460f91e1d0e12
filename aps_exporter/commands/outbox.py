"""`aps-exporter outbox`: what waits for PVOutput, what it refused, and why."""

from __future__ import annotations

import click

from aps_exporter.commands.options import ecu_options, make_settings
from aps_exporter.pvoutput.operator import outbox_drop, outbox_list, outbox_retry


@click.group("outbox")
def command() -> None:
    """Look after what waits for PVOutput.

    \b
    Example:
        aps-exporter outbox list --config config.json
        aps-exporter outbox retry "2026-03-01 12:05" --config config.json
    """


_WHICH = click.argument("which", nargs=-1)


@command.command("list")
@ecu_options
def list_(**options: object) -> None:
    """Show what waits and what is dead, with PVOutput's words.

    \b
    Example:
        aps-exporter outbox list --config config.json
    """
    rows = outbox_list(make_settings(options))
    for row in rows:
        tries = f"{row.attempts} tries" if row.attempts else "not tried"
        click.echo(f"{row.when}  {row.state:7}  {row.power_w:6} W  {tries}  {row.error}".rstrip())
    dead = sum(row.state == "dead" for row in rows)
    click.echo(f"{len(rows) - dead} waiting, {dead} dead")


@command.command("retry")
@_WHICH
@ecu_options
def retry(which: tuple[str, ...], **options: object) -> None:
    """Let dead records try again: all, or those of days or slots.

    \b
    Example:
        aps-exporter outbox retry 2026-03-01 --config config.json
    """
    click.echo(f"{outbox_retry(make_settings(options), which)} will be tried again")


@command.command("drop")
@_WHICH
@ecu_options
def drop(which: tuple[str, ...], **options: object) -> None:
    """Forget records: all dead ones, or whatever is of days or slots.

    \b
    Example:
        aps-exporter outbox drop "2026-03-01 12:05" --config config.json
    """
    click.echo(f"{outbox_drop(make_settings(options), which)} dropped")
