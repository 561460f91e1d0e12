"""The custom collector: polls the ECU on each scrape and builds every family of its answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from aps_exporter.deadline import Deadline
from aps_exporter.errors import EcuError
from aps_exporter.metrics.families import FAMILIES, Poll
from aps_exporter.model import Reading
from aps_exporter.summary import Summary

__all__ = ["Collector", "EcuCollector"]

_DESCRIPTION: list[Metric] = [family.empty() for family in FAMILIES]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EcuCollector(Collector):
    """One scrape of one ECU.

    ::

        aps_up 1.0
        aps_ecu_status{status="ok"} 1.0
        aps_panel_power_watts{channel="A",inverter="408000012345"} 120.0
        aps_panel_online{channel="B",inverter="408000012345"} 0.0
        aps_power_watts 355.0
        aps_panels_missing 1.0
    """

    read: Callable[[Deadline], Reading]
    summarize: Callable[[Reading], Summary]
    deadline: Deadline
    answer: Poll | None = None
    """What the ECU has been asked for already."""

    def asked(self) -> EcuCollector:
        """Ask the ECU now, so that collecting waits for nothing."""
        return replace(self, answer=self._poll())

    def describe(self) -> list[Metric]:
        """Name the families without asking the ECU."""
        return _DESCRIPTION

    def collect(self) -> list[Metric]:
        """Poll the ECU, unless it was asked; families without a value are absent."""
        poll = self.answer or self._poll()
        return [family for row in FAMILIES if (family := row.fill(poll)) is not None]

    def _poll(self) -> Poll:
        started = time.perf_counter()
        try:
            reading = self.read(self.deadline)
        except EcuError as error:
            return Poll(status=error.status, duration_s=time.perf_counter() - started)
        return Poll(
            status="ok" if reading.inverters else "empty",
            duration_s=reading.poll_duration_s,
            summary=self.summarize(reading),
        )
