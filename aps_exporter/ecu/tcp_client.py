"""Asks one ECU over TCP for all that a poll wants, seldom enough that its port survives."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.frames import (
    Sweep,
    parse_inverters,
    parse_signals,
    parse_system,
    with_signals,
)
from aps_exporter.ecu.tcp import Command, Connect, exchange
from aps_exporter.ecu.trace import Step
from aps_exporter.ecu.web import LATE
from aps_exporter.errors import ApsError, EcuError, EcuPageError, EcuTimeoutError
from aps_exporter.model import EcuInfo, Table

__all__ = ["TcpClient", "TcpSweep"]

log: Final = logging.getLogger("aps_exporter.ecu")

SIGNALS_EVERY_S: Final = 600.0
SIGNALS_LAST_S: Final = 1800.0
FIRST_PAUSE_S: Final = 60.0
LONGEST_PAUSE_S: Final = 900.0
MOST_TOLD: Final = 6
"""Two polls, or the tries of a few that failed."""
NIGHT: Final = ("02:35", "03:25")
"""The ECU's maintenance, about 02:45 to 03:15 by its clock, which we know to ten minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSweep:
    """All that an ECU told over TCP in one poll."""

    table: Table
    """With the signals of the inverters that are online."""
    swept_at: datetime | None
    """The ECU's wall clock when the sweep began."""
    read_at: datetime
    """Our clock, UTC, when the inverters had arrived."""
    ecu: EcuInfo | None
    ecu_error: str | None
    """Why there is no `ecu`."""
    signals: Mapping[str, float]
    """Serial → strength, of offline inverters too; at most half an hour old."""
    glitches: Mapping[str, int]
    """Kind → impossible values left out of this sweep; none when it is told again."""
    gateways: tuple[str, ...]
    """Ids of ECUs that are registered as inverters, left out."""


