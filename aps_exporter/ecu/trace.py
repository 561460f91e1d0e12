"""Writes down what one poll did, step by step, for whoever asks why an ECU can't be read."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.addresses import Resolve, SocketAddress
from aps_exporter.ecu.web import Fetch
from aps_exporter.errors import ApsError

__all__ = ["Step", "Trace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was asked of the network."""

    what: str
    outcome: str
    duration_s: float


@dataclass(slots=True)
class Trace:
    """Wraps what a poller uses; a poll's steps come one after the other."""

    steps: list[Step] = field(default_factory=list)
    pages: dict[str, bytes] = field(default_factory=dict)
    """URL → the page."""
    log: list[str] = field(default_factory=list)
    """What the poll had to say, at the level at which we log."""
    clock: Callable[[], float] = time.perf_counter
    _threads: set[int] = field(default_factory=set)

    def fetch(self, fetch: Fetch) -> Fetch:
        """Wrap what gets pages."""

        def traced(url: str, deadline: Deadline) -> bytes:
            with self._step(f"GET {url}") as outcome:
                page = fetch(url, deadline)
                outcome.append(f"status 200, {len(page)} bytes")
            self.pages[url] = page
            return page

        return traced

    def resolve(self, resolve: Resolve) -> Resolve:
        """Wrap what finds the ECU."""

        def traced(host: str, port: int) -> Sequence[SocketAddress]:
            with self._step(f"find {host} port {port}") as outcome:
                addresses = resolve(host, port)
                outcome.append(", ".join(str(address.ip) for address in addresses))
            return addresses

        return traced

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take down what is logged by the threads that work for this poll."""
        self._threads.add(threading.get_ident())
        handler = _Listener(self)
        logger = logging.getLogger("aps_exporter")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)

    def hears(self, thread: int | None) -> bool:
        """Say whether a thread works for this poll."""
        return thread in self._threads

    @contextmanager
    def _step(self, what: str) -> Iterator[list[str]]:
        self._threads.add(threading.get_ident())
        started, outcome = self.clock(), list[str]()
        try:
            yield outcome
        except ApsError as error:
            outcome.append(f"failed: {error}")
            raise
        finally:
            told = outcome[0] if outcome else "failed: a bug"
            self.steps.append(Step(what=what, outcome=told, duration_s=self.clock() - started))


class _Listener(logging.Handler):
    """Gives log records of some threads to their trace."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record's text."""
        if self._trace.hears(record.thread):
            self._trace.log.append(f"{record.levelname} {record.getMessage()}")
