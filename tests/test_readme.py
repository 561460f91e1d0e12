"""The README says what the code does: its tables are made from the code's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from starlette.routing import Route

from aps_exporter.cli import aps_exporter
from aps_exporter.config import PVOutputSettings, Settings
from aps_exporter.config_entries import FLEET_KEYS
from aps_exporter.deadline import Deadline
from aps_exporter.metrics import interfaces
from aps_exporter.metrics.exporter import EXPORTER_FAMILIES, ExporterCollector, Figures
from aps_exporter.metrics.families import FAMILIES
from aps_exporter.metrics.pvoutput import PVOUTPUT_FAMILIES
from aps_exporter.metrics.sun import SUN_FAMILIES
from aps_exporter.model import Reading
from aps_exporter.station import Station
from aps_exporter.summary import Roster
from aps_exporter.web.app import Wiring, create_app
from tests.web.conftest import fleet_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONTEXT = click.Context(aps_exporter)
COMMANDS = [aps_exporter.get_command(CONTEXT, name) for name in aps_exporter.list_commands(CONTEXT)]


def unread(_deadline: Deadline) -> Reading:
    """Stand in for an ECU that nobody asks."""
    raise AssertionError


def section(heading: str) -> str:
    """Give the text below a heading, up to the next one of its level."""
    match = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE
    )
    assert match, f"the README has no section {heading!r}"
    return match[1]


def first_column(heading: str) -> list[str]:
    """Give the code in the first cells of a section's tables."""
    return re.findall(r"^\| `([^`]+)`", section(heading), re.MULTILINE)


def metric_rows() -> Iterator[str]:
    """Make the table of metrics."""
    for family in FAMILIES:
        labels = ", ".join(family.labels) or "–"
        yield f"| `{family.name}` | {family.kind} | {labels} | {family.help} |"


def test_metrics_table_is_the_codes_table() -> None:
    """Each metric has its row, in the code's order and words."""
    rows = [row for row in section("Metrics").splitlines() if row.startswith("| `aps_")]
    expected = list(metric_rows())

    assert rows[: len(expected)] == expected


def test_exporters_own_metrics_are_listed() -> None:
    """The exporter's own families are in the README too."""
    own = [
        f"{f.name}_total" if f.type == "counter" else f.name
        for f in ExporterCollector(figures=Figures).describe()
    ]

    assert set(own) <= set(first_column("Metrics"))
    for family in EXPORTER_FAMILIES:
        assert f"| `{family.name}` | {family.kind} | – | {family.help} |" in section("Metrics")


def test_interfaces_metric_is_listed() -> None:
    """What tells which interface answers is in the README too."""
    labels = ", ".join(interfaces.LABELS)

    assert f"| `{interfaces.NAME}` | gauge | {labels} | {interfaces.HELP} |" in section("Metrics")


def test_suns_metrics_are_listed() -> None:
    """What tells the sun's height is in the README too."""
    for family in SUN_FAMILIES:
        assert f"| `{family.name}` | gauge | – | {family.help} |" in section("Metrics")


def test_forwarders_metrics_are_in_its_own_document() -> None:
    """The document on PVOutput has the table of the forwarder's metrics, in its order and words."""
    text = (ROOT / "docs" / "pvoutput.md").read_text()
    rows = [row for row in text.splitlines() if row.startswith("| `aps_pvoutput_")]

    assert rows == [
        f"| `{family.name}` | {family.kind} | {', '.join(family.labels) or '–'} | {family.help} |"
        for family in PVOUTPUT_FAMILIES
    ]


def test_every_command_is_listed() -> None:
    """The table of commands has all commands, in the order of --help."""
    assert first_column("Commands") == aps_exporter.list_commands(CONTEXT)


@pytest.mark.parametrize("command", COMMANDS, ids=repr)
def test_every_command_has_help_with_an_example(command: click.Command) -> None:
    """A command's help says what it does, and shows how."""
    assert command.help
    assert "Example:" in command.help


def test_every_configuration_key_is_listed() -> None:
    """The table of keys has each key of the settings, and no other."""
    keys = [*Settings.model_fields, *(f"pvoutput.{key}" for key in PVOutputSettings.model_fields)]
    keys += FLEET_KEYS

    assert sorted(first_column("Configuration")) == sorted(set(keys) - {"pvoutput"})


def test_every_route_is_listed() -> None:
    """The table of routes has each path that is served."""
    station = Station(settings=Settings(host="127.0.0.1"), poll=unread, hold=Roster().summarize)
    app = create_app(Wiring(fleet=fleet_of(station)))

    assert first_column("HTTP") == [route.path for route in app.routes if isinstance(route, Route)]


def test_every_dependency_is_listed_with_its_reason() -> None:
    """A run-time dependency has a row that says why it is there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [re.split(r"[<>=~!;\[ ]", entry)[0] for entry in project["dependencies"]]

    assert sorted(first_column("Dependencies")) == sorted(needed)
