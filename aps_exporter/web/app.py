"""The routes: a scrape reads the ECU in a thread of its own, everything else answers at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from aps_exporter import render
from aps_exporter.deadline import Deadline
from aps_exporter.errors import EcuError
from aps_exporter.fleet import Fleet
from aps_exporter.station import Station
from aps_exporter.web.exposition import Expositions, describe_format
from aps_exporter.web.lifecycle import Lifecycle
from aps_exporter.web.probe import Prober, headers_only, registry_of
from aps_exporter.web.roof_routes import roof_routes
from aps_exporter.web.scrapes import Scrapes, header
from aps_exporter.web.sd import Discovery, Place

__all__ = ["Wiring", "create_app"]

OWN_S = 5.0
"""For the exporter's own metrics, which wait for nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the application serves."""

    fleet: Fleet
    exporter_collectors: tuple[Collector, ...] = ()
    """The exporter's own metrics."""
    scrapes: Scrapes = field(default_factory=Scrapes)
    reload: Callable[[], None] | None = None
    """Reads the configuration anew; ``None``: not by the web."""
    external: Place | None = None
    """Where Prometheus finds us; ``None``: where its requests do."""


def create_app(wiring: Wiring) -> Starlette:
    """Build the application."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client has no types here
    expositions = Expositions()
    routes = _Routes(wiring, expositions)
    prober = Prober(fleet=wiring.fleet, scrapes=wiring.scrapes, expositions=expositions)
    discovery = Discovery(fleet=wiring.fleet, external=wiring.external)
    app = Starlette(
        routes=[
            *roof_routes(wiring.fleet),
            Route("/metrics", routes.metrics),
            Route("/probe", prober.probe),
            Route("/sd", discovery.sd),
            Route("/api/v1/reading", routes.reading),
            Route("/-/healthy", routes.healthy),
            Route("/-/ready", routes.ready),
            Route("/-/reload", Lifecycle(wiring.reload).reload, methods=["POST"]),
        ]
    )
    app.router.redirect_slashes = False
    return app


class _Routes:
    """The endpoints, and the little they share."""

    def __init__(self, wiring: Wiring, expositions: Expositions) -> None:
        self._wiring = wiring
        self._fleet = wiring.fleet
        self._scrapes = wiring.scrapes
        self._expositions = expositions

    async def healthy(self, _request: Request) -> Response:
        return PlainTextResponse("aps-exporter is healthy.\n")

    async def ready(self, _request: Request) -> Response:
        return PlainTextResponse("aps-exporter is ready.\n")

    async def metrics(self, request: Request) -> Response:
        """Give the exporter's own metrics, and those of the ECU where there is one only."""
        accept, accept_encoding = header(request, "accept"), header(request, "accept-encoding")
        if request.method == "HEAD":
            return headers_only(describe_format(accept))
        only = self._fleet.only
        work = partial(self._metrics, only, accept=accept, accept_encoding=accept_encoding)
        if only is None:
            return await self._scrapes.answer(request, work, OWN_S)
        return await self._scrapes.answer(request, work, only.settings.timeout, only.name)

    async def reading(self, request: Request) -> Response:
        """Give one reading as JSON, of the ECU whose name is asked for."""
        if request.method == "HEAD":
            return headers_only({"content-type": "application/json"})
        name = request.query_params.get("ecu")
        station = self._fleet.only if name is None else self._fleet.station(name)
        if station is None and name is None:
            return _failure("say which ECU: ?ecu=NAME", 400)
        if station is None:
            return _failure("no ECU of that name is configured", 404)
        work, timeout_s = partial(_reading, station), station.settings.timeout
        return await self._scrapes.answer(request, work, timeout_s, station.name)

    def _metrics(
        self, only: Station | None, deadline: Deadline, *, accept: str, accept_encoding: str
    ) -> Response:
        own = self._wiring.exporter_collectors
        if only is not None:
            registry = registry_of(only, deadline, own)
        else:
            registry = CollectorRegistry()
            for collector in own:
                registry.register(collector)
        body, headers = self._expositions.render("", registry, accept, accept_encoding)
        return Response(body, headers=headers)


def _reading(station: Station, deadline: Deadline) -> Response:
    try:
        summary = station.summarize(station.read(deadline))
    except EcuError as error:
        return _failure(str(error), 503, status=error.status)
    return _json(render.to_json(summary, datetime.now().astimezone()))


def _failure(text: str, status_code: int, **more: str) -> Response:
    return _json(json.dumps({"error": text, **more}), status_code=status_code)


def _json(text: str, status_code: int = 200) -> Response:
    return Response(f"{text}\n", status_code=status_code, media_type="application/json")
