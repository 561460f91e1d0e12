"""Fire drills: the timetable of faults, and the place where they make sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aps_exporter.simulator.drills import DRILLS, Drill, by_day, run_drill, steps
from aps_exporter.simulator.faults import parse_fault
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings

DRILL = DRILLS["inverter-missing"]


@pytest.mark.parametrize("drill", DRILLS.values(), ids=lambda drill: drill.name)
def test_each_drill_is_a_fault_that_the_roof_can_have(drill: Drill) -> None:
    """Every drill's fault can be switched on at every kind of roof."""
    for family in ("cgi", "php", "php-dc", "php-3phase"):
        with Simulator(SimulatorSettings(family=family)) as roof:
            on, off = steps(drill, roof.panel_groups())
            roof.switch_on(on.fault)

            assert roof.state()["faults"] == [str(parse_fault(on.fault))]

            roof.switch_off(off.fault)

            assert roof.state()["faults"] == []


def test_drill_keeps_its_timetable() -> None:
    """The fault comes after the peace, goes at the end, and each step is told."""
    waited: list[float] = []
    told: list[str] = []
    seen: list[object] = []
    with Simulator(SimulatorSettings()) as roof:

        def wait(seconds: float) -> bool:
            waited.append(seconds)
            seen.append(roof.state()["faults"])
            return False

        run_drill(roof, DRILL, wait, told.append)
        seen.append(roof.state()["faults"])

    assert waited == [20 * 60, 40 * 60]
    assert seen == [[], ["inverter-silent=801000090005"], []]
    assert told == [
        "inverter-silent=801000090005 goes on in 20 minutes",
        "inverter-silent=801000090005 is on: ApsInverterMissing should ring soon",
        "inverter-silent=801000090005 goes off in 40 minutes",
        "inverter-silent=801000090005 is off: ApsInverterMissing should resolve soon",
    ]


def test_drill_ends_when_nobody_waits_any_more() -> None:
    """A drill that is given up while it waits changes nothing more."""
    with Simulator(SimulatorSettings()) as roof:
        run_drill(roof, DRILL, lambda _seconds: True, lambda _line: None)

        assert roof.state()["faults"] == []


@pytest.mark.parametrize("hour", range(24))
def test_there_is_daylight_somewhere_at_any_hour(hour: int) -> None:
    """The place has its noon within an hour of now, and makes power."""
    now = datetime(2026, 6, 21, hour, 40, tzinfo=UTC)
    place = by_day(now)
    noon = now.astimezone(ZoneInfo(place.timezone)).replace(hour=12, minute=0)

    assert abs(now - noon) <= timedelta(hours=1)
    assert place.longitude == pytest.approx(
        15 * ZoneInfo(place.timezone).utcoffset(now.replace(tzinfo=None)).total_seconds() / 3600  # type: ignore[union-attr]  # fixed
    )
