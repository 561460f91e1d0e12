"""The dashboards' files: made by the builder, laid out well, and true to the tables of metrics."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest

from aps_exporter.errors import EcuStatus
from aps_exporter.metrics.exporter import ExporterCollector, Figures, process_collector
from aps_exporter.metrics.families import FAMILIES
from aps_exporter.metrics.pvoutput import PVOUTPUT_FAMILIES
from aps_exporter.metrics.sun import SUN_FAMILIES
from grafana.ask import Json, Panel, items, mapping, panels
from grafana.boards.promql import STATUSES
from grafana.build import DASHBOARDS, FOLDER, render

ROOT = Path(__file__).parents[2]
BOARDS = [mapping(json.loads(path.read_text(encoding="utf-8"))) for path in FOLDER.glob("*.json")]
PANELS = [
    pytest.param(panel, id=f"{board['uid']}-{panel.id}")
    for board in BOARDS
    for panel in panels(board)
    if panel.kind != "row"
]
CORE = {"stat", "timeseries", "state-timeline", "status-history", "bargauge", "table", "row"}
WORDS = re.compile(
    r"(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)"  # labels
    r'|\{[^}]*\}|\[[^]]*\]|"[^"]*"'  # matchers, ranges, texts
    r"|offset\s+\w+|\b(?:and|or|unless|bool)\b"
    r"|\b[a-z_]+(?=\s*\()"  # functions
    r"|\b(?:sum|max|min|avg|count|quantile)\b"  # aggregations before their labels
)
PROMETHEUS_OWN = {"up", "scrape_duration_seconds", "ALERTS"}


def known_names() -> set[str]:
    """Collect the names of all series that there are."""
    names = {row.name for row in FAMILIES}
    names |= {row.name for row in PVOUTPUT_FAMILIES} | {row.name for row in SUN_FAMILIES}
    for collector in (ExporterCollector(figures=Figures), process_collector()):
        names |= {sample.name for family in collector.collect() for sample in family.samples}
    for path in (ROOT / "prometheus" / "rules").glob("*.yaml"):
        names |= set(re.findall(r"record: (\S+)", path.read_text(encoding="utf-8")))
    return names | PROMETHEUS_OWN


def used_names(expr: str) -> set[str]:
    """Find the names of series in a query."""
    return set(re.findall(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*", WORDS.sub(" ", expr)))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_file_is_what_the_builder_makes(name: str) -> None:
    """A dashboard's file is what `python -m grafana.build` writes, to the byte."""
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")

    assert text == render(name)


def test_every_file_has_its_builder() -> None:
    """The folder holds the builder's dashboards and nothing else."""
    assert {path.stem for path in FOLDER.iterdir()} == set(DASHBOARDS)


def test_addresses_are_stable() -> None:
    """People's bookmarks and links keep working: the uids are these."""
    assert {board["uid"] for board in BOARDS} == {"aps-roof", "aps-fleet", "aps-exporter"}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board["uid"]))
def test_grid_has_no_overlaps(board: dict[str, Json]) -> None:
    """No two panels cover the same cell, and none sticks out of the 24 columns."""
    placed = list(panels(board))
    overlapping = [
        (one.title, two.title)
        for one, two in combinations(placed, 2)
        if one.x < two.x + two.width
        and two.x < one.x + one.width
        and one.y < two.y + two.height
        and two.y < one.y + one.height
    ]

    assert overlapping == []
    assert all(panel.x >= 0 and panel.x + panel.width <= 24 for panel in placed)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board["uid"]))
def test_grid_has_no_holes(board: dict[str, Json]) -> None:
    """Each line of panels fills the page's width."""
    cells = sum(panel.width * panel.height for panel in panels(board))
    height = max(panel.y + panel.height for panel in panels(board))

    assert cells == 24 * height


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board["uid"]))
def test_ids_are_unique(board: dict[str, Json]) -> None:
    """A panel's id is its own."""
    ids = [panel.id for panel in panels(board)]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("panel", PANELS)
def test_panel_explains_itself(panel: Panel) -> None:
    """A panel has a title, a description in sentences, and a unit."""
    unit = mapping(mapping(panel.raw["fieldConfig"])["defaults"]).get("unit")

    assert panel.title
    assert panel.description.endswith(".")
    assert unit


@pytest.mark.parametrize("panel", PANELS)
def test_panel_needs_nothing_special(panel: Panel) -> None:
    """A panel is one of Grafana's own kinds, and asks the data source of the variable."""
    assert panel.kind in CORE
    assert mapping(panel.raw["datasource"]) == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("panel", PANELS)
def test_metrics_exist(panel: Panel) -> None:
    """A panel asks for nothing but metrics of our tables, recorded ones, and Prometheus's own."""
    used = {name for query in panel.queries for name in used_names(query.expr)}

    assert used - known_names() == set()


def test_names_are_found_in_queries() -> None:
    """The search for names sees those between functions, labels and ranges."""
    expr = 'sum by (a) (rate(x_total{b="c"}[5m])) / on (d) group_left (e) y offset 1d or vector(1)'

    assert used_names(expr) == {"x_total", "y"}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board["uid"]))
def test_variables(board: dict[str, Json]) -> None:
    """A dashboard lets people choose the data source and the target."""
    variables = {
        str(mapping(each)["name"]): mapping(each)
        for each in items(mapping(board["templating"])["list"])
    }

    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["instance"]["type"] == "query"


def test_statuses_are_all_told() -> None:
    """Each status of an ECU has its words and colour."""
    assert list(STATUSES) == list(get_args(EcuStatus))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board["uid"]))
def test_colours_suit_light_and_dark(board: dict[str, Json]) -> None:
    """Colours are Grafana's names, which each theme knows, and no fixed black or white."""
    fixed = re.findall(r'"(?:color|fixedColor)": "([^"]*)"', json.dumps(board))

    assert fixed
    assert all(re.fullmatch(r"[a-z-]+", name) for name in fixed)


def test_provisioning_finds_the_dashboards() -> None:
    """The folder that Grafana is told to read is where the compose file puts the dashboards."""
    provider = (ROOT / "grafana/provisioning/dashboards/aps-exporter.yaml").read_text("utf-8")
    compose = (ROOT / "deploy/compose.yaml").read_text("utf-8")

    assert "path: /var/lib/grafana/dashboards\n" in provider
    assert "../grafana/dashboards:/var/lib/grafana/dashboards:ro" in compose
    assert "../grafana/provisioning:/etc/grafana/provisioning:ro" in compose
