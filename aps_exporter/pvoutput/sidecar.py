"""The sidecar: two threads that watch the ECU and feed PVOutput, apart from every scrape."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from aps_exporter.config import Settings
from aps_exporter.deadline import Deadline
from aps_exporter.errors import EcuError
from aps_exporter.model import Reading
from aps_exporter.pvoutput.client import Client
from aps_exporter.pvoutput.forwarder import Forwarder
from aps_exporter.pvoutput.policy import from_settings
from aps_exporter.pvoutput.redact import install
from aps_exporter.pvoutput.status import Snapshot
from aps_exporter.summary import Summary

__all__ = ["Sidecar", "make_sidecar"]

log = logging.getLogger(__name__)

_POLL_S: Final = 60.0
_LONGEST_WAIT_S: Final = 60.0
_MOST_OBSERVED: Final = 64
"""Summaries that may wait for the watching thread; scrapes beyond that need not tell us twice."""
_AFTER_BUG_S: Final = 60.0
_STOP_S: Final = 5.0


class Sidecar:
    """Runs a forwarder: one thread watches the ECU, another one speaks to PVOutput."""

    def __init__(
        self,
        forwarder: Forwarder,
        *,
        read: Callable[[Deadline], Reading],
        summarize: Callable[[Reading], Summary],
        timeout_s: float = 5.0,
    ) -> None:
        """Take how to poll the ECU when no scrape does."""
        self._forwarder = forwarder
        self._read = read
        self._summarize = summarize
        self._timeout_s = timeout_s
        self._observed: queue.SimpleQueue[Summary | None] = queue.SimpleQueue()
        self._poll_at = self._close_at = time.monotonic()
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
            for name, work in (("pvoutput-watch", self._watch), ("pvoutput-send", self._send))
        ]

    def start(self) -> None:
        """Begin to watch and to send."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End within seconds; what is in flight may finish, what waits stays in the outbox."""
        self._stopping.set()
        self._observed.put(None)
        self._news.set()
        deadline = Deadline.after(_STOP_S)
        for thread in self._threads:
            if thread.ident is not None:  # else it never started
                thread.join(deadline.remaining())
        if not any(thread.is_alive() for thread in self._threads):
            self._forwarder.shut()

    def observe(self, summary: Summary) -> None:
        """Take a scrape's summary; never waits for anything."""
        if self._observed.qsize() < _MOST_OBSERVED:
            self._observed.put(summary)

    def snapshot(self) -> Snapshot:
        """Tell how things stand; never waits for anything."""
        return self._forwarder.snapshot()

    def _run(self, work: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                work()
            except Exception:
                # a bug must not end the forwarding for good, nor be hidden
                log.exception("the forwarder stumbled, and goes on in a minute")
                self._stopping.wait(_AFTER_BUG_S)

    def _watch(self) -> None:
        """Take one summary, from a scrape or by a poll, and close the slots that are over."""
        summary = self._next_summary()
        if self._stopping.is_set():
            return
        if summary is not None:
            self._forwarder.take(summary)
        closes = self._forwarder.close()
        self._close_at = time.monotonic() + _seconds_until(closes, _POLL_S)
        self._news.set()

    def _next_summary(self) -> Summary | None:
        """Wait for a scrape's summary, the next slot's end, or the time to poll."""
        patience = min(self._poll_at, self._close_at) - time.monotonic()
        try:
            summary = self._observed.get(timeout=max(patience, 0))
        except queue.Empty:
            if time.monotonic() < self._poll_at:
                return None
            summary = self._poll()
        self._poll_at = time.monotonic() + _POLL_S
        return summary

    def _poll(self) -> Summary | None:
        try:
            return self._summarize(self._read(Deadline.after(self._timeout_s)))
        except EcuError as error:
            log.debug("no reading for PVOutput: %s", error)  # the poller says when the ECU goes
            return None

    def _send(self) -> None:
        """Send one request, and wait until there is reason for another."""
        self._news.clear()
        wake = self._forwarder.send()
        if not self._stopping.is_set():
            self._news.wait(_seconds_until(wake, _LONGEST_WAIT_S))


def make_sidecar(
    settings: Settings,
    *,
    read: Callable[[Deadline], Reading],
    summarize: Callable[[Reading], Summary],
    fetch_curve: Callable[[], bytes] | None = None,
) -> Sidecar:
    """Make the sidecar that the configuration asks for, and keep its key out of the log.

    `fetch_curve` gets the ECU's page `old_power_graph`. Raises `ConfigError`.
    """
    account, policy = from_settings(settings)
    install(account.api_key)
    forwarder = Forwarder(
        state_dir=settings.state_dir,
        system_id=account.system_id,
        service=Client(account),
        policy=policy,
        fetch_curve=fetch_curve,
    )
    return Sidecar(forwarder, read=read, summarize=summarize, timeout_s=settings.timeout)


def _seconds_until(moment: datetime | None, longest: float) -> float:
    """Tell how long to wait; the clock may be set meanwhile, so never very long."""
    if moment is None:
        return longest
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), longest)
