"""`aps-exporter check`: validate a configuration."""

from __future__ import annotations

import json
from pathlib import Path

import click

from aps_exporter.commands.options import (
    config_options,
    make_configuration,
    make_settings,
    web_config_option,
)
from aps_exporter.config_fleet import Configuration, json_schema
from aps_exporter.pvoutput.operator import check_online
from aps_exporter.web.live_config import load_web_config


@click.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@config_options
@web_config_option
@click.option("--online", is_flag=True, help="Ask PVOutput too whether the account works")
@click.option("--schema", is_flag=True, help="Print the JSON schema of the file instead")
def command(
    *,
    file: Path | None,
    web_config_file: Path | None,
    online: bool,
    schema: bool,
    **options: object,
) -> None:
    """Say everything that is wrong with a configuration, or with a web configuration alone.

    \b
    Example:
        aps-exporter check config.json --online
    """
    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
        return
    if web_config_file:
        load_web_config(web_config_file)
        click.echo("The web configuration is fine.")
        if not (file or options["config"] or options["host"]):
            return
    options["config"] = file or options["config"]
    configuration = make_configuration(options)
    click.echo(f"The configuration is fine; {_what(configuration)}.")
    if not online:
        return
    if configuration.single:
        ecus = [make_settings({**options, "pvoutput.publish": True})]
    else:
        ecus = [ecu for ecu in configuration.ecus if ecu.pvoutput.publish]
    for ecu in ecus:
        for line in check_online(ecu):
            click.echo(line if configuration.single else f"{ecu.name}: {line}")


def _what(configuration: Configuration) -> str:
    if configuration.single:
        return f"the ECU is {configuration.ecus[0].host}"
    publish = sum(ecu.pvoutput.publish for ecu in configuration.ecus)
    return f"it lists {len(configuration.ecus)} ECUs, of which {publish} go to PVOutput"
