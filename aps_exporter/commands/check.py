"""`aps-exporter check`: validate a configuration."""

from __future__ import annotations

import json
from pathlib import Path

import click

from aps_exporter.commands.options import ecu_options, make_settings
from aps_exporter.config import json_schema
from aps_exporter.pvoutput.operator import check_online


@click.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@ecu_options
@click.option("--online", is_flag=True, help="Ask PVOutput too whether the account works")
@click.option("--schema", is_flag=True, help="Print the JSON schema of the file instead")
def command(*, file: Path | None, online: bool, schema: bool, **options: object) -> None:
    """Say everything that is wrong with a configuration.

    \b
    Example:
        aps-exporter check config.json --online
    """
    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
        return
    publish = {"pvoutput.publish": True} if online else {}
    settings = make_settings({**options, **publish, "config": file or options["config"]})
    click.echo(f"The configuration is fine; the ECU is {settings.host}.")
    for line in check_online(settings) if online else ():
        click.echo(line)
