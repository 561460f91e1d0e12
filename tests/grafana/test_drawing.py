"""The pages that stand in for Grafana: each panel drawn with real answers, and said alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from grafana.ask import Panel, Range, Series, load, panels
from grafana.build import DASHBOARDS, FOLDER
from grafana.drawing.page import Page, height_of
from grafana.drawing.style import DARK, LIGHT, Look, blend, look

Answers = Callable[[Panel, str, datetime], list[Series]]

MIDNIGHT = datetime(2026, 6, 19, 22, 0, tzinfo=UTC)
LAST = datetime(2026, 6, 20, 13, 0, tzinfo=UTC)
TARGETS = {"roof": "home", "fleet": ".+", "exporter": "home"}


def drawn(answers: Answers, board: str) -> str:
    """Write a dashboard's page."""
    page = Page(
        title=board,
        chosen={"ECU": TARGETS[board]},
        shown=Range(start=MIDNIGHT, end=LAST),
        zone=ZoneInfo("Europe/Amsterdam"),
        theme=DARK,
    )
    found = panels(load(FOLDER / f"{board}.json"))
    return page.write([(panel, answers(panel, TARGETS[board], LAST)) for panel in found])


@pytest.mark.parametrize("board", DASHBOARDS)
def test_every_panel_is_drawn(answers: Answers, board: str) -> None:
    """Each panel has its title and something in it, and none says that it has no data."""
    page = drawn(answers, board)
    titles = [panel.title for panel in panels(load(FOLDER / f"{board}.json"))]

    assert all(title in page for title in titles)
    assert "No data" not in page
    assert "—" not in re.sub(r"<style>.*?</style>", "", page)


def test_fleet_table_is_sorted(answers: Answers) -> None:
    """The ECU in the worst trouble is the first row, with the words of its status."""
    page = drawn(answers, "fleet")
    rows = re.findall(r"<tr><td.*?</tr>", page)

    assert [re.findall(r"<td[^>]*>([^<]*)</td>", row)[:3] for row in rows] == [
        ["barn", "100", "page gone"],
        ["home", "17", "answers"],
    ]


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("watt", 945.0, "945 W"),
        ("watt", 1056.0, "1.06 kW"),
        ("watt", 0.0, "0 W"),
        ("kwatth", 26.24, "26.2 kWh"),
        ("s", 217.0, "3.62 mins"),
        ("s", -7200.0, "-2 hours"),
        ("s", 0.09, "90 ms"),
        ("bytes", 41_500_000.0, "39.6 MiB"),
        ("percentunit", 0.715, "71.5%"),
        ("celsius", 32.0, "32 °C"),
    ],
)
def test_values_are_said_as_grafana_says_them(unit: str, value: float, text: str) -> None:
    """A value has three figures and the multiple of its unit that suits it."""
    assert Look(settings={"unit": unit}, custom={}).text(value) == text


def test_overrides_match_names_and_patterns() -> None:
    """A field takes the panel's defaults, and what is said for its name or a pattern."""
    raw = next(panels(load(FOLDER / "roof.json"))).raw | {
        "fieldConfig": {
            "defaults": {"unit": "volt", "custom": {"lineWidth": 2}},
            "overrides": [
                {
                    "matcher": {"id": "byRegexp", "options": ".* limit"},
                    "properties": [{"id": "custom.lineWidth", "value": 1}],
                },
                {
                    "matcher": {"id": "byName", "options": "mean"},
                    "properties": [{"id": "unit", "value": "hertz"}],
                },
            ],
        }
    }

    assert look(raw, "upper limit").custom["lineWidth"] == 1
    assert look(raw, "mean").custom["lineWidth"] == 2
    assert look(raw, "mean").settings["unit"] == "hertz"


def test_scheme_goes_from_end_to_end() -> None:
    """A scheme's first and last colours belong to the lowest and highest values, and beyond."""
    assert blend("continuous-BlYlRd", -1) == "#1f60c4"
    assert blend("continuous-BlYlRd", 0.5) == "#fff899"
    assert blend("continuous-BlYlRd", 2) == "#c4162a"


def test_page_is_as_high_as_its_lowest_panel() -> None:
    """The picture has room for every panel."""
    found = list(panels(load(FOLDER / "roof.json")))

    assert height_of(found) > max(panel.y + panel.height for panel in found) * 38


def test_themes_differ() -> None:
    """Light and dark pages have different papers and inks."""
    assert DARK.page != LIGHT.page
    assert DARK.text != LIGHT.text
