"""What a poll brought → the samples of each metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, get_args

from aps_exporter.errors import EcuStatus
from aps_exporter.model import EcuInfo
from aps_exporter.summary import Panel, Summary

__all__ = [
    "Poll",
    "Sample",
    "ecu_info",
    "glitches",
    "grid_frequency",
    "grid_voltage",
    "home",
    "inverter_online",
    "joules",
    "last_report",
    "page_up",
    "panel_info",
    "panels",
    "signal",
    "status",
    "temperature",
    "unreadable_cells",
    "value",
]

_JOULES_PER_WH: Final = 3600.0

Sample = tuple[tuple[str, ...], float | None]
"""Label values in the family's order, and the value; one of ``None`` is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """How one poll ended, and what it brought."""

    status: EcuStatus
    duration_s: float
    summary: Summary | None = None
    """``None`` when the poll failed."""


def value(get: Callable[[Summary], float | None]) -> Callable[[Poll], Iterable[Sample]]:
    """Sample one number of the summary, without labels."""
    return lambda poll: [((), get(poll.summary))] if poll.summary else []


def home(get: Callable[[EcuInfo], float | None]) -> Callable[[Poll], Iterable[Sample]]:
    """Sample one number of the home page, without labels."""
    return lambda poll: (
        [((), get(poll.summary.reading.ecu))] if poll.summary and poll.summary.reading.ecu else []
    )


def panels(get: Callable[[Panel], float | None]) -> Callable[[Poll], Iterable[Sample]]:
    """Sample one number of every panel of the roster."""
    return lambda poll: (
        [((p.inverter, p.channel), get(p)) for p in poll.summary.panels] if poll.summary else []
    )


def panel_info(poll: Poll) -> Iterator[Sample]:
    """Give what the owner calls each panel of the roster."""
    for panel in poll.summary.panels if poll.summary else ():
        yield (panel.inverter, panel.channel, panel.name, panel.group), 1


def inverter_online(poll: Poll) -> Iterator[Sample]:
    """Say of every inverter of the roster whether it is online."""
    for serial, inverter in poll.summary.inverters.items() if poll.summary else ():
        yield (serial,), inverter is not None and inverter.online


def grid_voltage(poll: Poll) -> Iterator[Sample]:
    """Sample each line of the inverters that are online."""
    for inverter in poll.summary.reading.inverters if poll.summary else ():
        for line in inverter.grid_voltages if inverter.online else ():
            yield (inverter.serial, line.phase), line.voltage_v


def grid_frequency(poll: Poll) -> Iterator[Sample]:
    """Sample the inverters that are online."""
    for inverter in poll.summary.reading.inverters if poll.summary else ():
        yield (inverter.serial,), inverter.grid_frequency_hz if inverter.online else None


def temperature(poll: Poll) -> Iterator[Sample]:
    """Sample the inverters that are online."""
    for inverter in poll.summary.reading.inverters if poll.summary else ():
        yield (inverter.serial,), inverter.temperature_c if inverter.online else None


def signal(poll: Poll) -> Iterator[Sample]:
    """Sample the inverters that are online; the ECU keeps old signals of the others."""
    for inverter in poll.summary.reading.inverters if poll.summary else ():
        yield (inverter.serial,), inverter.signal_ratio if inverter.online else None


def last_report(poll: Poll) -> Iterator[Sample]:
    """Sample every inverter of the reading, if the ECU's zone is known."""
    reading = poll.summary.reading if poll.summary else None
    for inverter in reading.inverters if reading else ():
        moment = reading.utc(inverter.reported_at) if reading and inverter.reported_at else None
        yield (inverter.serial,), moment.timestamp() if moment else None


def page_up(poll: Poll) -> Iterator[Sample]:
    """Say of both pages whether this reading has them."""
    reading = poll.summary.reading if poll.summary else None
    by_page = reading is not None and reading.interface != "tcp"
    yield ("table",), by_page
    yield ("home",), by_page and reading is not None and reading.ecu is not None


def status(poll: Poll) -> Iterator[Sample]:
    """Sample every status there is."""
    for status in get_args(EcuStatus):
        yield (status,), status == poll.status


def ecu_info(poll: Poll) -> Iterator[Sample]:
    """Give what the ECU says of itself, if it did."""
    reading = poll.summary.reading if poll.summary else None
    if reading and reading.ecu:
        ecu = reading.ecu
        yield (ecu.ecu_id or "", ecu.firmware or "", ecu.timezone or "", reading.interface), 1


def glitches(poll: Poll) -> Iterator[Sample]:
    """Sample every kind of glitch there is."""
    for kind, count in poll.summary.reading.glitches.items() if poll.summary else ():
        yield (kind,), count


def unreadable_cells(poll: Poll) -> Iterator[Sample]:
    """Count those of both pages."""
    if poll.summary:
        reading = poll.summary.reading
        yield (), len(reading.unreadable) + len(reading.ecu.unreadable if reading.ecu else ())


def joules(energy_wh: float | None) -> float | None:
    """Convert watt-hours."""
    return None if energy_wh is None else energy_wh * _JOULES_PER_WH
