"""Which of an ECU's interfaces answer, also when a poll fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["HELP", "LABELS", "NAME", "InterfaceCollector"]

NAME: Final = "aps_interface_up"
HELP: Final = "1 if the interface (web, tcp) answered when it was last asked, else 0."
LABELS: Final = ("interface",)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InterfaceCollector(Collector):
    """The interfaces of one ECU; one that was never asked is absent.

    ::

        aps_interface_up{interface="web"} 0.0
        aps_interface_up{interface="tcp"} 1.0
    """

    up: Callable[[], Mapping[str, bool]]

    def describe(self) -> list[Metric]:
        """Name the family."""
        return [GaugeMetricFamily(NAME, HELP, labels=LABELS)]

    def collect(self) -> list[Metric]:
        """Give the family, as it stands after the poll of the same scrape."""
        family = GaugeMetricFamily(NAME, HELP, labels=LABELS)
        for interface, answers in self.up().items():
            family.add_metric((interface,), answers)
        return [family] if family.samples else []
