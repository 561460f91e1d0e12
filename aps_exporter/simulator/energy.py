"""What a roof has made between any two sweeps, without living through the years between."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Ledger"]

_DAY_SLOTS = 288
_KEPT_DAYS = 4
_EXACT_DAYS = 20
"""So many days are worked out sweep by sweep, at about 10 ms each for a usual roof."""


class Ledger:
    """Adds up sweeps by days that begin at the slot `origin`, and remembers the sums."""

    def __init__(self, power_w: Callable[[int], int], origin: int, mean_day_w: int) -> None:
        """Take what tells the power of a sweep, and what a mean day's sweeps add up to."""
        self._power_w = power_w
        self._origin = origin
        self._mean_day_w = mean_day_w
        self._totals: dict[int, int] = {}
        self._running: dict[int, list[int]] = {}

    def sum_w(self, first: int, end: int) -> int:
        """Add up the sweeps from `first` until before `end`; negative if `end` is the earlier.

        Where a jump of the clock has skipped many days, each of them counts as a mean one, until
        it is visited.
        """
        if end < first:
            return -self.sum_w(end, first)
        first_day, first_index = divmod(first - self._origin, _DAY_SLOTS)
        end_day, end_index = divmod(end - self._origin, _DAY_SLOTS)
        days = range(first_day, end_day)
        for day in self._running.keys() & set(days):
            self._before(day, _DAY_SLOTS)
        unknown = [day for day in days if day not in self._totals]
        if len(unknown) > _EXACT_DAYS:
            self._totals |= dict.fromkeys(unknown, self._mean_day_w)
        else:
            self._totals |= {day: self._before(day, _DAY_SLOTS) for day in unknown}
        whole = sum(self._totals[day] for day in days)
        return whole + self._before(end_day, end_index) - self._before(first_day, first_index)

    def _before(self, day: int, index: int) -> int:
        """Add up a day's sweeps before `index`; a day that is over is no mean one any more."""
        if index == 0:
            return 0
        if day not in self._running:
            while len(self._running) >= _KEPT_DAYS:
                del self._running[next(iter(self._running))]
            self._running[day] = [0]
        running = self._running[day]
        begin = self._origin + day * _DAY_SLOTS
        while len(running) <= index:
            running.append(running[-1] + self._power_w(begin + len(running) - 1))
        if len(running) > _DAY_SLOTS:
            self._totals[day] = running[-1]
        return running[index]
