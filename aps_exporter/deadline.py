"""A moment after which nobody waits any more, handed down through everything a poll does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

__all__ = ["Deadline"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Make the deadline that passes `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left; 0 when it has passed, never negative."""
        return max(self.at - time.monotonic(), 0.0)
