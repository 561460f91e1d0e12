"""`/probe?target=&module=`: one scrape of any ECU, configured or not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.trace import Trace
from aps_exporter.errors import TargetError
from aps_exporter.fleet import Fleet
from aps_exporter.metrics.collector import EcuCollector
from aps_exporter.posts import Asked
from aps_exporter.station import Station
from aps_exporter.web.debug import report
from aps_exporter.web.exposition import Expositions, describe_format
from aps_exporter.web.scrapes import Scrapes, header

__all__ = ["Prober", "headers_only", "registry_of"]

YES = ("true", "1", "yes")
NO = ("false", "0", "no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prober:
    """Answers probes."""

    fleet: Fleet
    scrapes: Scrapes
    expositions: Expositions

    async def probe(self, request: Request) -> Response:
        """Read the ECU that is asked for, with nothing but its own metrics."""
        accept, accept_encoding = header(request, "accept"), header(request, "accept-encoding")
        if request.method == "HEAD":
            return headers_only(describe_format(accept))
        try:
            asked = self.fleet.resolve(_one(request, "target"), _one(request, "module", ""))
            debug = _flag(request, "debug")
        except TargetError as error:
            return _refusal(error)
        if debug:
            work = partial(self._debug, asked)
        else:
            work = partial(self._probe, asked, accept=accept, accept_encoding=accept_encoding)
        return await self.scrapes.answer(request, work, asked.settings.timeout, asked.address)

    def _probe(
        self, asked: Asked, deadline: Deadline, *, accept: str, accept_encoding: str
    ) -> Response:
        try:
            with self.fleet.visit(asked) as station:
                registry = registry_of(station, deadline)
                body, headers = self.expositions.render(
                    f"{asked.address} {asked.module}", registry, accept, accept_encoding
                )
        except TargetError as error:  # what the name led to isn't allowed
            return _refusal(error)
        return Response(body, headers=headers)

    def _debug(self, asked: Asked, deadline: Deadline) -> Response:
        trace = Trace()
        post = self.fleet.open_apart(asked, trace)
        try:
            text = report(asked, post, trace, partial(registry_of, post.station, deadline))
        except TargetError as error:
            return _refusal(error)
        finally:
            post.close()
        return PlainTextResponse(text, headers={"cache-control": "no-store"})


def registry_of(
    station: Station, deadline: Deadline, others: tuple[Collector, ...] = ()
) -> CollectorRegistry:
    """Wait for the ECU, and put together what one scrape of it is made of."""
    ecu = EcuCollector(read=station.read, summarize=station.summarize, deadline=deadline)
    registry = CollectorRegistry()
    registry.register(ecu.asked())
    for collector in (*station.collectors, *others):
        registry.register(collector)
    return registry


def headers_only(headers: dict[str, str]) -> Response:
    """Answer HEAD without saying how long a body would be, which only a poll could tell."""
    response = Response(headers=headers)
    del response.headers["content-length"]
    return response


def _one(request: Request, name: str, default: str | None = None) -> str:
    """Give a parameter that may not be repeated."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise TargetError(f"{name} is given more than once", 400)
    if not values or not values[0]:
        if default is None:
            raise TargetError(f"{name} is missing: /probe?{name}=NAME", 400)
        return default
    return values[0]


def _flag(request: Request, name: str) -> bool:
    word = _one(request, name, "false").lower()
    if word not in (*YES, *NO):
        raise TargetError(f"{name} must be true or false", 400)
    return word in YES


def _refusal(error: TargetError) -> Response:
    return PlainTextResponse(f"{error}\n", status_code=error.http_status)
