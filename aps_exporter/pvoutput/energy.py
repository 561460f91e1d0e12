"""Guards over the ECU's energy counters: only what is surely this day's, and never backwards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Self

__all__ = ["DayGuard", "LifetimeGuard"]


@dataclass(slots=True)
class DayGuard:
    """Lets today's counter through once it is known to have restarted.

    Some ECUs go on showing yesterday's value after midnight, or until 02:00. The counter is
    today's when it is below what it was on the day before, or when it moves while we watch.
    """

    day: str = ""
    last_wh: float = 0.0
    trusted: bool = False

    @classmethod
    def restored(cls, stored: Mapping[str, object]) -> Self:
        """Take up what was kept."""
        day, last_wh = stored.get("day"), stored.get("last_wh")
        if not isinstance(day, str) or not isinstance(last_wh, int | float):
            return cls()
        return cls(day=day, last_wh=last_wh, trusted=stored.get("trusted") is True)

    def kept(self) -> dict[str, object]:
        """Give what has to outlive a restart."""
        return asdict(self)

    def passed(self, day: date, energy_wh: float) -> float | None:
        """Give the value back if it may be sent, else ``None``."""
        if not math.isfinite(energy_wh) or energy_wh < 0:
            return None
        today = day.isoformat()
        if today != self.day:
            self.trusted = energy_wh == 0 or (self.day != "" and energy_wh < self.last_wh)
            self.day, self.last_wh = today, energy_wh
        elif self.trusted and energy_wh < self.last_wh:
            return None  # a glitch, or a reset before midnight
        else:
            self.trusted = self.trusted or energy_wh != self.last_wh
            self.last_wh = energy_wh
        return energy_wh if self.trusted else None


@dataclass(slots=True)
class LifetimeGuard:
    """Lets the counter since installation through while it doesn't fall.

    It reads 0 for a moment after a restart, or at night. A replaced ECU starts anew: a lower value
    counts on a later day, once a second one stands beside it.
    """

    day: str = ""
    last_wh: float = 0.0
    lower_wh: float | None = None
    """A lower value that waits for a second one."""

    @classmethod
    def restored(cls, stored: Mapping[str, object]) -> Self:
        """Take up what was kept."""
        day, last_wh = stored.get("day"), stored.get("last_wh")
        if not isinstance(day, str) or not isinstance(last_wh, int | float):
            return cls()
        return cls(day=day, last_wh=last_wh)

    def kept(self) -> dict[str, object]:
        """Give what has to outlive a restart."""
        return asdict(self)

    def passed(self, day: date, energy_wh: float) -> float | None:
        """Give the value back if it may be sent, else ``None``."""
        if not math.isfinite(energy_wh) or energy_wh <= 0:
            return None
        today = day.isoformat()
        if energy_wh < self.last_wh:
            confirmed = self.lower_wh is not None and energy_wh >= self.lower_wh
            self.lower_wh = energy_wh
            if today == self.day or not confirmed:
                return None
        self.day, self.last_wh, self.lower_wh = today, energy_wh, None
        return energy_wh
