"""Keeps the lifetime counter from falling for a moment, as some firmware makes it do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["LifetimeGuard"]


@dataclass(slots=True)
class LifetimeGuard:
    """Lets lifetime energy through unless it is zero or has dropped without confirmation.

    After a restart and at night some ECUs say 0 or less than before for one sweep, and a counter
    that drops reads as a huge gain. A real drop (a replaced ECU) is still there in the next sweep.
    """

    _last_wh: float = field(default=0.0, init=False)
    _dropped_to_wh: float | None = field(default=None, init=False)
    _dropped_in: datetime | None = field(default=None, init=False)

    def pass_on(self, energy_wh: float | None, sweep: datetime | None) -> float | None:
        """Give the energy back, or ``None`` while it can't be believed.

        `sweep` names the sweep by its reporting time; without one nothing is ever confirmed.
        """
        if not energy_wh:
            return None
        if energy_wh < self._last_wh and not self._confirmed(energy_wh, sweep):
            return None
        self._last_wh, self._dropped_to_wh, self._dropped_in = energy_wh, None, None
        return energy_wh

    def _confirmed(self, energy_wh: float, sweep: datetime | None) -> bool:
        if self._dropped_to_wh is None or energy_wh < self._dropped_to_wh:
            self._dropped_to_wh, self._dropped_in = energy_wh, sweep
            return False
        return sweep is not None and sweep != self._dropped_in
