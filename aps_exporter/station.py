"""One ECU as the exporter serves it: how to read it, what belongs to it, and how it went lately."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from prometheus_client.registry import Collector

from aps_exporter.config import Settings
from aps_exporter.deadline import Deadline
from aps_exporter.errors import EcuError
from aps_exporter.history import History
from aps_exporter.model import Reading
from aps_exporter.pvoutput.status import Snapshot
from aps_exporter.summary import Summary

__all__ = ["LOOK_S", "MOST_OUTCOMES", "Outcome", "Station"]

MOST_OUTCOMES: Final = 20
LOOK_S: Final = 60.0
"""Those who look at an ECU's page cost it one poll in that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a poll ended."""

    at: datetime
    """UTC."""
    monotonic: float
    duration_s: float
    result: Summary | EcuError


@dataclass(slots=True, kw_only=True)
class Station:
    """One ECU with everything that goes with it; safe to use from several threads."""

    settings: Settings
    poll: Callable[[Deadline], Reading]
    """Called in threads, by several at once; shares polls (see `Poller.read`)."""
    hold: Callable[[Reading], Summary]
    """Holds a reading against who should be there."""
    name: str = ""
    """As the configuration's list of ECUs calls it; the host without one."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The owner's own, for service discovery."""
    collectors: list[Collector] = field(default_factory=list)
    """This ECU's metrics that need no poll, such as the sun's."""
    observers: list[Callable[[Summary], None]] = field(default_factory=list)
    """Get the summary of every new reading; must return at once."""
    publishing: Callable[[], Snapshot] | None = None
    """How the forwarding to PVOutput stands; ``None`` when nothing is forwarded."""
    history: History = field(default_factory=History)
    """Today's power, as the summaries tell it."""
    day_curve: Callable[[Deadline], bytes] | None = None
    """Gets the page of the curve that the ECU itself keeps; may raise `EcuError`."""
    look_s: float = LOOK_S
    """For so long a poll serves all who look at the ECU's page."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    """The time at the ECU, which is another one where it is simulated."""
    monotonic: Callable[[], float] = time.monotonic
    outcomes: deque[Outcome] = field(
        default_factory=lambda: deque(maxlen=MOST_OUTCOMES), init=False
    )
    """The last polls, the newest last."""
    last_failure: Outcome | None = field(default=None, init=False)
    """The newest failure, however many polls have gone well since."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        """Call an ECU without a name by its address, and begin its history."""
        self.name = self.name or self.settings.host
        self.observers.append(self.history.observe)

    @property
    def last(self) -> Outcome | None:
        """How the last poll ended; ``None`` before the first."""
        return self.outcomes[-1] if self.outcomes else None

    def read(self, deadline: Deadline) -> Reading:
        """Poll, or share a poll; raises `EcuError`, and remembers it."""
        started = self.monotonic()
        try:
            return self.poll(deadline)
        except EcuError as error:
            with self._lock:
                if self.last is None or self.last.result is not error:
                    self._remember(self.now(), self.monotonic() - started, error)
                    self.last_failure = self.last
            # What is remembered must not hold on to the page that was being read.
            error.__context__ = None
            raise error.with_traceback(None) from None

    def summarize(self, reading: Reading) -> Summary:
        """Summarize a reading, once for all who share it."""
        with self._lock:
            last = self.last
            if last and isinstance(last.result, Summary) and last.result.reading is reading:
                return last.result
            summary = self.hold(reading)
            self._remember(reading.read_at, reading.poll_duration_s, summary)
        for observe in self.observers:
            observe(summary)
        return summary

    def recent(self, max_age_s: float) -> Summary | EcuError:
        """Give how things stand, polling only when the last poll is older than `max_age_s`.

        Failures count as polls: who looks at a page must not press an ECU that is down.
        """
        last = self.last
        if last and self.monotonic() - last.monotonic < max_age_s:
            return last.result
        try:
            return self.summarize(self.read(Deadline.after(self.settings.timeout)))
        except EcuError as error:
            return error

    def _remember(self, at: datetime, duration_s: float, result: Summary | EcuError) -> None:
        if self.last and isinstance(self.last.result, EcuError):
            # Its traceback holds on to all of the scrape to which it was told.
            self.last.result.__traceback__ = None
        self.outcomes.append(
            Outcome(at=at, monotonic=self.monotonic(), duration_s=duration_s, result=result)
        )
