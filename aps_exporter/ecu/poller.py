"""One ECU: polls it one at a time, lets readers share a poll, and judges what it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.channel_names import ChannelNames
from aps_exporter.ecu.freshness import Freshness
from aps_exporter.ecu.glitches import Glitches
from aps_exporter.ecu.interfaces import Answer, EcuInterface
from aps_exporter.ecu.journal import Journal
from aps_exporter.ecu.web import LATE
from aps_exporter.errors import EcuError, EcuTimeoutError
from aps_exporter.model import EcuInfo, Reading
from aps_exporter.workers import Run, in_new_thread

__all__ = ["Poller"]

MARGIN: Final = 0.1
"""Part of the time that is left for the answer when what is only nice to have hangs."""


@dataclass(slots=True, kw_only=True)
class Poller:
    """Reads one ECU.

    Each poll runs in another thread with `timeout_s` for everything, so that a reader with
    less patience leaves without hurting the others, and nothing an ECU or a name server does keeps
    a reader beyond its deadline.
    """

    name: str
    """The ECU's address as people know it, for the log."""
    interface: EcuInterface
    timezone: str | None = None
    """Beats the zone that the ECU names."""
    timeout_s: float = 5.0
    max_age_s: float = 10.0
    """Readings younger than this are shared; 0 shares a poll only while it runs."""
    stale_after_s: float = 1800.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    talking: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever asks the ECU: one at a time, also of those that share its address."""
    run: Run = in_new_thread
    """Has a poll made in another thread."""
    shared: int = field(default=0, init=False)
    """Reads that were answered with another reader's poll."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _running: Future[Reading] | None = field(default=None, init=False)
    _last: tuple[float, Reading] | None = field(default=None, init=False)
    _ecu_timezone: str | None = field(default=None, init=False)
    _channel_names: ChannelNames = field(default_factory=ChannelNames, init=False)
    _glitches: Glitches = field(default_factory=Glitches, init=False)
    _freshness: Freshness = field(init=False)
    _journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        """Set up what is remembered between polls."""
        self._freshness = Freshness(stale_after_s=self.stale_after_s)
        self._journal = Journal(self.name)

    def read(self, deadline: Deadline) -> Reading:
        """Give a reading: a recent one, that of the poll under way, or a new one.

        Raises `EcuError`: what befell the poll, or that `deadline` came first.
        """
        with self._lock:
            if self._last and self.monotonic() - self._last[0] < self.max_age_s:
                self.shared += 1
                return self._last[1]
            running = self._running
            if running is not None:
                self.shared += 1
            else:
                running = Future()
                self.run(partial(self._run, running, deadline))
                self._running = running  # only now: a thread that can't start leaves nothing behind
        try:
            return running.result(deadline.remaining())
        except TimeoutError as error:
            raise EcuTimeoutError(LATE) from error

    def day_curve(self, deadline: Deadline) -> bytes:
        """Get the JSON of today's power curve, which php ECUs keep; raises `EcuError`."""
        with self._turn(deadline):
            return self.interface.day_curve(deadline)

    def interfaces_up(self) -> Mapping[str, bool]:
        """Say of ``web`` and ``tcp`` whether it answered when it was last asked, if it ever was."""
        return self.interface.up()

    def _run(self, outcome: Future[Reading], reader: Deadline) -> None:
        """Poll, and tell all who wait; `reader` is the deadline of the one who began."""
        try:
            with self._turn(Deadline.after(self.timeout_s)):
                reading, detour = self._poll(Deadline.after(self.timeout_s), reader)
        except BaseException as error:  # noqa: BLE001  # goes to the readers, whatever it is
            if isinstance(error, EcuError):
                self._journal.failed(error, self.monotonic(), resting=self.interface.resting())
            with self._lock:
                self._running = None
            outcome.set_exception(error)
            return
        self._journal.succeeded(reading, self.monotonic(), detour=detour)
        with self._lock:
            self._running = None
            self._last = (self.monotonic(), reading)
        outcome.set_result(reading)

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        """Have the ECU for oneself; raises `EcuTimeoutError`, lest those who wait pile up."""
        if not self.talking.acquire(timeout=deadline.remaining()):
            raise EcuTimeoutError(LATE)
        try:
            yield
        finally:
            self.talking.release()

    def _poll(self, deadline: Deadline, reader: Deadline) -> tuple[Reading, str | None]:
        """Make a reading, and say why it is not from where it should be, if so."""
        started = self.monotonic()
        # What is only nice to have, and hangs, must not take the table along with it.
        whole = Deadline(min(deadline.at, reader.at))
        patience = Deadline(whole.at - whole.remaining() * MARGIN)
        answer = self.interface.poll(deadline, patience)
        return self._judged(answer, started), answer.detour

    def _judged(self, answer: Answer, started: float) -> Reading:
        """Leave out what can't be believed, and mark what is not about now."""
        table, inverters = answer.table, answer.table.inverters
        if answer.interface == "tcp":
            inverters = self._channel_names.give(inverters)
        else:
            self._channel_names.learn(inverters)
        inverters, ecu = self._glitches.hold_back(inverters, answer.ecu, found=answer.glitches)
        zone = self._zone(ecu)
        judged = self._freshness.judge(
            inverters,
            zone=zone,
            ecu_clock=ecu.clock if ecu else None,
            now=answer.read_at,
            monotonic=self.monotonic(),
        )
        return Reading(
            source=answer.source,
            interface=answer.interface,
            read_at=answer.read_at,
            inverters=judged.inverters,
            unreadable=table.unreadable,
            duplicate_rows=table.duplicate_rows,
            ecu=ecu,
            home_error=answer.home_error,
            timezone=zone.key if zone else None,
            clock_error_s=judged.clock_error_s,
            clock_offset_s=judged.clock_offset_s,
            poll_duration_s=self.monotonic() - started,
            glitches=dict(self._glitches.counts),
        )

    def _zone(self, ecu: EcuInfo | None) -> ZoneInfo | None:
        if ecu and ecu.timezone:
            self._ecu_timezone = ecu.timezone
        name = self.timezone or self._ecu_timezone
        try:
            return ZoneInfo(name) if name else None
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return None  # an ECU may print anything; a zone in the configuration was checked there
