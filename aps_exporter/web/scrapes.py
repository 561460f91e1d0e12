"""Work for one answer: in its own thread, within a scraper's patience, not too much at once."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aps_exporter.deadline import Deadline

__all__ = ["MAX_IN_FLIGHT", "Scrapes", "header"]

MAX_IN_FLIGHT = 64
SHORTEST_DEADLINE_S = 0.5
TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
TIMEOUT_OFFSET_S = 0.5
"""Leaves Prometheus the time to receive the answer before it gives up."""

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Scrapes:
    """Works out answers, `limit` of them at a time."""

    limit: int = MAX_IN_FLIGHT
    in_flight: int = field(default=0, init=False)

    async def answer(
        self, request: Request, work: Callable[[Deadline], Response], timeout_s: float
    ) -> Response:
        """Let a thread work out the answer, unless too many do so already.

        `timeout_s` is the longest it may take, whatever its scraper would allow.
        """
        try:
            allowed_s = _allowed_s(header(request, TIMEOUT_HEADER), timeout_s)
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", status_code=400)
        if self.in_flight >= self.limit:
            return PlainTextResponse(
                f"{self.limit} scrapes are in flight; come back later.\n",
                status_code=503,
                headers={"retry-after": "1"},
            )
        self.in_flight += 1
        try:
            return await asyncio.wrap_future(_in_thread(partial(work, Deadline.after(allowed_s))))
        except asyncio.CancelledError:
            # Only the server cancels, when it has waited long enough for us to finish.
            return PlainTextResponse("aps-exporter is stopping.\n", status_code=503)
        except Exception:  # noqa: BLE001 whatever a bug of ours raises has to be told
            _log.exception("can't answer %s", request.url.path)
            return PlainTextResponse("A bug; the log says more.\n", status_code=500)
        finally:
            self.in_flight -= 1


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


def _in_thread(function: Callable[[], _T]) -> Future[_T]:
    """Call a function in a thread of its own.

    Not in an executor: the program could not end before the last of its threads has.
    """
    future: Future[_T] = Future()
    future.set_running_or_notify_cancel()  # from here on, giving up waiting doesn't cancel it

    def call() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 whoever waits for the future gets it
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=call, name="scrape", daemon=True).start()
    return future
