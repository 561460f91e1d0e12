"""How high the sun stands over a place, and whether that is daylight; no internet involved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["DAYLIGHT_DEG", "Place"]

_DAY: Final = timedelta(days=1)

DAYLIGHT_DEG: Final = 10.0
"""From this elevation on a healthy roof makes power, wherever it faces. Lower, trees and hills cast
their shadows, and inverters that look elsewhere still sleep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a roof stands."""

    latitude: float
    """Degrees, north is positive."""
    longitude: float
    """Degrees, east is positive."""

    def sun_elevation_deg(self, at: datetime) -> float:
        """Give the height of the sun's centre over the horizon, negative when it is down.

        It is where the sun stands, not where the air lets it seem to: within 0.5° at the horizon.
        """
        # Who doesn't say where the roof is doesn't have to load the astronomy.
        import ephem  # type: ignore[import-untyped]  # noqa: PLC0415  # comes without types

        observer = ephem.Observer()
        observer.lat, observer.lon = math.radians(self.latitude), math.radians(self.longitude)
        observer.pressure = 0  # no refraction
        observer.date = at.astimezone(UTC).replace(tzinfo=None)
        return math.degrees(ephem.Sun(observer).alt)

    def daylight(self, midnight: datetime) -> tuple[datetime | None, datetime | None]:
        """Give sunrise and sunset of the day that begins then, ``None`` for what doesn't occur.

        As almanacs do: the sun's upper edge at the horizon, lifted by 34' of refraction.
        """
        import ephem  # noqa: PLC0415  # as above

        observer = ephem.Observer()
        observer.lat, observer.lon = math.radians(self.latitude), math.radians(self.longitude)
        observer.pressure, observer.horizon = 0, "-0:34"
        observer.date = midnight.astimezone(UTC).replace(tzinfo=None)
        moments: list[datetime | None] = []
        for next_event in (observer.next_rising, observer.next_setting):
            try:
                event = next_event(ephem.Sun()).datetime().replace(tzinfo=UTC)
            except ephem.CircumpolarError:
                moments.append(None)  # a day or a night that lasts for weeks
            else:
                moments.append(event if event - midnight < _DAY else None)
        return moments[0], moments[1]
