"""The routes: a scrape reads the ECU in a thread of its own, everything else answers at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import partial

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
from aps_exporter.station import Station
from aps_exporter.web.exposition import Exposition, describe_format
from aps_exporter.web.landing import HEADERS, landing_page
from aps_exporter.web.scrapes import Scrapes, header

__all__ = ["Wiring", "create_app"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the application serves."""

    station: Station
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
        self._station = wiring.station
        self._exposition = Exposition()
        self._scrapes = Scrapes()

    async def landing(self, _request: Request) -> Response:
        page = landing_page(self._station.last, self._wiring.version)
        return HTMLResponse(page, headers=HEADERS)

    async def healthy(self, _request: Request) -> Response:
        return PlainTextResponse("aps-exporter is healthy.\n")

    async def ready(self, _request: Request) -> Response:
        return PlainTextResponse("aps-exporter is ready.\n")

    async def metrics(self, request: Request) -> Response:
        accept, accept_encoding = header(request, "accept"), header(request, "accept-encoding")
        if request.method == "HEAD":
            return _headers_only(describe_format(accept))
        work = partial(self._metrics, accept=accept, accept_encoding=accept_encoding)
        return await self._scrapes.answer(request, work, self._station.settings.timeout)

    async def reading(self, request: Request) -> Response:
        if request.method == "HEAD":
            return _headers_only({"content-type": "application/json"})
        timeout_s = self._station.settings.timeout
        return await self._scrapes.answer(request, self._reading, timeout_s)

    def _metrics(self, deadline: Deadline, *, accept: str, accept_encoding: str) -> Response:
        registry = CollectorRegistry()
        station = self._station
        registry.register(
            EcuCollector(read=station.read, summarize=station.summarize, deadline=deadline)
        )
        for collector in (*station.collectors, *self._wiring.exporter_collectors):
            registry.register(collector)
        body, headers = self._exposition.render(registry, accept, accept_encoding)
        return Response(body, headers=headers)

    def _reading(self, deadline: Deadline) -> Response:
        try:
            summary = self._station.summarize(self._station.read(deadline))
        except EcuError as error:
            failure = json.dumps({"error": str(error), "status": error.status})
            return _json(failure, status_code=503)
        return _json(render.to_json(summary, datetime.now().astimezone()))


def _headers_only(headers: dict[str, str]) -> Response:
    """Answer HEAD without saying how long a body would be, which only a poll could tell."""
    response = Response(headers=headers)
    del response.headers["content-length"]
    return response


def _json(text: str, status_code: int = 200) -> Response:
    return Response(f"{text}\n", status_code=status_code, media_type="application/json")
