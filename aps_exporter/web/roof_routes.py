"""The routes of the roof's page, and of the JSON and the picture that belong to it."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from aps_exporter.fleet import Fleet
from aps_exporter.station import Station
from aps_exporter.web.assets import PAGE_HEADERS, TOKEN, asset
from aps_exporter.web.contract import Day, Status
from aps_exporter.web.contract import Fleet as FleetNow
from aps_exporter.web.day import day_json, fill_from_ecu
from aps_exporter.web.fleet_page import render_fleet
from aps_exporter.web.roof_page import render_page
from aps_exporter.web.roof_svg import SVG_HEADERS, THEMES, draw_roof
from aps_exporter.web.rounds import make_round
from aps_exporter.web.shared import Body, Shared
from aps_exporter.web.status import failures_json, fleet_json, status_json

__all__ = ["roof_routes"]

FIRST_LOOK_S: Final = 1.0
"""For that long a page waits for an ECU of which nothing is known."""
GRACE_S: Final = 0.5
"""For an answer to be built after the poll's own time is up."""
FLEET_S: Final = 5.0
"""For that long all see the same list of ECUs."""

_JSON: Final = {
    "content-type": "application/json",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
_NOW: Final = {**_JSON, "cache-control": "no-store"}
_TODAY: Final = {**_JSON, "cache-control": "no-cache"}
_PAGE: Final = {**PAGE_HEADERS, "content-type": "text/html; charset=utf-8"}


def roof_routes(fleet: Fleet) -> list[Route]:
    """Make the routes.

    No page costs an ECU more than one poll in `Station.look_s`, however many look, and whether
    it answers or not.
    """
    pages = _Pages(fleet)
    return [
        Route("/", pages.page),
        Route("/roof.svg", pages.of_one(pages.picture)),
        Route("/api/v1/status", pages.of_one(pages.status)),
        Route("/api/v1/day", pages.of_one(pages.day)),
        Route("/api/v1/fleet", pages.fleet),
        Route("/static/{token}/{name}", pages.static),
    ]


class _Pages:
    """The endpoints, and what they share."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._shared = Shared()

    def of_one(
        self, answer: Callable[[Request, Station], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Make an endpoint of what is about one ECU: that of `?ecu=`, else the only one."""

        async def endpoint(request: Request) -> Response:
            name = request.query_params.get("ecu")
            station = self._fleet.only if name is None else self._fleet.station(name)
            if station is None and name is None:
                return _problem(400, "say which ECU: ?ecu=NAME")
            if station is None:
                return _problem(404, "no ECU of that name is configured")
            return await answer(request, station)

        return endpoint

    async def page(self, request: Request) -> Response:
        if "ecu" not in request.query_params and self._fleet.only is None:
            return await self._fleet_page(request)
        return await self.of_one(self._roof_page)(request)

    async def _roof_page(self, request: Request, station: Station) -> Response:
        await self._look(request, station, 0.0 if station.outcomes else FIRST_LOOK_S)
        several = self._several()

        def build() -> Body:
            status = status_json(station, among_others=several)
            if several:
                return Body(render_page(status, ecu=station.name))
            others = [each for each in self._fleet.failures() if each[0] != station.name]
            now = station.now().astimezone()
            return Body(render_page(status, failures=failures_json(others, now)))

        stamp = (_moment(station), several)
        body = await self._shared.body(("page", station.name), station, stamp, build)
        return body.answer(request, _PAGE)

    async def status(self, request: Request, station: Station) -> Response:
        await self._look(request, station, station.settings.timeout + GRACE_S)
        several = self._several()
        stamp = (_moment(station), several)

        def build() -> Body:
            return _json(status_json(station, among_others=several))

        body = await self._shared.body(("status", station.name), station, stamp, build)
        return body.answer(request, _NOW)

    async def day(self, request: Request, station: Station) -> Response:
        await self._look(request, station, 0.0 if station.outcomes else FIRST_LOOK_S)
        history = station.history
        history.look()
        now = station.now()
        if request.method != "HEAD" and history.wants_curve(now):
            work = partial(fill_from_ecu, station)
            patience_s = station.settings.timeout + GRACE_S
            await self._shared.wait(("curve", id(station)), work, patience_s)
        stamp = (history.version, history.day(now))
        body = await self._shared.body(
            ("day", station.name), station, stamp, lambda: _json(day_json(station))
        )
        return body.answer(request, _TODAY)

    async def picture(self, request: Request, station: Station) -> Response:
        wanted = request.query_params.get("theme", "auto")
        theme = next((theme for theme in THEMES if theme == wanted), None)
        if theme is None:
            return _problem(400, f"theme is one of {', '.join(THEMES)}")
        await self._look(request, station, station.settings.timeout + GRACE_S)

        def build() -> Body:
            return Body(draw_roof(status_json(station), theme))

        key = ("picture", station.name, theme)
        body = await self._shared.body(key, station, _moment(station), build)
        return body.answer(request, SVG_HEADERS)

    async def fleet(self, request: Request) -> Response:
        return await self._of_all(request, "fleet", _NOW, _json)

    async def _fleet_page(self, request: Request) -> Response:
        return await self._of_all(
            request, "fleet page", _PAGE, lambda fleet: Body(render_fleet(fleet))
        )

    async def static(self, request: Request) -> Response:
        file = asset(request.path_params["name"])
        if file is None:
            return PlainTextResponse("Not Found", status_code=404)
        headers = dict(file.headers)
        if request.path_params["token"] != TOKEN:  # the page of another version
            headers["cache-control"] = "no-store"
        key = ("static", request.path_params["name"])
        body = await self._shared.body(key, self, None, lambda: Body(file.body))
        return body.answer(request, headers)

    def _several(self) -> bool:
        return self._fleet.only is None

    async def _look(self, request: Request, station: Station, patience_s: float) -> None:
        """Have the ECU polled unless somebody did lately; all who look share the poll."""
        last = station.last
        fresh = last is not None and station.monotonic() - last.monotonic < station.look_s
        if not fresh and request.method != "HEAD":
            await self._shared.wait(("poll", id(station)), partial(_poll, station), patience_s)

    async def _of_all(
        self,
        request: Request,
        key: str,
        headers: dict[str, str],
        write: Callable[[FleetNow], Body],
    ) -> Response:
        stations = self._fleet.stations
        if request.method != "HEAD":
            await self._shared.wait("round", partial(make_round, stations.values()), 0.0)

        def build() -> Body:
            return write(
                fleet_json(stations, self._fleet.failures(), datetime.now(UTC).astimezone())
            )

        stamp = int(time.monotonic() / FLEET_S)
        body = await self._shared.body(key, self, stamp, build)
        return body.answer(request, headers)


def _poll(station: Station) -> None:
    station.recent(station.look_s)


def _moment(station: Station) -> tuple[float, int]:
    """Name what a picture of the ECU depends on: its last poll, and the second."""
    last = station.last
    return last.monotonic if last else 0.0, int(station.monotonic())


def _json(document: Status | Day | FleetNow) -> Body:
    return Body(to_json(document) + b"\n")


def _problem(status_code: int, text: str) -> Response:
    return Response(json.dumps({"error": text}) + "\n", status_code=status_code, headers=_NOW)
