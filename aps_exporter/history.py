"""The power of today, sweep by sweep, in as little memory as that takes."""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import groupby
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from aps_exporter.ecu.curve import CurvePoint
from aps_exporter.model import Reading
from aps_exporter.summary import Summary

__all__ = ["STEP_S", "DayRecord", "History", "zone_of"]

STEP_S: Final = 300
"""An ECU asks its inverters once in that time."""
GAP_W: Final = -32_768
"""Stands for "nothing known" among a panel's watts, which are kept in two bytes each."""
MOST_W: Final = 32_767
MOST_PANELS: Final = 1200
"""More than any ECU serves; hostile pages must not fill the memory with ever new ids."""
AHEAD: Final = timedelta(minutes=10)
"""A sweep that lies further in the future has a wrong time."""
HOLE: Final = 3
"""So many steps without a sweep make it worth asking the ECU for its own curve."""
PAUSE: Final = timedelta(minutes=15)
"""Between two tries to get that curve."""

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRecord:
    """The record of one day; each list has a value for every `STEP_S` seconds from `start`."""

    day: date
    start: datetime
    """Midnight, in the ECU's zone."""
    total_w: tuple[float | None, ...] = ()
    panels_w: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    """Panel id → watts."""
    watched: bool = False
    """Some of it was read by us."""
    from_ecu: bool = False
    """Some of it comes from the curve that the ECU keeps."""


