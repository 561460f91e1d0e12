"""THE table of the ECU's metrics: name, type, help, labels, and how to get the value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from aps_exporter.errors import EcuStatus
from aps_exporter.model import EcuInfo
from aps_exporter.summary import Panel, Summary

__all__ = ["FAMILIES", "Family", "Poll"]

JOULES_PER_WH = 3600.0

Sample = tuple[tuple[str, ...], float | None]
"""Label values in the family's order, and the value; one of ``None`` is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """How one poll ended, and what it brought."""

    status: EcuStatus
    duration_s: float
    summary: Summary | None = None
    """``None`` when the poll failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric: a row of the table."""

    name: str
    kind: Literal["gauge", "counter"] = "gauge"
    help: str
    labels: tuple[str, ...] = ()
    samples: Callable[[Poll], Iterable[Sample]]

    def empty(self) -> GaugeMetricFamily | CounterMetricFamily:
        """Make the family without samples, as `describe()` wants it."""
        if self.kind == "counter":
            return CounterMetricFamily(self.name, self.help, labels=self.labels)
        return GaugeMetricFamily(self.name, self.help, labels=self.labels)

    def fill(self, poll: Poll) -> Metric | None:
        """Make the family of one poll; ``None`` when it has no sample."""
        known = [(labels, value) for labels, value in self.samples(poll) if value is not None]
        if not known:
            return None
        family = self.empty()
        for labels, value in known:
            if len(labels) != len(self.labels):
                msg = f"{self.name} wants labels {self.labels}, got {labels}"
                raise ValueError(msg)
            family.add_metric(labels, value)
        return family


def _value(get: Callable[[Summary], float | None]) -> Callable[[Poll], Iterable[Sample]]:
    """Sample one number of the summary, without labels."""
    return lambda poll: [((), get(poll.summary))] if poll.summary else []


def _home(get: Callable[[EcuInfo], float | None]) -> Callable[[Poll], Iterable[Sample]]:
    """Sample one number of the home page, without labels."""
    return lambda poll: (
        [((), get(poll.summary.reading.ecu))] if poll.summary and poll.summary.reading.ecu else []
    )


def _panels(get: Callable[[Panel], float | None]) -> Callable[[Poll], Iterable[Sample]]:
    """Sample one number of every panel of the roster."""
    return lambda poll: (
        [((p.inverter, p.channel), get(p)) for p in poll.summary.panels] if poll.summary else []
    )


def _panel_info(poll: Poll) -> Iterator[Sample]:
    for panel in poll.summary.panels if poll.summary else ():
        yield (panel.inverter, panel.channel, panel.name, panel.group), 1


def _inverter_online(poll: Poll) -> Iterator[Sample]:
    for serial, inverter in poll.summary.inverters.items() if poll.summary else ():
        yield (serial,), inverter is not None and inverter.online


def _grid_voltage(poll: Poll) -> Iterator[Sample]:
    for inverter in poll.summary.reading.inverters if poll.summary else ():
        for line in inverter.grid_voltages if inverter.online else ():
            yield (inverter.serial, line.phase), line.voltage_v


def _grid_frequency(poll: Poll) -> Iterator[Sample]:
    for inverter in poll.summary.reading.inverters if poll.summary else ():
        yield (inverter.serial,), inverter.grid_frequency_hz if inverter.online else None


def _temperature(poll: Poll) -> Iterator[Sample]:
    for inverter in poll.summary.reading.inverters if poll.summary else ():
        yield (inverter.serial,), inverter.temperature_c if inverter.online else None


def _last_report(poll: Poll) -> Iterator[Sample]:
    reading = poll.summary.reading if poll.summary else None
    for inverter in reading.inverters if reading else ():
        moment = reading.utc(inverter.reported_at) if reading and inverter.reported_at else None
        yield (inverter.serial,), moment.timestamp() if moment else None


def _page_up(poll: Poll) -> Iterator[Sample]:
    reading = poll.summary.reading if poll.summary else None
    yield ("table",), reading is not None
    yield ("home",), reading is not None and reading.ecu is not None


def _status(poll: Poll) -> Iterator[Sample]:
    for status in get_args(EcuStatus):
        yield (status,), status == poll.status


def _ecu_info(poll: Poll) -> Iterator[Sample]:
    reading = poll.summary.reading if poll.summary else None
    if reading and reading.ecu:
        ecu = reading.ecu
        yield (ecu.ecu_id or "", ecu.firmware or "", ecu.timezone or "", reading.interface), 1


def _unreadable_cells(poll: Poll) -> Iterator[Sample]:
    if poll.summary:
        reading = poll.summary.reading
        yield (), len(reading.unreadable) + len(reading.ecu.unreadable if reading.ecu else ())


def _joules(energy_wh: float | None) -> float | None:
    return None if energy_wh is None else energy_wh * JOULES_PER_WH


PANEL = ("inverter", "channel")

