"""What a real Prometheus answers to the dashboards' queries, over a simulated day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from grafana.ask import Panel, Query, Series, load, panels
from grafana.build import DASHBOARDS, FOLDER

Answers = Callable[[Panel, str, datetime], list[Series]]

AFTERNOON = datetime(2026, 6, 20, 11, 30, tzinfo=UTC)
LAST = datetime(2026, 6, 20, 13, 0, tzinfo=UTC)
NIGHT = datetime(2026, 6, 20, 0, 0, tzinfo=UTC)
TARGETS = {"roof": "home", "fleet": ".+", "exporter": "home"}
QUERIES = [
    pytest.param(name, panel, query, id=f"{name}-{panel.id}{query.ref}")
    for name in DASHBOARDS
    for panel in panels(load(FOLDER / f"{name}.json"))
    for query in panel.queries
]


def panel_of(board: str, title: str) -> Panel:
    """Find a panel by its dashboard and title."""
    found = panels(load(FOLDER / f"{board}.json"))
    return next(panel for panel in found if panel.title == title)


def last(series: list[Series], ref: str = "A") -> dict[str, float]:
    """Map names, or instances where a table has no names, to the last values of a query."""
    return {
        each.name or each.labels["instance"]: each.points[-1][1]
        for each in series
        if each.ref == ref
    }


@pytest.mark.parametrize(("board", "panel", "query"), QUERIES)
def test_query_is_answered(answers: Answers, board: str, panel: Panel, query: Query) -> None:
    """Prometheus understands the query and has values, each with a whole name."""
    series = answers(replace(panel, queries=(query,)), TARGETS[board], AFTERNOON)

    assert series
    assert all(each.points for each in series)
    assert not any("{{" in each.name for each in series)


def test_missing_are_named(answers: Answers) -> None:
    """The Roof names the panels of the inverter that fell silent, and since when."""
    rows = answers(panel_of("roof", "Missing panels"), "home", AFTERNOON)

    assert {row.labels["name"] for row in rows} == {"South 03", "South 04"}
    assert {row.labels["inverter"] for row in rows} == {"408000090005"}
    assert {row.points[0][1] for row in rows} == {95 * 60}


@pytest.mark.parametrize("title", ["Missing panels", "Power now"])
def test_nobody_is_missing_at_night(answers: Answers, title: str) -> None:
    """At night no panel is called missing, and there is no power, not even 0."""
    series = answers(panel_of("roof", title), "home", NIGHT)

    assert series == []


def test_availability_knows_day_from_night(answers: Answers) -> None:
    """The strip has no red at dusk, at night and at dawn, and red where an inverter is missed."""
    strips = answers(panel_of("roof", "Inverters reporting"), "home", LAST)
    silent = {each.name for each in strips if any(value == 0 for _, value in each.points)}
    first = min(at for each in strips for at, _ in each.points)

    assert silent == {"408000090005"}
    assert first > NIGHT.timestamp()


def test_weak_panels_lead_the_ranking(answers: Answers) -> None:
    """The panel with half its power is the weakest, and sound ones are near the median."""
    ranking = answers(panel_of("roof", "Weakest panels against their group"), "home", AFTERNOON)
    shares = last(ranking)

    assert list(shares.values()) == sorted(shares.values())
    assert ranking[0].name == "East 01"
    assert shares["East 01"] == pytest.approx(0.5, abs=0.1)
    assert [shares[f"East 0{number}"] for number in (2, 3, 4)] == pytest.approx([1] * 3, abs=0.1)


def test_estimate_stands_above_the_sum(answers: Answers) -> None:
    """With two of twelve panels missing, the estimate is the sum times twelve tenths."""
    power = last(answers(panel_of("roof", "Power now"), "home", AFTERNOON))["measured"]
    estimate = last(answers(panel_of("roof", "Estimated with all panels"), "home", AFTERNOON))

    assert estimate["estimated"] == pytest.approx(power * 1.2, abs=1)


def test_energy_is_in_kwh(answers: Answers) -> None:
    """Today's energy is what the power curve encloses, in kWh."""
    curve = answers(panel_of("roof", "Power"), "home", AFTERNOON)
    measured = next(each for each in curve if each.name == "measured")
    step_h = (measured.points[1][0] - measured.points[0][0]) / 3600
    enclosed_kwh = sum(value for _, value in measured.points) * step_h / 1000
    today = last(answers(panel_of("roof", "Energy today"), "home", AFTERNOON))["today"]

    assert today == pytest.approx(enclosed_kwh, rel=0.05)


def test_limits_without_rules_are_those_of_en_50160(answers: Answers) -> None:
    """Where no rules are loaded, the limit lines of the grid voltage stand at 253 V and 207 V."""
    series = answers(panel_of("roof", "Grid voltage"), "home", AFTERNOON)

    assert last(series, "D") == {"upper limit": 253}
    assert last(series, "E") == {"lower limit": 207}


def test_worst_ecu_leads_the_fleet(answers: Answers) -> None:
    """An ECU that doesn't answer is 100 in trouble, one of six inverters missing a sixth of it."""
    table = panel_of("fleet", "ECUs, worst first")

    assert last(answers(table, ".+", AFTERNOON)) == pytest.approx({"home": 100 / 6, "barn": 0})
    assert last(answers(table, ".+", LAST)) == pytest.approx({"home": 100 / 6, "barn": 100})


def test_fleet_is_calm_at_night(answers: Answers) -> None:
    """At night no ECU is in trouble for its sleeping inverters, and nobody is counted as silent."""
    trouble = last(answers(panel_of("fleet", "ECUs, worst first"), ".+", NIGHT))
    silent = answers(panel_of("fleet", "Silent by day"), ".+", NIGHT)

    assert trouble == {"home": 0, "barn": 0}
    assert silent == []


def test_status_has_its_own_number(answers: Answers) -> None:
    """The tile of the ECU shows the number that is mapped to the words of its status."""
    tile = panel_of("roof", "ECU")

    assert last(answers(tile, "barn", AFTERNOON)) == {"status": 0}
    assert last(answers(tile, "barn", LAST)) == {"status": 4}
