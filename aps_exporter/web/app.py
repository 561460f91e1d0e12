"""The routes: a scrape reads the ECU in a thread of its own, everything else answers at once."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from aps_exporter import __version__, render
from aps_exporter.deadline import Deadline
from aps_exporter.errors import EcuError
from aps_exporter.metrics.collector import EcuCollector
from aps_exporter.model import Reading
from aps_exporter.summary import Summary
from aps_exporter.web.exposition import Exposition, describe_format
from aps_exporter.web.landing import HEADERS, Outcome, landing_page

__all__ = ["MAX_IN_FLIGHT", "Wiring", "create_app"]

MAX_IN_FLIGHT = 64
SHORTEST_DEADLINE_S = 0.5
TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
TIMEOUT_OFFSET_S = 0.5
"""Leaves Prometheus the time to receive the answer before it gives up."""

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the application serves."""

    read: Callable[[Deadline], Reading]
    """Called in threads, by several at once."""
    summarize: Callable[[Reading], Summary]
    timeout_s: float
    """The longest that a scrape may take, whatever its scraper would allow."""
    exporter_collectors: tuple[Collector, ...] = ()
    """The exporter's own metrics."""
    version: str = __version__


def create_app(wiring: Wiring) -> Starlette:
    """Build the application."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client has no types here
    routes = _Routes(wiring)
    app = Starlette(
        routes=[
            Route("/", routes.landing),
            Route("/metrics", routes.metrics),
            Route("/api/v1/reading", routes.reading),
            Route("/-/healthy", routes.healthy),
            Route("/-/ready", routes.ready),
        ]
    )
    app.router.redirect_slashes = False
    return app


class _Routes:
    """The endpoints, and the little they share."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._exposition = Exposition()
        self._last: Outcome | None = None
        self._in_flight = 0

    async def landing(self, _request: Request) -> Response:
        return HTMLResponse(landing_page(self._last, self._wiring.version), headers=HEADERS)

    async def healthy(self, _request: Request) -> Response:
        return PlainTextResponse("aps-exporter is healthy.\n")

    async def ready(self, _request: Request) -> Response:
        return PlainTextResponse("aps-exporter is ready.\n")

    async def metrics(self, request: Request) -> Response:
        accept, accept_encoding = _header(request, "accept"), _header(request, "accept-encoding")
        if request.method == "HEAD":
            return _headers_only(describe_format(accept))
        return await self._scrape(
            request, partial(self._metrics, accept=accept, accept_encoding=accept_encoding)
        )

    async def reading(self, request: Request) -> Response:
        if request.method == "HEAD":
            return _headers_only({"content-type": "application/json"})
        return await self._scrape(request, self._reading)

    async def _scrape(self, request: Request, answer: Callable[[Deadline], Response]) -> Response:
        """Let a thread work out the answer, unless too many do so already."""
        try:
            allowed_s = _allowed_s(_header(request, TIMEOUT_HEADER), self._wiring.timeout_s)
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", status_code=400)
        if self._in_flight >= MAX_IN_FLIGHT:
            return PlainTextResponse(
                f"{MAX_IN_FLIGHT} scrapes are in flight; come back later.\n",
                status_code=503,
                headers={"retry-after": "1"},
            )
        self._in_flight += 1
        try:
            return await asyncio.wrap_future(_in_thread(partial(answer, Deadline.after(allowed_s))))
        except asyncio.CancelledError:
            # Only the server cancels, when it has waited long enough for us to finish.
            return PlainTextResponse("aps-exporter is stopping.\n", status_code=503)
        except Exception:  # noqa: BLE001 whatever a bug of ours raises has to be told
            _log.exception("can't answer %s", request.url.path)
            return PlainTextResponse("A bug; the log says more.\n", status_code=500)
        finally:
            self._in_flight -= 1

    def _metrics(self, deadline: Deadline, *, accept: str, accept_encoding: str) -> Response:
        registry = CollectorRegistry()
        registry.register(
            EcuCollector(read=self._read, summarize=self._summarize, deadline=deadline)
        )
        for collector in self._wiring.exporter_collectors:
            registry.register(collector)
        body, headers = self._exposition.render(registry, accept, accept_encoding)
        return Response(body, headers=headers)

    def _reading(self, deadline: Deadline) -> Response:
        try:
            summary = self._summarize(self._read(deadline))
        except EcuError as error:
            failure = json.dumps({"error": str(error), "status": error.status})
            return _json(failure, status_code=503)
        return _json(render.to_json(summary, datetime.now().astimezone()))

    def _read(self, deadline: Deadline) -> Reading:
        """Poll, and remember a failure for the landing page."""
        try:
            return self._wiring.read(deadline)
        except EcuError as error:
            self._last = Outcome(at=datetime.now(UTC), result=error)
            raise

    def _summarize(self, reading: Reading) -> Summary:
        """Summarize, and remember the summary for the landing page."""
        summary = self._wiring.summarize(reading)
        self._last = Outcome(at=reading.read_at, result=summary)
        return summary


def _allowed_s(header: str, timeout_s: float) -> float:
    """Say how long a scrape may take: not as long as its scraper waits, nor longer than ours."""
    if not header:
        return max(timeout_s, SHORTEST_DEADLINE_S)
    seconds = float(header) if re.fullmatch(r"\d+(\.\d*)?", header, re.ASCII) else math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"{TIMEOUT_HEADER} is not a number of seconds above 0.")
    return max(min(timeout_s, seconds - TIMEOUT_OFFSET_S), SHORTEST_DEADLINE_S)


def _header(request: Request, name: str) -> str:
    """Give a header's value, the values of a repeated one as the one list that they are."""
    return ",".join(request.headers.getlist(name))


def _headers_only(headers: dict[str, str]) -> Response:
    """Answer HEAD without saying how long a body would be, which only a poll could tell."""
    response = Response(headers=headers)
    del response.headers["content-length"]
    return response


def _json(text: str, status_code: int = 200) -> Response:
    return Response(f"{text}\n", status_code=status_code, media_type="application/json")


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