@dataclass(slots=True, kw_only=True)
class History:
    """Keeps what the summaries of one ECU say of today; safe to use from several threads.

    The day begins at the ECU's midnight. A day of 400 panels takes 300 kB, one of 20 panels 16 kB,
    the total alone 1.2 kB: where there are thousands of ECUs, `all_panels` is off, and the panels
    are recorded from the moment that somebody looks at them.
    """

    all_panels: bool = True
    latest: Summary | None = field(default=None, init=False)
    """The newest answer of the ECU, however many polls have failed since."""
    last_reports: dict[str, datetime] = field(default_factory=dict, init=False)
    """Serial → when the inverter last reported, by the ECU's wall clock, while we watched."""
    version: int = field(default=0, init=False)
    """Changes with the record."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _zone: tzinfo | None = field(default=None, init=False)
    _day: date = field(default=date.min, init=False)
    _total: array[float] = field(default_factory=lambda: array("f"), init=False)
    _panels: dict[str, array[int]] = field(default_factory=dict, init=False)
    _looked_on: date | None = field(default=None, init=False)
    _watched: bool = field(default=False, init=False)
    _from_ecu: bool = field(default=False, init=False)
    _asked_until: int = field(default=-1, init=False)
    """The step up to which the ECU was asked for its curve; -1: not today."""
    _ask_again: datetime | None = field(default=None, init=False)

    def observe(self, summary: Summary) -> None:
        """Enter what a new reading says; panels that aren't online leave a gap."""
        reading = summary.reading
        zone = zone_of(reading)
        with self._lock:
            self.latest = summary
            for inverter in reading.inverters if len(self.last_reports) < MOST_PANELS else ():
                if inverter.reported_at is not None and inverter.channels:
                    self.last_reports[inverter.serial] = inverter.reported_at
            self._turn_to(reading.read_at.astimezone(zone).date(), zone)
            step = self._step(_moment(reading))
            if step is None or summary.power_w is None:
                return
            self._watched = True
            changed = _enter(self._total, step, summary.power_w, math.nan)
            if self.all_panels or self._looked_on == self._day:
                for panel in summary.panels:
                    if panel.power_w is not None and (series := self._series(panel.id)) is not None:
                        watts = max(min(round(panel.power_w), MOST_W), -MOST_W)
                        changed |= _enter(series, step, watts, GAP_W)
            self.version += changed

    def look(self) -> None:
        """Note that somebody wants to see the panels of today."""
        with self._lock:
            self._looked_on = self._day

    def day(self, now: datetime) -> date:
        """Give the day that it is `now` at the ECU."""
        return now.astimezone(self._zone or _local_zone(now)).date()

    def record(self, now: datetime) -> DayRecord:
        """Give the record of today."""
        with self._lock:
            zone = self._zone or _local_zone(now)
            day = self.day(now)
            start = datetime.combine(day, time(), zone)
            if day != self._day:
                return DayRecord(day=day, start=start)
            return DayRecord(
                day=day,
                start=start,
                total_w=tuple(None if math.isnan(w) else round(w, 1) for w in self._total),
                panels_w={
                    panel: tuple(None if w == GAP_W else w for w in series)
                    for panel, series in self._panels.items()
                },
                watched=self._watched,
                from_ecu=self._from_ecu,
            )

    def wants_curve(self, now: datetime) -> bool:
        """Say whether the ECU's own curve would fill a hole that it wasn't yet asked about."""
        with self._lock:
            if self.latest is None or self.latest.reading.interface != "php":
                return False
            if self._ask_again is not None and now < self._ask_again:
                return False
            self._turn_to(now.astimezone(self._zone).date(), self._zone)
            unseen = self._total[self._asked_until + 1 :]
            if not unseen:
                return self._asked_until < 0
            holes = (len([*steps]) for gap, steps in groupby(unseen, math.isnan) if gap)
            return max(holes, default=0) >= HOLE

    def fill(self, curve: Iterable[CurvePoint]) -> None:
        """Enter the ECU's own curve where nobody watched; its hole needs no second try."""
        with self._lock:
            for point in curve:
                step = self._step(point.at)
                known = self._total[step : step + 1] if step is not None else ()
                if step is not None and not (known and not math.isnan(known[0])):
                    self._from_ecu = True
                    self.version += _enter(self._total, step, point.power_w, math.nan)
            self._asked_until = max(len(self._total) - 1, 0)

    def no_curve(self, now: datetime) -> None:
        """Note that the curve couldn't be had, so that it isn't asked for at once again."""
        with self._lock:
            self._ask_again = now + PAUSE

    def _turn_to(self, day: date, zone: tzinfo | None) -> None:
        """Begin a new record when the day is another one."""
        if day != self._day or zone != self._zone:
            self._day, self._zone = day, zone
            self._total, self._panels = array("f"), {}
            self._watched = self._from_ecu = False
            self._asked_until = -1
            self.version += 1

    def _step(self, at: datetime) -> int | None:
        """Find the step of a moment, ``None`` if it isn't of this day."""
        if at.astimezone(self._zone).date() != self._day:
            return None
        start = datetime.combine(self._day, time(), self._zone)
        return int((at.timestamp() - start.timestamp()) // STEP_S)

    def _series(self, panel_id: str) -> array[int] | None:
        series = self._panels.get(panel_id)
        if series is None and len(self._panels) < MOST_PANELS:
            series = self._panels[panel_id] = array("h")
        return series


def _enter(series: array[_Number], step: int, value: _Number, gap: _Number) -> bool:
    """Set a value, after gaps as needed; say whether it is news."""
    if step >= len(series):
        series.extend([gap] * (step + 1 - len(series)))
    before, series[step] = series[step], value
    return series[step] != before


def zone_of(reading: Reading) -> tzinfo:
    """Give the zone of an ECU's wall clock; this machine's if nobody knows it."""
    return ZoneInfo(reading.timezone) if reading.timezone else _local_zone(reading.read_at)


def _local_zone(at: datetime) -> tzinfo:
    return at.astimezone().tzinfo or UTC


def _moment(reading: Reading) -> datetime:
    """Tell when the sweep was that a reading shows: as its rows say, else when it was read."""
    newest = reading.newest_report
    at = reading.utc(newest) if newest else None
    return reading.read_at if at is None or at - reading.read_at > AHEAD else at