@dataclass(slots=True, kw_only=True)
class TcpClient:
    """Reads one ECU: 0002 for the inverters, 0001 for the ECU itself, 0030 now and then.

    Between two polls `every_s` pass, whatever the outcome: the ECU learns something new every five
    minutes only, and a port that is asked too often hangs until somebody pulls the plug. Once it
    refuses, breaks off or is silent, it is left alone for a minute, and for twice as long each time
    that this hasn't helped.
    """

    connect: Connect
    every_s: float = 60.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    told: tuple[tuple[float, Step], ...] = field(default=(), init=False)
    """The last commands: when it was by `monotonic`, and what came of them."""
    _talking: threading.Lock = field(default_factory=threading.Lock, init=False)
    _ecu_id: str | None = field(default=None, init=False)
    _answer: TcpSweep | None = field(default=None, init=False)
    _young_until: float = field(default=-math.inf, init=False)
    _error: EcuError | None = field(default=None, init=False)
    _paused_until: float = field(default=-math.inf, init=False)
    _failures: int = field(default=0, init=False)
    """How often in succession the port has failed us."""
    _last: tuple[bytes, Sweep] | None = field(default=None, init=False)
    _shown: tuple[datetime, float] | None = field(default=None, init=False)
    """A time that the ECU's wall clock showed, and when we saw it."""
    _signals: Mapping[str, float] = field(default_factory=dict, init=False)
    _signals_at: float = field(default=-math.inf, init=False)
    _signals_asked_at: float = field(default=-math.inf, init=False)

    @property
    def in_maintenance(self) -> bool:
        """Say whether it is the time of night when an ECU closes its port: no cause for alarm."""
        if self._shown is None:
            return False
        shown, seen = self._shown
        estimate = shown + timedelta(seconds=self.monotonic() - seen)
        return NIGHT[0] <= f"{estimate:%H:%M}" <= NIGHT[1]

    def sweep(self, deadline: Deadline, patience: Deadline | None = None) -> TcpSweep:
        """Ask the ECU for all it has, or give the last answer while that is young.

        The inverters are worth having without the rest, which has time until `patience`. Raises
        `EcuError`: what went wrong just now, or still does while the port is left alone.
        """
        with self._turn(deadline):
            if self._answer and self.monotonic() < self._young_until:
                return replace(self._answer, glitches={})
            self._leave_alone()
            with self._careful():
                self._answer = self._poll(deadline, patience or deadline)
            self._young_until = self.monotonic() + self.every_s
            return self._answer

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        """Have the port for oneself."""
        if not self._talking.acquire(timeout=deadline.remaining()):
            raise EcuTimeoutError(LATE)
        try:
            yield
        finally:
            self._talking.release()

    def _leave_alone(self) -> None:
        if self._error and self.monotonic() < self._paused_until:
            raise self._error.with_traceback(None)

    @contextmanager
    def _careful(self) -> Iterator[None]:
        """Begin a pause when talking goes wrong."""
        try:
            yield
        except EcuPageError as error:
            self._error, self._paused_until = error, self.monotonic() + self.every_s
            raise
        except EcuError as error:
            self._error = self._pause(error)
            raise self._error from error

    def _pause(self, error: EcuError) -> EcuError:
        """Leave the port alone; gives the error that says until when."""
        if self.in_maintenance:
            seconds, why = FIRST_PAUSE_S, "ECUs do so when they maintain themselves at night"
        else:
            seconds = min(FIRST_PAUSE_S * 2**self._failures, LONGEST_PAUSE_S)
            self._failures = min(self._failures + 1, 9)
            why = "the port recovers only if left alone"
        seconds = max(seconds, self.every_s)
        self._paused_until = self.monotonic() + seconds
        until = self.now() + timedelta(seconds=seconds)
        return type(error)(f"{error}; {why}, so it is asked again at {until:%H:%M:%S} UTC")

    def _poll(self, deadline: Deadline, patience: Deadline) -> TcpSweep:
        # Without its id, an ECU says nothing of its inverters.
        ecu = None if self._ecu_id else self._read_system(deadline)
        sweep = self._read_inverters(deadline)
        read_at = self.now()
        ecu_error = None
        self._error = None
        try:
            with self._careful():
                ecu = ecu or self._read_system(patience)
                self._read_signals(patience)
        except EcuError as error:
            ecu_error = None if ecu else str(error)
            log.debug("TCP: only the inverters can be read: %s", error)
        else:
            self._failures = 0
        signals = self._signals
        if self.monotonic() - self._signals_at > SIGNALS_LAST_S:
            signals = {}
        return TcpSweep(
            table=with_signals(sweep.table, signals),
            swept_at=sweep.swept_at,
            read_at=read_at,
            ecu=ecu,
            ecu_error=ecu_error,
            signals=signals,
            glitches=sweep.glitches,
            gateways=sweep.gateways,
        )

    def _read_system(self, deadline: Deadline) -> EcuInfo:
        ecu = parse_system(self._exchange(Command.SYSTEM, deadline))
        self._ecu_id = ecu.ecu_id
        return ecu

    def _read_inverters(self, deadline: Deadline) -> Sweep:
        """Read the inverters, and once more if they are cut off; another ECU has another id."""
        try:
            try:
                return self._sweep_of(self._exchange(Command.INVERTERS, deadline))
            except EcuPageError as error:
                if error.status != "page_truncated":
                    raise
            return self._sweep_of(self._exchange(Command.INVERTERS, deadline))
        except EcuError:
            self._ecu_id = None
            raise

    def _sweep_of(self, reply: bytes) -> Sweep:
        """Parse a reply; what the ECU says again has no glitches again."""
        if self._last and self._last[0] == reply:
            return replace(self._last[1], glitches={})
        sweep = parse_inverters(reply, self._ecu_id)
        if sweep.swept_at and (self._last is None or sweep.swept_at != self._last[1].swept_at):
            self._shown = sweep.swept_at, self.monotonic()
        self._last = reply, sweep
        return sweep

    def _read_signals(self, deadline: Deadline) -> None:
        """Ask for the signals if it is time to; they cost a connection and change slowly."""
        asked_at = self.monotonic()
        if asked_at - self._signals_asked_at < SIGNALS_EVERY_S:
            return
        self._signals_asked_at = asked_at
        self._signals = parse_signals(self._exchange(Command.SIGNALS, deadline))
        self._signals_at = asked_at

    def _exchange(self, command: Command, deadline: Deadline) -> bytes:
        ecu_id = None if command is Command.SYSTEM else self._ecu_id
        started, outcome = self.monotonic(), "failed: a bug"
        try:
            reply = exchange(command, self.connect, deadline, ecu_id=ecu_id)
            outcome = f"{len(reply)} bytes"
        except ApsError as error:
            outcome = f"failed: {error}"
            raise
        finally:
            ended = self.monotonic()
            step = Step(
                what=f"command {command.value}", outcome=outcome, duration_s=ended - started
            )
            self.told = (*self.told, (ended, step))[-MOST_TOLD:]
        return reply
