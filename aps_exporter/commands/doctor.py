"""`aps-exporter doctor`: look at one ECU from all sides."""

from __future__ import annotations

from pathlib import Path

import click

from aps_exporter.assembly import utc_now
from aps_exporter.commands.options import ecu_options, log_option, make_settings, start_log
from aps_exporter.config import Settings
from aps_exporter.doctor.bundle import write_bundle
from aps_exporter.doctor.evidence import gather
from aps_exporter.doctor.findings import Findings, examine
from aps_exporter.doctor.report import report
from aps_exporter.doctor.visit import Visit
from aps_exporter.errors import ConfigError, EcuUnreachableError


@click.command("doctor")
@ecu_options
@click.option(
    "--bundle", type=click.Path(path_type=Path), help="Write all answers to a file, ids masked"
)
@log_option("error")
def command(*, bundle: Path | None, log_level: str, **options: object) -> None:
    """Say what an ECU is, what it says, what is odd about it, and what to do.

    Asks it over every interface, one question at a time; changes nothing.

    \b
    Example:
        aps-exporter doctor --host 192.168.1.102 --bundle bundle.json
    """
    start_log(log_level)
    findings = _examine(make_settings(options))
    click.echo(report(findings))
    if bundle:
        _write(bundle, write_bundle(findings))
    if not any(findings.evidence.answers(door) for door in ("web", "tcp")):
        raise EcuUnreachableError(f"nobody answers at {findings.evidence.host}")


def _examine(settings: Settings) -> Findings:
    """Ask the ECU everything, with the patience that the settings say for each question."""
    visit = Visit(settings.host, settings.tcp_port)
    evidence = gather(
        visit.ask,
        host=visit.host,
        tcp_port=visit.tcp_port,
        now=utc_now,
        patience_s=settings.timeout,
    )
    return examine(evidence)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: can't be written: {error.strerror}") from error
    click.echo(f"\nAll answers are in {file}; look through it before you publish it.", err=True)
