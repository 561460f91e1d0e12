"""Tells rows about now from rows that an ECU repeats, and a wrong clock from a sleeping roof."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from aps_exporter.model import Inverter, to_utc

__all__ = ["Freshness", "Judgement"]

QUARTER_HOUR: Final = 900.0
HALF_HOUR: Final = 1800.0
MAX_ZONE_ERROR: Final = 26 * 3600.0
"""Zones reach from -12 to +14 hours; a clock that is off by more was never set."""
CLOCK_SLACK: Final = 120.0
"""Seconds by which an otherwise right clock may go wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The inverters, with the stale ones marked, and what is known of the ECU's clock."""

    inverters: tuple[Inverter, ...]
    clock_error_s: float
    clock_offset_s: float | None


@dataclass(slots=True, kw_only=True)
class Freshness:
    """Judges reporting times by the clocks, and by whether they move while we watch.

    A row is stale when it is older than `stale_after_s`. Its age is our clock minus its time where
    the zone is known, the ECU's own clock minus its time where a page shows that clock, and at
    least as long as we have watched it repeat. Rows that move although they are off by more than
    half an hour come from a live ECU with a wrong zone: the nearest quarter hours are taken off,
    because a wrong zone must not turn a producing roof into a dead one.
    """

    stale_after_s: float
    _newest: datetime | None = field(default=None, init=False)
    _since: float = field(default=0.0, init=False)
    _looked: float = field(default=-math.inf, init=False)
    _clock_error_s: float = field(default=0.0, init=False)
    _page_lies: bool = field(default=False, init=False)

    def judge(
        self,
        inverters: tuple[Inverter, ...],
        *,
        zone: ZoneInfo | None,
        ecu_clock: datetime | None,
        now: datetime,
        monotonic: float,
    ) -> Judgement:
        """Mark the stale inverters of a table that arrived at `now` (UTC) and `monotonic`.

        `ecu_clock` is the ECU's own wall clock from the same poll, where its pages show one.
        """
        watched = monotonic - self._looked <= self.stale_after_s
        self._looked = monotonic
        newest = max((i.reported_at for i in inverters if i.reported_at is not None), default=None)
        if newest is None:
            return Judgement(
                inverters=inverters, clock_error_s=self._clock_error_s, clock_offset_s=None
            )
        # Rows that moved during an outage may have moved hours ago, and be old by now.
        moved = watched and self._newest is not None and newest > self._newest
        # Rows that repeat can't step back: the clock was put right, or summer time has ended.
        stepped_back = watched and self._newest is not None and newest < self._newest
        if newest != self._newest:
            self._newest, self._since = newest, monotonic
        page_age_s = self._page_age_s(newest, ecu_clock, moved=moved)
        ages_s = [monotonic - self._since]
        offset_s = None
        if zone:
            offset_s = (to_utc(newest, zone, near=now) - now).total_seconds()
            page_error_s = None
            if ecu_clock and page_age_s is not None:
                page_error_s = _zone_error_s(
                    (to_utc(ecu_clock, zone, near=now) - now).total_seconds()
                )
            told_fresh = page_age_s is not None and page_age_s <= self.stale_after_s
            alive = moved or stepped_back or told_fresh
            self._judge_clock(offset_s, page_error_s, moved=moved, alive=alive)
            ages_s.append(self._clock_error_s - offset_s)
        if page_age_s is not None:
            ages_s.append(page_age_s)
        return Judgement(
            inverters=tuple(self._marked(inverter, newest, max(ages_s)) for inverter in inverters),
            clock_error_s=self._clock_error_s,
            clock_offset_s=offset_s,
        )

    def _marked(self, inverter: Inverter, newest: datetime, newest_age_s: float) -> Inverter:
        if inverter.reported_at is None:
            return inverter
        age_s = newest_age_s + (newest - inverter.reported_at).total_seconds()
        return replace(inverter, stale=True) if age_s > self.stale_after_s else inverter

    def _page_age_s(
        self, newest: datetime, ecu_clock: datetime | None, *, moved: bool
    ) -> float | None:
        """Tell the rows' age by the ECU's own clock, unless that contradicts what we have seen."""
        age_s = (ecu_clock - newest).total_seconds() if ecu_clock else None
        if moved:
            self._page_lies = age_s is not None and age_s > self.stale_after_s
        if age_s is None or self._page_lies or not -HALF_HOUR <= age_s < MAX_ZONE_ERROR:
            return None
        return age_s

    def _judge_clock(
        self, offset_s: float, page_error_s: float | None, *, moved: bool, alive: bool
    ) -> None:
        """Learn the clock's error from rows that moved, or from the clock itself.

        Rows that just repeat prove nothing: as they age they pass through every offset.
        """
        if abs(offset_s) <= HALF_HOUR:
            if alive:
                self._clock_error_s = 0.0
        elif page_error_s is not None:
            self._clock_error_s = page_error_s
        elif moved and not 0 <= self._clock_error_s - offset_s + CLOCK_SLACK <= HALF_HOUR:
            # The data of a live ECU is up to a sweep old, so it is the next quarter upwards.
            self._clock_error_s = QUARTER_HOUR * math.ceil((offset_s - CLOCK_SLACK) / QUARTER_HOUR)


def _zone_error_s(clock_offset_s: float) -> float | None:
    """Give the whole quarter hours by which a clock is off, if it is off by nothing else."""
    whole = QUARTER_HOUR * round(clock_offset_s / QUARTER_HOUR)
    is_zone = abs(clock_offset_s - whole) <= CLOCK_SLACK and abs(whole) < MAX_ZONE_ERROR
    return whole if is_zone else None
