"""Keeps the ECU's energy counters from falling for a moment, as some firmware makes them do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar, Final

__all__ = ["LifetimeGuard", "TodayGuard"]

NEXT_TO_NOTHING_WH: Final = 100.0
"""As much as a counter that has begun anew may already show."""


@dataclass(slots=True)
class _Guard:
    """Lets a counter through unless it has dropped; a real drop is still there in a later sweep."""

    rounding_wh: ClassVar[float]
    """The two interfaces round differently: what is lower by no more than that hasn't dropped."""

    _last_wh: float = field(default=0.0, init=False)
    _dropped_to_wh: float | None = field(default=None, init=False)
    _dropped_in: datetime | None = field(default=None, init=False)

    def _accept(self, energy_wh: float) -> float:
        self._last_wh, self._dropped_to_wh, self._dropped_in = energy_wh, None, None
        return energy_wh

    def _accept_if_confirmed(self, energy_wh: float, sweep: datetime | None) -> float | None:
        if energy_wh >= self._last_wh - self.rounding_wh:
            return self._accept(max(energy_wh, self._last_wh))
        if self._dropped_to_wh is None or energy_wh < self._dropped_to_wh:
            self._dropped_to_wh, self._dropped_in = energy_wh, sweep
            return None
        if sweep is None or sweep == self._dropped_in:
            return None
        return self._accept(energy_wh)


@dataclass(slots=True)
class LifetimeGuard(_Guard):
    """Lets lifetime energy through unless it is zero or has dropped without confirmation.

    After a restart and at night some ECUs say 0 or less than before for one sweep, and a counter
    that drops reads as a huge gain. A replaced ECU's is lower in the next sweep too.
    """

    rounding_wh = 100.5

    def pass_on(self, energy_wh: float | None, sweep: datetime | None) -> float | None:
        """Give the energy back, or ``None`` while it can't be believed.

        `sweep` names the sweep by its reporting time; without one nothing is ever confirmed.
        """
        return self._accept_if_confirmed(energy_wh, sweep) if energy_wh else None


@dataclass(slots=True)
class TodayGuard(_Guard):
    """Lets the day's energy through unless it has dropped within a day, to more than nothing.

    It may begin anew whenever the ECU likes: some do so at 22:00, at 02:00 or at dawn.
    """

    rounding_wh = 10.5

    _day: date | None = field(default=None, init=False)

    def pass_on(self, energy_wh: float | None, sweep: datetime | None) -> float | None:
        """Give the energy back, or ``None`` while it can't be believed.

        `sweep` names the sweep by its reporting time; without one no drop is proven.
        """
        if energy_wh is None:
            return None
        day = None if sweep is None else sweep.date()
        begins_anew = day is None or day != self._day or energy_wh <= NEXT_TO_NOTHING_WH
        self._day = day
        return (
            self._accept(energy_wh) if begins_anew else self._accept_if_confirmed(energy_wh, sweep)
        )
