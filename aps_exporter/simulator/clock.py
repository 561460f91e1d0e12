"""The simulated clock: real time, or a time of its own that runs faster and can be moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import time as time_of_day

__all__ = ["Clock"]


class Clock:
    """Tell the simulated time; safe to move and to read from any thread.

    `monotonic` counts real seconds. A test that hands in its own decides when time passes.
    """

    def __init__(
        self,
        start: datetime,
        speed: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start at an aware `start`, `speed` simulated seconds per second of `monotonic`."""
        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._start = start.astimezone(UTC)
        self._started = monotonic()
        self._speed = speed

    @classmethod
    def at_local(
        cls, start: datetime | time_of_day | None, zone: tzinfo, speed: float = 1.0
    ) -> Clock:
        """Start at a wall clock time of `zone`, a bare time meaning today's, ``None`` now."""
        if isinstance(start, time_of_day):
            start = datetime.combine(datetime.now(zone).date(), start)
        return cls(start.replace(tzinfo=zone) if start else datetime.now(UTC), speed)

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    def now(self) -> datetime:
        """Return the simulated time, UTC."""
        with self._lock:
            return self._now()

    def jump(self, to: datetime) -> None:
        """Go on from an aware moment, before or after now."""
        with self._lock:
            self._start, self._started = to.astimezone(UTC), self._monotonic()

    def advance(self, seconds: float) -> None:
        """Let simulated seconds pass at once."""
        with self._lock:
            self._start += timedelta(seconds=seconds)

    def set_speed(self, speed: float) -> None:
        """Go on from now at another speed; 0 stops."""
        with self._lock:
            self._start, self._started = self._now(), self._monotonic()
            self._speed = speed

    def _now(self) -> datetime:
        return self._start + timedelta(seconds=(self._monotonic() - self._started) * self._speed)
