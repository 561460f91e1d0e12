"""From the readings that come by to sweeps: each sweep once, at the moment when it really was."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

from aps_exporter.model import Reading
from aps_exporter.pvoutput.outbox import Outbox
from aps_exporter.pvoutput.slots import Sample, coverage
from aps_exporter.summary import Summary

__all__ = ["Sampler", "sample_of"]

_SENTINELS: Final = {2.0**31 - 1, -(2.0**31), 2.0**32 - 1}
"""What programs write into 32 bits for "no value"."""
_CLOCK_SLACK: Final = timedelta(minutes=2)
"""By how much an otherwise right clock may be ahead of ours."""


class Sampler:
    """Keeps each new sweep in the outbox."""

    def __init__(self, outbox: Outbox) -> None:
        """Take the outbox, which remembers the last sweep of an earlier life."""
        self._outbox = outbox
        self._last = outbox.newest_sample()
        self._wall: datetime | None = None
        self._seen_at: datetime | None = None

    @property
    def last(self) -> Sample | None:
        """The last sweep that was kept."""
        return self._last

    def take(self, summary: Summary) -> bool:
        """Keep what the reading tells; false if it is no new sweep, or tells no power."""
        at = self._moment(summary.reading)
        previous = self._last
        if at is None or (
            previous is not None
            and previous.at == at.replace(microsecond=0)
            and previous.received >= summary.received
        ):
            return False
        sample = sample_of(summary, at, previous.at if previous else None)
        if sample is None or not self._outbox.add_sample(sample):
            return False
        self._last = sample
        return True

    def _moment(self, reading: Reading) -> datetime | None:
        """Find when the sweep was: a page whose time stands still is the same sweep.

        Without a zone, or in the future, the page's time can't be placed, but when it moves a
        sweep has just been. The first page that we see may be hours old, so it only sets the mark.
        """
        wall = reading.newest_report
        if wall is None:
            return reading.read_at
        placed = reading.utc(wall)
        if wall == self._wall and self._seen_at is not None:
            return self._seen_at  # a fast clock's page leaves the future as it ages: not twice
        if placed is not None and placed <= reading.read_at + _CLOCK_SLACK:
            self._wall, self._seen_at = wall, placed
        elif self._wall is None:
            self._wall = wall
        elif wall != self._wall:
            self._wall, self._seen_at = wall, reading.read_at
        return self._seen_at


def sample_of(summary: Summary, at: datetime, previous: datetime | None = None) -> Sample | None:
    """Take out of a summary what PVOutput wants; ``None`` when there is no power to speak of."""
    power_w = _sane(summary.power_estimated_w)
    if power_w is None:
        return None
    ecu = summary.reading.ecu
    at = at.replace(microsecond=0)
    return Sample(
        at=at,
        power_w=power_w,
        covers_s=coverage(at, previous),
        received=summary.received,
        temperature_c=_sane(summary.temperature_c),
        grid_voltage_v=_sane(summary.grid_voltage_v) or None,  # 0 V: no grid, nothing measured
        grid_frequency_hz=_sane(summary.grid_frequency_hz) or None,
        energy_today_wh=_sane(ecu.energy_today_wh) if ecu else None,
        energy_lifetime_wh=_sane(ecu.energy_lifetime_wh) if ecu else None,
    )


def _sane(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value not in _SENTINELS else None
