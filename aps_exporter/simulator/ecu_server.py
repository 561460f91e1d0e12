"""The simulated ECU's web server; one event loop serves many, none of them needs a thread."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.control import PREFIX, control
from aps_exporter.simulator.door import Door, reset, write_slowly
from aps_exporter.simulator.faults import Fault
from aps_exporter.simulator.gateway import PATHS, Gateway
from aps_exporter.simulator.page_frame import NOT_FOUND
from aps_exporter.simulator.settings import SimulatorSettings
from aps_exporter.simulator.tcp_server import TcpServer
from aps_exporter.simulator.wire import Answer, BadRequestError, Request, read_request

__all__ = ["EcuServer", "Visit"]

_WORKERS = 2
"""PHP processes of a real ECU; a third request waits."""
_REMEMBERED_VISITS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    at: float
    """`time.monotonic` when it was read."""
    in_flight: int
    """How many requests were being answered then, this one included."""


class EcuServer:
    """Serves one ECU on the running event loop; start and stop it there."""

    def __init__(self, settings: SimulatorSettings, clock: Clock) -> None:
        """Raise `ValueError` for a fault that can't be."""
        self.settings = settings
        self.gateway = Gateway(settings, clock)
        self.visits: deque[Visit] = deque(maxlen=_REMEMBERED_VISITS)
        self.most_in_flight = 0
        self.tcp: TcpServer | None = None
        if settings.has_tcp:
            self.tcp = TcpServer(self.gateway, settings.host, settings.tcp_port)
        self._pages = Door(settings.host, settings.port, self._serve_pages)
        self._control: Door | None = None
        if settings.control_port is not None:
            self._control = Door(settings.host, settings.control_port, self._serve_control)
        self._in_flight = 0
        self._workers = asyncio.Semaphore(_WORKERS)

    @property
    def port(self) -> int:
        """The port of the pages."""
        return self._pages.port

    @property
    def host(self) -> str:
        """The ECU's address with its port, as an exporter's configuration takes it."""
        return self._pages.address

    @property
    def url(self) -> str:
        """What the ECU's URLs start with."""
        return f"http://{self.host}"

    @property
    def control_url(self) -> str:
        """The control page, on its own port if it has one, else on the ECU's."""
        return f"http://{(self._control or self._pages).address}{PREFIX}"

    async def start(self) -> None:
        """Open the ports; raises `OSError` if one is taken."""
        try:
            await self._pages.reserve()
            if self._control is not None:
                await self._control.reserve()
                await self._control.set_open(is_open=True)
            if self.tcp is not None:
                await self.tcp.start()
            await self._open_or_close()
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close everything, open connections included."""
        for each in (self._control, self._pages):
            if each is not None:
                await each.close()
        if self.tcp is not None:
            await self.tcp.stop()

    async def switch_on(self, fault: Fault) -> None:
        """Switch a fault on, as `Gateway.switch_on`."""
        self.gateway.switch_on(fault)
        await self._open_or_close()

    async def switch_off(self, name: str, argument: str | None = None) -> None:
        """Switch a fault off, as `Gateway.switch_off`."""
        self.gateway.switch_off(name, argument)
        await self._open_or_close()

    async def _open_or_close(self) -> None:
        """Listen where connections are not to be refused."""
        refuses = self.gateway.has("refuse") or self.gateway.has("web-refuse")
        await self._pages.set_open(is_open=self.settings.has_pages and not refuses)
        if self.tcp is not None:
            await self.tcp.open_or_close()

    async def _serve_pages(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._serve(reader, writer, is_control=False)

    async def _serve_control(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._serve(reader, writer, is_control=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_control: bool
    ) -> None:
        """Answer one request."""
        try:
            request = await read_request(reader)
            if request is not None:
                await self._answer(request, reader, writer, is_control=is_control)
        except BadRequestError:
            writer.write(Answer(status=400, body=b"Bad Request\n").encode())

    async def _answer(
        self,
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_control: bool,
    ) -> None:
        if is_control or request.path.startswith(PREFIX):
            answer = control(self.gateway, request, self._links())
            await self._open_or_close()
            writer.write(answer.encode(head_only=request.method == "HEAD"))
            await writer.drain()
            return
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        self.visits.append(
            Visit(
                method=request.method,
                path=request.path,
                headers=request.headers,
                at=time.monotonic(),
                in_flight=self._in_flight,
            )
        )
        try:
            await self._answer_as_ecu(request, reader, writer)
        finally:
            self._in_flight -= 1

    async def _answer_as_ecu(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.gateway.has("reset"):
            reset(writer)
            return
        if self.gateway.has("hang"):
            await reader.read()
            return
        async with self._workers:
            await asyncio.sleep(
                self.settings.answer_delay_s + float(self.gateway.argument("slow") or 0)
            )
            answer = self._page(request)
        data = answer.encode(head_only=request.method == "HEAD", old=self.gateway.has("lf-headers"))
        await write_slowly(writer, data, self.gateway.argument("drip"))

    def _page(self, request: Request) -> Answer:
        """Answer as the real one: the known pages to GET and HEAD, the framework's 404 else."""
        if "expect" in request.headers:
            return Answer(status=417, body=b"")
        gone = self.gateway.argument("page-gone")
        body = self.gateway.page(request.path, self.url)
        if gone is not None or body is None or request.method not in ("GET", "HEAD"):
            return Answer(status=int(gone or 404), body=NOT_FOUND)
        share = self.gateway.argument("page-cut")
        if share is not None:
            return Answer(body=body[: int(len(body) * float(share))], has_length=False)
        if self.settings.family == "cgi":
            return Answer(body=body, has_length=False)
        cookie = "Set-Cookie: ci_session=simulated; path=/"
        return Answer(body=body, headers=("Content-type: text/html", cookie, "Server: lighttpd"))

    def _links(self) -> dict[str, str]:
        if not self.settings.has_pages:
            return {}
        paths = PATHS[self.settings.family.partition("-")[0]]
        return {name: self.url + path for path, name in paths.items()}
