"""The simulated ECU's web server; one event loop serves many, none of them needs a thread."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass

from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.control import PREFIX, control
from aps_exporter.simulator.faults import Fault
from aps_exporter.simulator.frame import NOT_FOUND
from aps_exporter.simulator.gateway import PATHS, Gateway
from aps_exporter.simulator.settings import SimulatorSettings
from aps_exporter.simulator.wire import LONGEST_HEAD, Answer, BadRequestError, Request, read_request

__all__ = ["EcuServer", "Visit"]

_WORKERS = 2
"""PHP processes of a real ECU; a third request waits."""
_REMEMBERED_VISITS = 10_000
_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER's value with which closing a connection resets it."""


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
        self.port = settings.port
        self.control_port: int | None = None
        self._in_flight = 0
        self._workers = asyncio.Semaphore(_WORKERS)
        self._door = asyncio.Lock()
        self._reserved: socket.socket | None = None
        self._listener: asyncio.Server | None = None
        self._control: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def host(self) -> str:
        """The ECU's address with its port, as an exporter's configuration takes it."""
        host = self.settings.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """What the ECU's URLs start with."""
        return f"http://{self.host}"

    @property
    def control_url(self) -> str:
        """The control page, on its own port if it has one, else on the ECU's."""
        port = self.port if self.control_port is None else self.control_port
        return f"{self.url.removesuffix(str(self.port))}{port}{PREFIX}"

    async def start(self) -> None:
        """Open the ports; raises `OSError` if one is taken."""
        try:
            self._reserved = _bind(self.settings.host, self.port)
            self.port = self._reserved.getsockname()[1]
            if self.settings.control_port is not None:
                control = _bind(self.settings.host, self.settings.control_port)
                self.control_port = control.getsockname()[1]
                self._control = await asyncio.start_server(
                    self._serve_control, sock=control, limit=LONGEST_HEAD
                )
            await self._open_or_close()
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close everything, open connections included."""
        for server in (self._listener, self._control):
            if server is not None:
                server.close()
        if self._reserved is not None:
            self._reserved.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Transports close on the loop's next turn.
        await asyncio.sleep(0)

    async def switch_on(self, fault: Fault) -> None:
        """Switch a fault on, as `Gateway.switch_on`."""
        self.gateway.switch_on(fault)
        await self._open_or_close()

    async def switch_off(self, name: str, argument: str | None = None) -> None:
        """Switch a fault off, as `Gateway.switch_off`."""
        self.gateway.switch_off(name, argument)
        await self._open_or_close()

    async def _open_or_close(self) -> None:
        """Listen, unless connections are to be refused.

        While they are, a socket that is bound but doesn't listen keeps the port ours.
        """
        async with self._door:
            if self.gateway.has("refuse"):
                if self._listener is not None:
                    self._listener.close()
                    self._listener = None
                    self._reserved = _bind(self.settings.host, self.port)
                if self._reserved is not None:
                    # With reuse allowed on both sides, another could listen where we only hold.
                    self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            elif self._reserved is not None:
                self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._listener = await asyncio.start_server(
                    self._serve_ecu, sock=self._reserved, limit=LONGEST_HEAD
                )
                self._reserved = None

    def _serve_ecu(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spawn(self._serve(reader, writer, is_control=False))

    def _serve_control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spawn(self._serve(reader, writer, is_control=True))

    def _spawn(self, conversation: Coroutine[None, None, None]) -> None:
        """Start a task of ours; those of `asyncio.start_server` complain when cancelled."""
        task = asyncio.get_running_loop().create_task(conversation)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_control: bool
    ) -> None:
        """Answer one request and close."""
        try:
            try:
                request = await read_request(reader)
                if request is not None:
                    await self._answer(request, reader, writer, is_control=is_control)
            except BadRequestError:
                writer.write(Answer(status=400, body=b"Bad Request\n").encode())
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            # The other side has gone, which is its right.
            pass
        finally:
            writer.transport.abort()

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
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            writer.transport.abort()
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
        pause = self.gateway.argument("drip")
        if pause is None:
            writer.write(data)
            await writer.drain()
            return
        for byte in data:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(float(pause))

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
        paths = PATHS[self.settings.family.partition("-")[0]]
        return {name: self.url + path for path, name in paths.items()}


def _bind(host: str, port: int) -> socket.socket:
    """Bind without listening; raises `OSError` if the port is taken."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)  # noqa: FBT003  # the socket module has it so
    return bound
