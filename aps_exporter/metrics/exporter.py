"""The exporter's own metrics, which never ask an ECU anything."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from aps_exporter import __version__

__all__ = ["ExporterCollector", "process_collector"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExporterCollector(Collector):
    """What this exporter is, and how often it could spare the ECU a poll.

    ::

        aps_exporter_build_info{python_version="3.13.1",version="1.0.0"} 1.0
        aps_exporter_scrapes_shared_total 12.0
    """

    shared: Callable[[], int]
    """Counts the reads that were answered with another reader's poll."""

    def describe(self) -> list[Metric]:
        """Name the families."""
        return self.collect()

    def collect(self) -> list[Metric]:
        """Give the two families."""
        build = GaugeMetricFamily(
            "aps_exporter_build_info",
            "The exporter's version and Python's; the value is always 1.",
            labels=("version", "python_version"),
        )
        build.add_metric((__version__, platform.python_version()), 1)
        shared = CounterMetricFamily(
            "aps_exporter_scrapes_shared_total",
            "Reads of an ECU that were answered with another reader's poll.",
        )
        shared.add_metric((), self.shared())
        return [build, shared]


def process_collector() -> Collector:
    """Make the collector of the process's own memory, time and descriptors (Linux only)."""
    return ProcessCollector(registry=None)
