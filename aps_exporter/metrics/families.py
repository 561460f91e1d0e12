"""THE table of the ECU's metrics: name, type, help, labels, and how to get the value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from aps_exporter.metrics import samples
from aps_exporter.metrics.samples import Poll, Sample

__all__ = ["FAMILIES", "Family", "Poll"]


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
        samples=samples.status,
    ),
    Family(
        name="aps_poll_duration_seconds",
        help="Time this poll of the ECU took.",
        samples=lambda poll: [((), poll.duration_s)],
    ),
    Family(
        name="aps_page_up",
        help="1 if this poll could read the page, else 0; what comes over TCP is no page.",
        labels=("page",),
        samples=samples.page_up,
    ),
    Family(
        name="aps_page_unreadable_cells",
        help="Cells (over TCP fields) of this poll that were not understood, and have no value.",
        samples=samples.unreadable_cells,
    ),
    Family(
        name="aps_panel_power_watts",
        help="DC power of an online panel (Current Power).",
        labels=PANEL,
        samples=samples.panels(lambda panel: panel.power_w),
    ),
    Family(
        name="aps_panel_dc_voltage_volts",
        help="DC voltage of an online panel (DC Voltage), on pages that have the column.",
        labels=PANEL,
        samples=samples.panels(lambda panel: panel.dc_voltage_v),
    ),
    Family(
        name="aps_panel_online",
        help="1 if the panel reported a power in this reading, 0 if it is missing.",
        labels=PANEL,
        samples=samples.panels(lambda panel: panel.online),
    ),
    Family(
        name="aps_panel_info",
        help="Name and group of a panel from the configuration; the value is always 1.",
        labels=(*PANEL, "name", "group"),
        samples=samples.panel_info,
    ),
    Family(
        name="aps_inverter_online",
        help="1 if the inverter reported in this reading, else 0.",
        labels=("inverter",),
        samples=samples.inverter_online,
    ),
    Family(
        name="aps_inverter_grid_voltage_volts",
        help="Grid voltage at the inverter (Grid Voltage); phase is empty on single-phase ones.",
        labels=("inverter", "phase"),
        samples=samples.grid_voltage,
    ),
    Family(
        name="aps_inverter_grid_frequency_hertz",
        help="Grid frequency at the inverter (Grid Frequency).",
        labels=("inverter",),
        samples=samples.grid_frequency,
    ),
    Family(
        name="aps_inverter_temperature_celsius",
        help="Temperature inside the inverter (Temperature).",
        labels=("inverter",),
        samples=samples.temperature,
    ),
    Family(
        name="aps_inverter_signal_ratio",
        help="Strength of the inverter's radio signal at the ECU, 0 to 1; over TCP only.",
        labels=("inverter",),
        samples=samples.signal,
    ),
    Family(
        name="aps_inverter_last_report_timestamp_seconds",
        help="When the inverter's rows were reported (Reporting Time or Date), also if stale.",
        labels=("inverter",),
        samples=samples.last_report,
    ),
    Family(
        name="aps_power_watts",
        help="Sum of the power of all online panels.",
        samples=samples.value(lambda summary: summary.power_w),
    ),
    Family(
        name="aps_power_estimated_watts",
        help="The sum scaled for missing panels where scaling applies, else the sum itself.",
        samples=samples.value(lambda summary: summary.power_estimated_w),
    ),
    Family(
        name="aps_average_grid_voltage_volts",
        help="Mean grid voltage over the online panels.",
        samples=samples.value(lambda summary: summary.grid_voltage_v),
    ),
    Family(
        name="aps_average_grid_frequency_hertz",
        help="Mean grid frequency over the online panels.",
        samples=samples.value(lambda summary: summary.grid_frequency_hz),
    ),
    Family(
        name="aps_average_temperature_celsius",
        help="Mean inverter temperature over the online panels.",
        samples=samples.value(lambda summary: summary.temperature_c),
    ),
    Family(
        name="aps_panels_received",
        help="Panels that reported a power in this reading.",
        samples=samples.value(lambda summary: summary.received),
    ),
    Family(
        name="aps_panels_expected",
        help="Panels that should be there: expected_count, else the roster's in use.",
        samples=samples.value(lambda summary: summary.expected),
    ),
    Family(
        name="aps_panels_missing",
        help="Panels expected and not received, never below 0.",
        samples=samples.value(lambda summary: summary.missing),
    ),
    Family(
        name="aps_inverters_online",
        help="Inverters that reported in this reading.",
        samples=samples.value(lambda summary: summary.inverters_online),
    ),
    Family(
        name="aps_inverters_expected",
        help="Inverters that should be there: the roster without retired ones.",
        samples=samples.value(lambda summary: len(summary.inverters)),
    ),
    Family(
        name="aps_inverters_missing",
        help="Inverters expected and not online.",
        samples=samples.value(lambda summary: len(summary.inverters) - summary.inverters_online),
    ),
    Family(
        name="aps_energy_lifetime_joules_total",
        kind="counter",
        help="Energy since installation (Lifetime generation); a drop is held back till confirmed.",
        samples=samples.home(lambda ecu: samples.joules(ecu.energy_lifetime_wh)),
    ),
    Family(
        name="aps_energy_today_joules",
        help="Energy since the ECU's midnight (Generation of Current Day).",
        samples=samples.home(lambda ecu: samples.joules(ecu.energy_today_wh)),
    ),
    Family(
        name="aps_glitches_total",
        kind="counter",
        help="Values held back because firmware is known to invent such, by kind.",
        labels=("kind",),
        samples=samples.glitches,
    ),
    Family(
        name="aps_ecu_info",
        help="What the ECU says it is; the value is always 1.",
        labels=("ecu_id", "firmware", "timezone", "interface"),
        samples=samples.ecu_info,
    ),
    Family(
        name="aps_ecu_clock_offset_seconds",
        help="The newest report's time minus the exporter's clock, if the ECU's zone is known.",
        samples=samples.value(lambda summary: summary.reading.clock_offset_s),
    ),
)
