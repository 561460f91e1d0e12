"""`aps-exporter check`: validate a configuration."""

from __future__ import annotations

import json
from pathlib import Path

import click

from aps_exporter.commands.options import ecu_options, make_settings
from aps_exporter.config import json_schema


@click.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@ecu_options
@click.option("--schema", is_flag=True, help="Print the JSON schema of the file instead")
def command(*, file: Path | None, schema: bool, **options: object) -> None:
    """Say everything that is wrong with a configuration.

    \b
    Example:
        aps-exporter check config.json
    """
    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
        return
    settings = make_settings({**options, "config": file or options["config"]})
    click.echo(f"The configuration is fine; the ECU is {settings.host}.")