FAMILIES: tuple[Family, ...] = (
    Family(
        name="aps_up",
        help="1 if the ECU answered with readings we understood, else 0.",
        samples=lambda poll: [((), poll.status in ("ok", "empty"))],
    ),
    Family(
        name="aps_ecu_status",
        help="1 for how this poll ended, 0 for the other ways.",
        labels=("status",),
        samples=_status,
    ),
    Family(
        name="aps_poll_duration_seconds",
        help="Time this poll of the ECU took.",
        samples=lambda poll: [((), poll.duration_s)],
    ),
    Family(
        name="aps_page_up",
        help="1 if this poll could read the page, else 0.",
        labels=("page",),
        samples=_page_up,
    ),
    Family(
        name="aps_page_unreadable_cells",
        help="Cells of this poll's pages that were not understood, and so have no value here.",
        samples=_unreadable_cells,
    ),
    Family(
        name="aps_panel_power_watts",
        help="DC power of an online panel (Current Power).",
        labels=PANEL,
        samples=_panels(lambda panel: panel.power_w),
    ),
    Family(
        name="aps_panel_dc_voltage_volts",
        help="DC voltage of an online panel (DC Voltage), on pages that have the column.",
        labels=PANEL,
        samples=_panels(lambda panel: panel.dc_voltage_v),
    ),
    Family(
        name="aps_panel_online",
        help="1 if the panel reported a power in this reading, 0 if it is missing.",
        labels=PANEL,
        samples=_panels(lambda panel: panel.online),
    ),
    Family(
        name="aps_panel_info",
        help="Name and group of a panel from the configuration; the value is always 1.",
        labels=(*PANEL, "name", "group"),
        samples=_panel_info,
    ),
    Family(
        name="aps_inverter_online",
        help="1 if the inverter reported in this reading, else 0.",
        labels=("inverter",),
        samples=_inverter_online,
    ),
    Family(
        name="aps_inverter_grid_voltage_volts",
        help="Grid voltage at the inverter (Grid Voltage); phase is empty on single-phase ones.",
        labels=("inverter", "phase"),
        samples=_grid_voltage,
    ),
    Family(
        name="aps_inverter_grid_frequency_hertz",
        help="Grid frequency at the inverter (Grid Frequency).",
        labels=("inverter",),
        samples=_grid_frequency,
    ),
    Family(
        name="aps_inverter_temperature_celsius",
        help="Temperature inside the inverter (Temperature).",
        labels=("inverter",),
        samples=_temperature,
    ),
    Family(
        name="aps_inverter_last_report_timestamp_seconds",
        help="When the inverter's rows were reported (Reporting Time or Date), also if stale.",
        labels=("inverter",),
        samples=_last_report,
    ),
    Family(
        name="aps_power_watts",
        help="Sum of the power of all online panels.",
        samples=_value(lambda summary: summary.power_w),
    ),
    Family(
        name="aps_power_estimated_watts",
        help="The sum scaled for missing panels where scaling applies, else the sum itself.",
        samples=_value(lambda summary: summary.power_estimated_w),
    ),
    Family(
        name="aps_average_grid_voltage_volts",
        help="Mean grid voltage over the online panels.",
        samples=_value(lambda summary: summary.grid_voltage_v),
    ),
    Family(
        name="aps_average_grid_frequency_hertz",
        help="Mean grid frequency over the online panels.",
        samples=_value(lambda summary: summary.grid_frequency_hz),
    ),
    Family(
        name="aps_average_temperature_celsius",
        help="Mean inverter temperature over the online panels.",
        samples=_value(lambda summary: summary.temperature_c),
    ),
    Family(
        name="aps_panels_received",
        help="Panels that reported a power in this reading.",
        samples=_value(lambda summary: summary.received),
    ),
    Family(
        name="aps_panels_expected",
        help="Panels that should be there: expected_count, else the roster's in use.",
        samples=_value(lambda summary: summary.expected),
    ),
    Family(
        name="aps_panels_missing",
        help="Panels expected and not received, never below 0.",
        samples=_value(lambda summary: summary.missing),
    ),
    Family(
        name="aps_inverters_online",
        help="Inverters that reported in this reading.",
        samples=_value(lambda summary: summary.inverters_online),
    ),
    Family(
        name="aps_inverters_expected",
        help="Inverters that should be there: the roster without retired ones.",
        samples=_value(lambda summary: len(summary.inverters)),
    ),
    Family(
        name="aps_inverters_missing",
        help="Inverters expected and not online.",
        samples=_value(lambda summary: len(summary.inverters) - summary.inverters_online),
    ),
    Family(
        name="aps_energy_lifetime_joules_total",
        kind="counter",
        help="Energy since installation (Lifetime generation); a drop is held back till confirmed.",
        samples=_home(lambda ecu: _joules(ecu.energy_lifetime_wh)),
    ),
    Family(
        name="aps_energy_today_joules",
        help="Energy since the ECU's midnight (Generation of Current Day).",
        samples=_home(lambda ecu: _joules(ecu.energy_today_wh)),
    ),
    Family(
        name="aps_ecu_info",
        help="What the ECU says it is; the value is always 1.",
        labels=("ecu_id", "firmware", "timezone", "interface"),
        samples=_ecu_info,
    ),
    Family(
        name="aps_ecu_clock_offset_seconds",
        help="The newest report's time minus the exporter's clock, if the ECU's zone is known.",
        samples=_value(lambda summary: summary.reading.clock_offset_s),
    ),
)
