"""Fire drills: faults that come and go by a timetable, so that an alert rings and resolves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["DRILLS", "Drill", "Place", "Roof", "Step", "by_day", "run_drill", "steps"]


class Roof(Protocol):
    """What a drill needs of a `Simulator`."""

    def panel_groups(self) -> Mapping[str, str]:
        """Map each panel's id to the side of the roof it lies on."""
        ...

    def switch_on(self, text: str) -> None:
        """Switch a fault on."""
        ...

    def switch_off(self, text: str) -> None:
        """Switch a fault off."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One fault that is on for a while."""

    name: str
    help: str
    fault: str
    """As in `parse_fault`; ``{inverter}`` and ``{panel}`` stand for some on the roof."""
    alert: str
    """The alert that the rules in ``prometheus/rules`` raise for it."""
    after_min: float = 20
    """Minutes of peace first, in which the rules see that it is day."""
    lasts_min: float = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something to do, so many minutes after the drill began."""

    at_min: float
    on: bool
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a roof stands, as settings of the simulator."""

    timezone: str
    latitude: float
    longitude: float


DRILLS: dict[str, Drill] = {
    drill.name: drill
    for drill in (
        Drill(
            name="inverter-missing",
            help="an inverter falls silent while the others produce",
            fault="inverter-silent={inverter}",
            alert="ApsInverterMissing",
        ),
        Drill(
            name="panel-dead",
            help="a panel makes nothing while its neighbours on the inverter produce",
            fault="channel-dead={panel}",
            alert="ApsPanelDead",
            lasts_min=60,
        ),
        Drill(
            name="ecu-unreachable",
            help="the ECU refuses connections",
            fault="refuse",
            alert="ApsEcuUnreachable",
            lasts_min=75,
        ),
        Drill(
            name="page-gone",
            help="a firmware update has removed the local pages",
            fault="page-gone=404",
            alert="ApsEcuPageGone",
        ),
        Drill(
            name="data-stale",
            help="the ECU stops asking its inverters and repeats old rows",
            fault="stale-sweep",
            alert="ApsEcuDataStale",
            lasts_min=90,
        ),
        Drill(
            name="over-voltage",
            help="the grid stands above its limit",
            fault="over-voltage=A",
            alert="ApsGridVoltageHigh",
        ),
        Drill(
            name="hot-inverter",
            help="an inverter is far too hot",
            fault="hot-inverter={inverter}",
            alert="ApsInverterOverheated",
        ),
    )
}


def steps(drill: Drill, panels: Mapping[str, str]) -> tuple[Step, Step]:
    """Write a drill's timetable for a roof with these panels."""
    panel = max(panels)
    fault = drill.fault.format(inverter=panel.rpartition("-")[0], panel=panel)
    return (
        Step(at_min=drill.after_min, on=True, fault=fault),
        Step(at_min=drill.after_min + drill.lasts_min, on=False, fault=fault),
    )


def run_drill(
    roof: Roof, drill: Drill, wait: Callable[[float], bool], tell: Callable[[str], None]
) -> None:
    """Run a drill from a thread of its own, and tell each step as a line.

    `wait` waits for so many seconds of real time, which is the time that alert rules know, and says
    whether to give up: `threading.Event.wait` of an event that is set at the end.
    """
    passed_min = 0.0
    for step in steps(drill, roof.panel_groups()):
        word = "on" if step.on else "off"
        tell(f"{step.fault} goes {word} in {step.at_min - passed_min:g} minutes")
        if wait((step.at_min - passed_min) * 60):
            return
        passed_min = step.at_min
        (roof.switch_on if step.on else roof.switch_off)(step.fault)
        tell(
            f"{step.fault} is {word}: {drill.alert} should {'ring' if step.on else 'resolve'} soon"
        )


def by_day(now: datetime) -> Place:
    """Find a place on the equator where it is noon at an aware `now`, with an honest clock.

    A drill needs daylight and rows whose time is right, at whatever hour it is held.
    """
    hour = now.astimezone(UTC).hour + now.astimezone(UTC).minute / 60
    offset = round(12 - hour)
    return Place(
        # POSIX has it that zones east of Greenwich are negative.
        timezone=f"Etc/GMT{-offset:+d}" if offset else "Etc/GMT",
        latitude=0.0,
        longitude=15.0 * offset,
    )
