"""The exporter's own metrics, which never ask an ECU anything."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from aps_exporter import __version__

__all__ = [
    "EXPORTER_FAMILIES",
    "ExporterCollector",
    "ExporterFamily",
    "Figures",
    "process_collector",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the exporter knows of itself at one moment."""

    shared: int = 0
    """Reads that were answered with another reader's poll."""
    ecus: int = 1
    scrapes_in_flight: int = 0
    scrapes_refused: int = 0
    reload_successful: bool = True
    reloaded_at: float = 0.0
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExporterCollector(Collector):
    """What this exporter is, how busy, and how often it could spare an ECU a poll.

    ::

        aps_exporter_build_info{python_version="3.13.1",version="1.0.0"} 1.0
        aps_exporter_ecus 12.0
        aps_exporter_scrapes_shared_total 12.0
        aps_exporter_config_last_reload_successful 1.0
    """

    figures: Callable[[], Figures]

    def describe(self) -> list[Metric]:
        """Name the families."""
        return self.collect()

    def collect(self) -> list[Metric]:
        """Give all families."""
        build = GaugeMetricFamily(
            "aps_exporter_build_info",
            "The exporter's version and Python's; the value is always 1.",
            labels=("version", "python_version"),
        )
        build.add_metric((__version__, platform.python_version()), 1)
        figures = self.figures()
        return [build, *(row.fill(figures) for row in EXPORTER_FAMILIES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterFamily:
    """One metric of the exporter's own: a row of the table."""

    name: str
    kind: Literal["gauge", "counter"] = "gauge"
    help: str
    value: Callable[[Figures], float]

    def fill(self, figures: Figures) -> Metric:
        """Make the family."""
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        return make(self.name, self.help, value=self.value(figures))


EXPORTER_FAMILIES: tuple[ExporterFamily, ...] = (
    ExporterFamily(
        name="aps_exporter_ecus",
        help="ECUs in the configuration.",
        value=lambda figures: figures.ecus,
    ),
    ExporterFamily(
        name="aps_exporter_scrapes_shared_total",
        kind="counter",
        help="Reads of an ECU that were answered with another reader's poll.",
        value=lambda figures: figures.shared,
    ),
    ExporterFamily(
        name="aps_exporter_scrapes_in_flight",
        help="Requests that an answer is being worked out for, this one included.",
        value=lambda figures: figures.scrapes_in_flight,
    ),
    ExporterFamily(
        name="aps_exporter_scrapes_refused_total",
        kind="counter",
        help="Requests that were turned away with 503 because too many were in flight.",
        value=lambda figures: figures.scrapes_refused,
    ),
    ExporterFamily(
        name="aps_exporter_config_last_reload_successful",
        help="1 if the configuration that was read last is in force, 0 if it can't be used.",
        value=lambda figures: figures.reload_successful,
    ),
    ExporterFamily(
        name="aps_exporter_config_last_reload_success_timestamp_seconds",
        help="When the configuration in force was read.",
        value=lambda figures: figures.reloaded_at,
    ),
)


def process_collector() -> Collector:
    """Make the collector of the process's own memory, time and descriptors (Linux only)."""
    return ProcessCollector(registry=None)
