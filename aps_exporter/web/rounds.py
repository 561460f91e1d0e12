"""Reads the ECUs that nobody else reads while somebody looks at the list of all."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Final

from aps_exporter.station import Station

__all__ = ["make_round"]

OLD_S: Final = 300.0
"""An ECU has news no more often."""
AT_ONCE: Final = 16
"""Hundreds of ECUs that hang must not take hundreds of threads."""


def make_round(stations: Iterable[Station]) -> None:
    """Read those whose last poll is old, some at a time; takes as long as it takes."""
    due = deque(stations)

    def walk() -> None:
        while due:
            try:
                station = due.popleft()
            except IndexError:  # another walker was faster
                return
            station.recent(OLD_S)

    walkers = [threading.Thread(target=walk, name="round", daemon=True) for _ in range(AT_ONCE)]
    for walker in walkers:
        walker.start()
    for walker in walkers:
        walker.join()
