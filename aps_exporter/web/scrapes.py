"""Work for one answer: in its own thread, within a scraper's patience, not too much at once."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aps_exporter.deadline import Deadline
from aps_exporter.workers import Run, Workers, in_new_thread

__all__ = ["MAX_IN_FLIGHT", "MAX_PER_ECU", "Scrapes", "header", "in_thread"]

MAX_IN_FLIGHT = 1024
"""10 000 ECUs a minute that take two seconds each keep 333 busy; a first poll takes twice that."""
MAX_PER_ECU = 64
"""More would be waiting for the same poll: one ECU that hangs must not use up the rest."""
CALM = 128
"""So many scrapes may be in flight however busy the machine is."""
MOST_LATE_S = 0.5
"""An answer that is later tells that there is more to do than can be done in time.

To take all of it on would make every answer late, for ever: who is late is asked again.
"""
SETTLE_S = 5.0
"""For so long, answers may still be late because of what was taken on before."""
GROWTH = 32.0
"""By so much grows what is taken on while that many answers as are in flight come in time."""
SHORTEST_DEADLINE_S = 0.5
TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
TIMEOUT_OFFSET_S = 0.5
"""Leaves Prometheus the time to receive the answer before it gives up."""

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Scrapes:
    """Works out answers, `limit` of them at a time, and `per_ecu` of them for the same ECU."""

    limit: int = MAX_IN_FLIGHT
    per_ecu: int = MAX_PER_ECU
    calm: int = CALM
    monotonic: Callable[[], float] = time.monotonic
    in_flight: int = field(default=0, init=False)
    refused: int = field(default=0, init=False)
    """Requests that were turned away."""
    _by_ecu: Counter[str] = field(default_factory=Counter, init=False)
    _room: float = field(init=False)
    """How many may be in flight as things are; less than `limit` while the machine is too slow."""
    _settled: float = field(default=0.0, init=False)
    _workers: Workers = field(default_factory=partial(Workers, "scrape"), init=False)

    def __post_init__(self) -> None:
        """Begin with all the room there is."""
        self._room = self.limit

    async def answer(
        self,
        request: Request,
        work: Callable[[Deadline], Response],
        timeout_s: float,
        ecu: str | None = None,
    ) -> Response:
        """Let a thread work out the answer, unless too many do so already.

        `timeout_s` is the longest it may take, whatever its scraper would allow; `ecu` names the
        ECU for which it waits, if it may have to.
        """
        try:
            allowed_s = _allowed_s(header(request, TIMEOUT_HEADER), timeout_s)
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", status_code=400)
        if why := self._why_not(ecu):
            return self._refuse(why)
        self._count(ecu, 1)
        try:
            return await self._work_out(work, Deadline.after(allowed_s))
        except asyncio.CancelledError:
            # Only the server cancels, when it has waited long enough for us to finish.
            return PlainTextResponse("aps-exporter is stopping.\n", status_code=503)
        except Exception:  # noqa: BLE001 whatever a bug of ours raises has to be told
            _log.exception("can't answer %s", request.url.path)
            return PlainTextResponse("A bug; the log says more.\n", status_code=500)
        finally:
            self._count(ecu, -1)

    def _why_not(self, ecu: str | None) -> str | None:
        """Say why no more can be taken on, if so."""
        if self.in_flight >= self.limit:
            return f"{self.limit} scrapes are in flight"
        if self.in_flight >= self._room:
            return "there is more to do than can be done in time"
        if ecu is not None and self._by_ecu[ecu] >= self.per_ecu:
            return f"{self.per_ecu} scrapes of this ECU are in flight"
        return None

    async def _work_out(self, work: Callable[[Deadline], Response], deadline: Deadline) -> Response:
        """Let a thread do it, and see whether that was in time."""
        asked = self.monotonic()

        def call() -> tuple[Response, float, float]:
            began = self.monotonic()
            return work(deadline), began, self.monotonic()

        response, began, ended = await asyncio.wrap_future(in_thread(call, self._workers.run))
        now = self.monotonic()
        self._adapt(max(began - asked, ended - deadline.at, now - ended), now)
        return response

    def _adapt(self, late_s: float, now: float) -> None:
        """Take on more, little by little, as long as answers come in time, else a quarter less."""
        if late_s <= MOST_LATE_S:
            self._room = min(self.limit, self._room + GROWTH / self._room)
        elif now >= self._settled:
            self._room = max(self.calm, min(self._room, self.in_flight) * 0.75)
            self._settled = now + SETTLE_S

    def _refuse(self, why: str) -> Response:
        self.refused += 1
        return PlainTextResponse(
            f"{why}; come back later.\n", status_code=503, headers={"retry-after": "1"}
        )

    def _count(self, ecu: str | None, change: int) -> None:
        self.in_flight += change
        if ecu is not None:
            self._by_ecu[ecu] += change
            if not self._by_ecu[ecu]:
                del self._by_ecu[ecu]


def header(request: Request, name: str) -> str:
    """Give a header's value, the values of a repeated one as the one list that they are."""
    return ",".join(request.headers.getlist(name))


def _allowed_s(given: str, timeout_s: float) -> float:
    """Say how long a scrape may take: not as long as its scraper waits, nor longer than ours."""
    if not given:
        return max(timeout_s, SHORTEST_DEADLINE_S)
    seconds = float(given) if re.fullmatch(r"\d+(\.\d*)?", given, re.ASCII) else math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"{TIMEOUT_HEADER} is not a number of seconds above 0.")
    return max(min(timeout_s, seconds - TIMEOUT_OFFSET_S), SHORTEST_DEADLINE_S)


def in_thread(function: Callable[[], _T], run: Run = in_new_thread) -> Future[_T]:
    """Call a function in another thread."""
    future: Future[_T] = Future()
    future.set_running_or_notify_cancel()  # from here on, giving up waiting doesn't cancel it

    def call() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 whoever waits for the future gets it
            future.set_exception(error)
        else:
            future.set_result(result)

    run(call)
    return future
