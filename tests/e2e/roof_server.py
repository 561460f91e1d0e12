"""Serves the roof's page over an invented roof, below any prefix, and counts who asks for what."""

from __future__ import annotations

import base64
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Self

from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from aps_exporter.web.assets import PAGE_HEADERS, asset
from aps_exporter.web.contract import Status
from aps_exporter.web.fleet_page import render_fleet
from aps_exporter.web.roof_page import render_page
from aps_exporter.web.server import ServerThread
from tests.web import invented_roof

Next = Callable[[Request], Awaitable[Response]]


class RoofServer:
    """An exporter's web side, whose roof a test can change at any time."""

    def __init__(self, prefix: str = "", credentials: tuple[str, str] | None = None) -> None:
        """Be ready to serve below `prefix`, to those with these `credentials`."""
        self.prefix = prefix
        self.roof: dict[str, Any] = {}
        """What `invented_roof.status` is asked for."""
        self.spoil: Callable[[Status], None] = lambda _status: None
        """Has the last word on what the status says."""
        self.broken = False
        self.asked: Counter[str] = Counter()
        self._wanted = credentials and base64.b64encode(":".join(credentials).encode()).decode()
        self._changed = threading.Condition()
        routes: list[BaseRoute] = [
            Route("/", self._page),
            Route("/fleet/", self._fleet_page),
            Route("/api/v1/status", self._status),
            Route("/api/v1/day", self._day),
            Route("/fleet/api/v1/fleet", self._fleet),
            Route("/static/{token}/{name}", self._static),
            Route("/fleet/static/{token}/{name}", self._static),
        ]
        app = Starlette(routes=[Mount(prefix, routes=routes)] if prefix else routes)
        app.add_middleware(BaseHTTPMiddleware, dispatch=self._count)
        self._thread = ServerThread(app, ["127.0.0.1:0"])

    @property
    def url(self) -> str:
        """Give the page's address."""
        return f"{self._thread.urls[0]}{self.prefix}/"

    def __enter__(self) -> Self:
        """Start."""
        self._thread.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """End."""
        self._thread.__exit__(None, None, None)

    def status(self) -> Status:
        """Say how the roof is."""
        status = invented_roof.status(**self.roof)
        self.spoil(status)
        return status

    async def _count(self, request: Request, answer: Next) -> Response:
        path = request.url.path.removeprefix(self.prefix)
        self.asked[path] += 1
        if self._wanted and request.headers.get("authorization") != f"Basic {self._wanted}":
            return Response(status_code=401, headers={"www-authenticate": 'Basic realm="roof"'})
        if self.broken:
            return Response(status_code=503)
        return await answer(request)

    async def _page(self, _request: Request) -> Response:
        return HTMLResponse(render_page(self.status()), headers=PAGE_HEADERS)

    async def _fleet_page(self, _request: Request) -> Response:
        return HTMLResponse(render_fleet(invented_roof.fleet()), headers=PAGE_HEADERS)

    async def _status(self, _request: Request) -> Response:
        return JSONResponse(self.status())

    async def _day(self, _request: Request) -> Response:
        known = {key: self.roof[key] for key in ("hour", "lost") if key in self.roof}
        return JSONResponse(invented_roof.day(**known))

    async def _fleet(self, _request: Request) -> Response:
        return JSONResponse(invented_roof.fleet())

    async def _static(self, request: Request) -> Response:
        file = asset(request.path_params["name"])
        if file is None:
            return Response(status_code=404)
        return Response(file.body, headers=file.headers)
