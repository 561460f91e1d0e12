"""The hour's quota, the pace and the pauses: when the next request may go out, and which."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from aps_exporter.pvoutput.answers import Rate

__all__ = ["Budget", "next_hour"]

_FREE_LIMIT: Final = 60
_HOUR: Final = timedelta(hours=1)
_PACE: Final = timedelta(seconds=10)
_FARTHEST_RESET: Final = timedelta(hours=2)
"""A reset beyond that is nonsense, and so is any pause: our clock was set back."""
_RESERVE: Final = 5
"""Requests left over for other programs that share the key."""
_BACKOFF_S: Final = 5.0
_BACKOFF_CAP_S: Final = 900.0
_LOADING_TRIES: Final = 10


@dataclass(slots=True)
class Budget:
    """All of it is kept in the outbox too, so that a restart doesn't forget it.

    The quota is PVOutput's word while its headers are there and plausible; without them it is our
    own count over the clock hour, of which at most half goes to the backlog.
    """

    limit: int = _FREE_LIMIT
    remaining: int | None = None
    """What the headers left us, less what we used since; ``None`` without valid headers."""
    reset: float = 0.0
    """When the headers' hour ends, Unix seconds."""
    window: int = 0
    """The clock hour of our own count."""
    used: int = 0
    used_for_backlog: int = 0
    last_request: float = 0.0
    hold_until: float = 0.0
    failures: int = 0
    """Transient failures in a row."""
    loading: int = 0
    """Answers in a row that a batch is still being read."""

    @classmethod
    def restored(cls, stored: Mapping[str, object]) -> Self:
        """Take up what was kept; what doesn't fit any more is new."""
        budget = cls()
        for field in fields(cls):
            value = stored.get(field.name)
            if isinstance(value, int | float) and math.isfinite(value):
                setattr(budget, field.name, value)
        return budget

    def kept(self) -> dict[str, object]:
        """Give what has to outlive a restart."""
        return asdict(self)

    def ready_at(self, now: datetime) -> datetime:
        """Tell when any request at all may go out: after the pause, and at the pace."""
        ready = max(_moment(self.hold_until), _moment(self.last_request) + _PACE)
        return ready if ready <= now + _FARTHEST_RESET + timedelta(minutes=5) else now

    def exhausted_until(
        self, now: datetime, *, backlog: bool, interval: int, luck: random.Random
    ) -> datetime | None:
        """Tell until when the quota forbids a request; ``None`` if one may go out now.

        The backlog leaves one request for every slot that will close before the quota is new, and
        a few for other programs.
        """
        self._roll(now)
        end = _moment(self.reset) if self.remaining is not None else next_hour(now)
        left = self.limit - self.used if self.remaining is None else self.remaining
        if left <= 0:
            return end + timedelta(seconds=luck.uniform(5, 60))
        if not backlog:
            return None
        slots_to_come = math.ceil((end - now) / timedelta(minutes=interval))
        if left <= slots_to_come + _RESERVE:
            return end
        if self.remaining is None and self.used_for_backlog >= self.limit // 2:
            return end
        return None

    def count(self, now: datetime, *, backlog: bool) -> None:
        """Book a request that is about to go out; a refused one counts at PVOutput too."""
        self._roll(now)
        self.last_request = now.timestamp()
        self.used += 1
        self.used_for_backlog += backlog
        if self.remaining is not None:
            self.remaining = max(self.remaining - 1, 0)

    def learn(self, rate: Rate | None, now: datetime) -> None:
        """Take over what the headers say, if they say something that can be."""
        if rate is not None and now < _moment(rate.reset) <= now + _FARTHEST_RESET:
            self.limit, self.remaining, self.reset = rate.limit, rate.remaining, rate.reset

    def rate_limited(self, now: datetime, luck: random.Random) -> None:
        """Wait for the next hour's quota, by the headers' word or else by the clock."""
        self._roll(now)
        end = _moment(self.reset) if self.remaining is not None else next_hour(now)
        self._hold(end + timedelta(seconds=luck.uniform(5, 60)))

    def slow_down(self, now: datetime) -> None:
        """Wait for as long as the pace should have been."""
        self._hold(now + 2 * _PACE)

    def failed(self, now: datetime, luck: random.Random) -> None:
        """Wait longer after each transient failure, and each time a random part of it."""
        longest = min(_BACKOFF_S * 2 ** min(self.failures, 20), _BACKOFF_CAP_S)
        self.failures += 1
        self._hold(now + timedelta(seconds=luck.uniform(0, longest)))

    def still_loading(self, now: datetime, luck: random.Random) -> None:
        """Give PVOutput half a minute to read a batch, but not for ever."""
        self.loading += 1
        if self.loading > _LOADING_TRIES:
            self.failed(now, luck)
        else:
            self._hold(now + timedelta(seconds=luck.uniform(20, 30)))

    def succeeded(self) -> None:
        """Forget earlier failures."""
        self.failures = self.loading = 0

    def _hold(self, until: datetime) -> None:
        self.hold_until = until.timestamp()

    def _roll(self, now: datetime) -> None:
        """Begin a new hour when the old one is over, by the headers and by our own count."""
        if self.remaining is not None and not (now < _moment(self.reset) <= now + _FARTHEST_RESET):
            self.remaining = None
        window = int(now.timestamp() // _HOUR.total_seconds())
        if window != self.window:
            self.window, self.used, self.used_for_backlog = window, 0, 0


def next_hour(now: datetime) -> datetime:
    """Find the next full hour, when PVOutput renews its quotas."""
    return _moment((now.timestamp() // _HOUR.total_seconds() + 1) * _HOUR.total_seconds())


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
