"""Slot arithmetic: which status interval a moment belongs to, and the mean of its sweeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["SWEEP_S", "Sample", "coverage", "label", "mean", "slot_start"]

SWEEP_S: Final = 300.0
"""Seconds between two sweeps of an ordinary ECU."""

_LONGEST_SWEEP_S: Final = 1200.0
"""An ECU with more than 300 inverters takes that long; a longer gap is an outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one sweep of the ECU tells PVOutput."""

    at: datetime
    """When the sweep was, UTC, in whole seconds: a sweep's identity."""
    power_w: float
    covers_s: float = SWEEP_S
    """For how long its power stands: an ECU reports the mean since its previous sweep."""
    received: int = 0
    """Panels in it; a fuller page of the same sweep takes its place."""
    temperature_c: float | None = None
    grid_voltage_v: float | None = None
    grid_frequency_hz: float | None = None
    energy_today_wh: float | None = None
    energy_lifetime_wh: float | None = None


def slot_start(moment: datetime, zone: ZoneInfo, interval: int) -> datetime:
    """Find the start (UTC) of the slot that holds a moment (UTC).

    Slots lie on the wall clock, for PVOutput's do: with an offset of :45, slots of ten minutes
    start at other moments than in UTC. No slot spans a change of the clocks, which happens on
    whole half hours.
    """
    wall = moment.astimezone(zone)
    into_slot = timedelta(
        minutes=wall.minute % interval, seconds=wall.second, microseconds=wall.microsecond
    )
    return moment - into_slot


def label(start: datetime, zone: ZoneInfo) -> tuple[str, str]:
    """Write a slot's start as PVOutput's ``d`` and ``t``: ``("20260301", "12:05")``."""
    wall = start.astimezone(zone)
    return f"{wall:%Y%m%d}", f"{wall:%H:%M}"


def coverage(at: datetime, previous: datetime | None) -> float:
    """Tell for how many seconds a sweep stands: those since the previous one, if that is known."""
    if previous is None:
        return SWEEP_S
    gap_s = (at - previous).total_seconds()
    return gap_s if 0 < gap_s <= _LONGEST_SWEEP_S else SWEEP_S


def mean(samples: Iterable[Sample], get: Callable[[Sample], float | None]) -> float | None:
    """Weigh each sweep's value by the time it stands for; ``None`` when none has the value."""
    known = [(value, s.covers_s) for s in samples if (value := get(s)) is not None]
    if not known:
        return None
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known)
