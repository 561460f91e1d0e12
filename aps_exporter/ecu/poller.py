"""One ECU: finds the pages it speaks, polls it one at a time, and lets readers share a poll."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.energy import LifetimeGuard
from aps_exporter.ecu.freshness import Freshness
from aps_exporter.ecu.journal import Journal
from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.ecu.web import LATE, Fetch, fetch
from aps_exporter.errors import EcuError, EcuPageError, EcuTimeoutError
from aps_exporter.model import EcuInfo, Interface, Reading, Table

__all__ = ["Poller"]

TABLE_PATHS: Final = ("/cgi-bin/parameters", "/index.php/realtimedata")
HOME_MARGIN: Final = 0.1
"""Part of the timeout that is left for the answer when the home page hangs."""
CURVE_PATH: Final = "/index.php/realtimedata/old_power_graph"
HOME_PATHS: Final[dict[Interface, str]] = {"cgi": "/cgi-bin/home", "php": "/index.php/home"}


@dataclass(slots=True, kw_only=True)
class Poller:
    """Reads one ECU over its web pages: GET on the table page and the home page, nothing else.

    Each poll runs in a thread of its own with `timeout_s` for everything, so that a reader with
    less patience leaves without hurting the others, and nothing an ECU or a name server does keeps
    a reader beyond its deadline.
    """

    base_url: str
    """Such as ``http://192.168.1.102``, without a slash at the end."""
    path: str | None = None
    """The table page; found by itself when ``None``."""
    timezone: str | None = None
    """Beats the zone that the home page names."""
    timeout_s: float = 5.0
    max_age_s: float = 10.0
    """Readings younger than this are shared; 0 shares a poll only while it runs."""
    stale_after_s: float = 1800.0
    fetch: Fetch = fetch
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    shared: int = field(default=0, init=False)
    """Reads that were answered with another reader's poll."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _talking: threading.Lock = field(default_factory=threading.Lock, init=False)
    """Held by whoever asks the ECU: one at a time."""
    _running: Future[Reading] | None = field(default=None, init=False)
    _last: tuple[float, Reading] | None = field(default=None, init=False)
    _last_table: tuple[bytes, Table] | None = field(default=None, init=False)
    """The table page and what it says; most polls find the page of the one before."""
    _found_path: str | None = field(default=None, init=False)
    _home_timezone: str | None = field(default=None, init=False)
    _lifetime: LifetimeGuard = field(default_factory=LifetimeGuard, init=False)
    _freshness: Freshness = field(init=False)
    _journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        """Set up what is remembered between polls."""
        self._freshness = Freshness(stale_after_s=self.stale_after_s)
        self._journal = Journal(self.base_url.removeprefix("http://"))

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
                threading.Thread(target=self._run, args=(running, deadline), daemon=True).start()
                self._running = running  # only now: a thread that can't start leaves nothing behind
        try:
            return running.result(deadline.remaining())
        except TimeoutError as error:
            raise EcuTimeoutError(LATE) from error

    def day_curve(self, deadline: Deadline) -> bytes:
        """Get the JSON of today's power curve, which php ECUs keep; raises `EcuError`."""
        if not self._talking.acquire(timeout=deadline.remaining()):
            raise EcuTimeoutError(LATE)
        try:
            return self.fetch(self.base_url + CURVE_PATH, deadline)
        finally:
            self._talking.release()

    def _run(self, outcome: Future[Reading], reader: Deadline) -> None:
        """Poll, and tell all who wait; `reader` is the deadline of the one who began."""
        try:
            with self._talking:
                reading = self._poll(Deadline.after(self.timeout_s), reader)
        except BaseException as error:  # noqa: BLE001  # goes to the readers, whatever it is
            if isinstance(error, EcuError):
                self._journal.failed(error, self.monotonic())
            with self._lock:
                self._running = None
            outcome.set_exception(error)
            return
        self._journal.succeeded(reading, self.monotonic())
        with self._lock:
            self._running = None
            self._last = (self.monotonic(), reading)
        outcome.set_result(reading)

    def _poll(self, deadline: Deadline, reader: Deadline) -> Reading:
        started = self.monotonic()
        path, table = self._find_table(deadline)
        read_at, arrived = self.now(), self.monotonic()
        interface: Interface = "cgi" if path.startswith("/cgi-bin/") else "php"
        # A home page that hangs must not take the table along with it.
        patience = Deadline(min(deadline.at, reader.at) - self.timeout_s * HOME_MARGIN)
        ecu, home_error = self._read_home(interface, patience)
        zone = self._zone(ecu)
        judged = self._freshness.judge(
            table.inverters,
            zone=zone,
            ecu_clock=ecu.clock if ecu else None,
            now=read_at,
            monotonic=arrived,
        )
        reading = Reading(
            source=self.base_url + path,
            interface=interface,
            read_at=read_at,
            inverters=judged.inverters,
            unreadable=table.unreadable,
            duplicate_rows=table.duplicate_rows,
            ecu=ecu,
            home_error=home_error,
            timezone=zone.key if zone else None,
            clock_error_s=judged.clock_error_s,
            clock_offset_s=judged.clock_offset_s,
            poll_duration_s=self.monotonic() - started,
        )
        return self._believable(reading)

    def _find_table(self, deadline: Deadline) -> tuple[str, Table]:
        """Read the table page; raises what the likeliest page answered when none is there."""
        paths = (self.path,) if self.path else dict.fromkeys((self._found_path, *TABLE_PATHS))
        errors: list[EcuPageError] = []
        for path in filter(None, paths):
            try:
                table = self._read_table(self.base_url + path, deadline)
            except EcuPageError as error:
                errors.append(error)
            else:
                self._found_path = path
                return path, table
        self._found_path = None
        raise next((error for error in errors if error.status != "page_gone"), errors[0])

    def _read_table(self, url: str, deadline: Deadline) -> Table:
        """Read a page, and once more if it is cut off: the ECU may just be writing its data."""
        try:
            return self._parse_table(self.fetch(url, deadline))
        except EcuPageError as error:
            if error.status != "page_truncated":
                raise
        return self._parse_table(self.fetch(url, deadline))

    def _parse_table(self, page: bytes) -> Table:
        """Parse a page, unless it is the last one still."""
        if self._last_table is None or self._last_table[0] != page:
            self._last_table = (page, parse_table(page))
        return self._last_table[1]

    def _read_home(
        self, interface: Interface, deadline: Deadline
    ) -> tuple[EcuInfo | None, str | None]:
        """Read the home page, or say why not: the table is worth having without it."""
        try:
            return parse_home(self.fetch(self.base_url + HOME_PATHS[interface], deadline)), None
        except EcuError as error:
            return None, str(error)

    def _zone(self, ecu: EcuInfo | None) -> ZoneInfo | None:
        if ecu and ecu.timezone:
            self._home_timezone = ecu.timezone
        name = self.timezone or self._home_timezone
        try:
            return ZoneInfo(name) if name else None
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return None  # an ECU may print anything; a zone in the configuration was checked there

    def _believable(self, reading: Reading) -> Reading:
        """Hold back lifetime energy that dropped and may come back."""
        if reading.ecu is None:
            return reading
        energy_wh = self._lifetime.pass_on(reading.ecu.energy_lifetime_wh, reading.newest_report)
        return replace(reading, ecu=replace(reading.ecu, energy_lifetime_wh=energy_wh))
