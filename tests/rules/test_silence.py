"""Whole simulated days, scraped by our exporter, through all rules: what fires is what has to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from aps_exporter.simulator.settings import SimulatorSettings
from tests.rules.promtool import Promtool, Scrapes
from tests.rules.simulated_days import Days, Incident

ROOF = SimulatorSettings(inverters=3, kinds=("yc600",))
"""One inverter on the east, south and west each: none has a sibling that sees the same sun."""


def misses(at: str) -> Incident:
    """Have Prometheus miss a scrape."""
    return Incident(at=at, do=Days.miss)


def restarts(at: str) -> Incident:
    """Restart the exporter."""
    return Incident(at=at, do=Days.restart_exporter)


def on(at: str, *faults: str) -> Incident:
    """Switch faults on."""
    return Incident(at=at, do=lambda days: days.switch_on(*faults))


def off(at: str, *faults: str) -> Incident:
    """Switch faults off."""
    return Incident(at=at, do=lambda days: days.switch_off(*faults))


ECU_RESTART = (
    on("1 12:00", "empty-table"),
    off("1 12:10", "empty-table"),
    on("1 12:10", "inverter-never-contacted=408000090001", "inverter-silent=408000090003"),
    off("1 12:25", "inverter-never-contacted", "inverter-silent"),
)
TROUBLED_SCRAPES = (
    misses("1 07:30"),
    restarts("1 03:00"),
    misses("1 11:00"),
    restarts("1 13:00"),
    misses("1 21:00"),
    restarts("1 21:30"),
)

QUIET = {
    "summer": Days(first="2026-06-20", settings=ROOF, with_sun=True),
    "spring-forward": Days(first="2026-03-29", settings=ROOF, with_sun=True),
    "fall-back": Days(first="2026-10-25", settings=ROOF, with_sun=True),
    "troubled": Days(
        first="2026-06-20",
        settings=ROOF,
        with_sun=True,
        incidents=(*TROUBLED_SCRAPES, *ECU_RESTART),
    ),
    "clouds-cgi": Days(
        first="2026-05-12", settings=replace(ROOF, seed=7, family="cgi"), with_sun=True
    ),
    "winter-three-phase": Days(
        first="2026-12-20",
        settings=SimulatorSettings(family="php-3phase", inverters=2),
        with_sun=True,
    ),
}
"""A day each, on which nothing is wrong with the roof."""

PLACELESS = {
    "troubled-fall-back": Days(
        first="2026-10-24", days=2, settings=ROOF, incidents=(*TROUBLED_SCRAPES, *ECU_RESTART)
    ),
    # What has to fire, so that silence means something: these exporters know no place either.
    "breaker-falls": Days(
        first="2026-06-20",
        days=2,
        settings=ROOF,
        incidents=(on("2 11:00", "inverter-silent=all"), off("2 16:00", "inverter-silent")),
    ),
    "inverter-dies": Days(
        first="2026-06-20",
        days=2,
        settings=ROOF,
        incidents=(
            on("1 15:00", "inverter-silent=408000090002"),
            off("2 12:00", "inverter-silent"),
        ),
    ),
}
"""Two days each; without a place the day before tells day from night."""


def lived(roofs: Mapping[str, Days]) -> list[Scrapes]:
    """Live through the days of all roofs, which are one Prometheus's targets."""
    return [days.scrapes(instance) for instance, days in roofs.items()]


def test_quiet_days_are_silent(promtool: Promtool, tmp_path: Path) -> None:
    """No alert fires from midnight to midnight on any roof where nothing is wrong."""
    assert promtool.fired(lived(QUIET), tmp_path) == {}


def test_only_troubles_ring_without_a_known_place(promtool: Promtool, tmp_path: Path) -> None:
    """Without a known place the same holds, and a dead roof or inverter still rings once."""
    assert promtool.fired(lived(PLACELESS), tmp_path) == {
        ("breaker-falls", "ApsRoofDark"): 1,
        ("inverter-dies", "ApsInverterMissing"): 1,
    }
