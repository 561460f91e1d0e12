"""A bucket of requests: each takes one, and one comes back per interval."""

from __future__ import annotations

import time
from collections.abc import Callable

from aps_exporter.web.web_config import RateLimit

__all__ = ["Bucket"]


class Bucket:
    """Lets requests pass as long as there is one left; for one thread."""

    def __init__(self, limit: RateLimit, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start full."""
        self.limit = limit
        self._monotonic = monotonic
        self._left = float(limit.burst)
        self._at = monotonic()

    def take(self) -> bool:
        """Take one, and say whether there was one."""
        if not self.limit.interval:
            return True
        now = self._monotonic()
        refill = (now - self._at) / self.limit.interval
        self._left, self._at = min(self._left + refill, float(self.limit.burst)), now
        if self._left < 1:
            return False
        self._left -= 1
        return True
