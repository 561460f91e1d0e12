"""The sun over the roof, so that rules can tell a dark roof by day from the night."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aps_exporter.sun import DAYLIGHT_DEG

__all__ = ["SUN_FAMILIES", "SunCollector", "SunFamily"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SunFamily:
    """One metric of the sun: a row of the table."""

    name: str
    help: str
    value: Callable[[float], float]
    """Makes it of the elevation in degrees."""


SUN_FAMILIES: tuple[SunFamily, ...] = (
    SunFamily(
        name="aps_sun_elevation_degrees",
        help="Height of the sun over the horizon at the configured place, negative at night.",
        value=lambda elevation_deg: round(elevation_deg, 3),
    ),
    SunFamily(
        name="aps_daylight",
        help=f"1 if the sun stands at least {DAYLIGHT_DEG:g} degrees high, else 0.",
        value=lambda elevation_deg: elevation_deg >= DAYLIGHT_DEG,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SunCollector(Collector):
    """The sun at this moment, whether the ECU answers or not.

    ::

        aps_sun_elevation_degrees 41.207
        aps_daylight 1.0
    """

    elevation_deg: Callable[[datetime], float]
    now: Callable[[], datetime]

    def describe(self) -> list[Metric]:
        """Name the families."""
        return [GaugeMetricFamily(row.name, row.help) for row in SUN_FAMILIES]

    def collect(self) -> list[Metric]:
        """Give both families."""
        elevation_deg = self.elevation_deg(self.now())
        return [
            GaugeMetricFamily(row.name, row.help, value=row.value(elevation_deg))
            for row in SUN_FAMILIES
        ]
