"""The HTTP server: uvicorn with listeners, limits and an ending of our own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from aps_exporter import __version__
from aps_exporter.web.connections import (
    ACCEPT_BURST,
    HEADER_BYTES,
    Connections,
    GuardedProtocol,
    Limits,
)
from aps_exporter.web.entrance import Entrance
from aps_exporter.web.listen import BACKLOG, listen, url_of
from aps_exporter.web.systemd import systemd_sockets
from aps_exporter.web.tls_connection import Refused, TlsConnection

__all__ = ["ServerThread", "serve"]

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_RELIEF = 64
"""Idle connections to close when the system has no more to give."""
_LAST_WORDS_S = 0.5
"""For answers that say that we are stopping."""
_THREAD_S = 10.0

_Handshakes = Callable[[], ssl.SSLContext | None]
"""Says how to shake hands right now; ``None``: not at all."""

_log = logging.getLogger(__name__)


def serve(
    app: ASGIApp,
    entrance: Entrance | Sequence[str],
    ready: Callable[[list[str]], None] | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` gets the URLs once the server answers.

    Raises ConfigError when it can't listen on one of the addresses, or for the web configuration.
    """
    _server(app, entrance, limits, ready).run()


class ServerThread:
    """The server in a thread, as a context manager: for tests and for the demo."""

    def __init__(
        self,
        app: ASGIApp,
        entrance: Entrance | Sequence[str],
        limits: Limits | None = None,
    ) -> None:
        """Listen, but don't answer yet."""
        self._started = threading.Event()
        self._server = _server(app, entrance, limits, lambda _: self._started.set())
        self.urls = self._server.urls
        self._thread = threading.Thread(target=self._server.run, name="server", daemon=True)

    @property
    def url(self) -> str:
        """Give the URL of the first address."""
        return self.urls[0]

    @property
    def port(self) -> int:
        """Give the port of the first address."""
        return int(self.url.rpartition(":")[2])

    def __enter__(self) -> Self:
        """Start, and wait until the server answers."""
        self._thread.start()
        if not self._started.wait(_THREAD_S):
            raise RuntimeError("the server did not start; its thread's traceback says why")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop as on SIGTERM."""
        self._server.stop()
        self._thread.join(_THREAD_S)


def _server(
    app: ASGIApp,
    entrance: Entrance | Sequence[str],
    limits: Limits | None,
    ready: Callable[[list[str]], None] | None,
) -> _Server:
    """Open the entrance, and put a server behind it."""
    if not isinstance(entrance, Entrance):
        entrance = Entrance(addresses=entrance)
    handshakes: _Handshakes | None = None
    if entrance.config_file is not None:
        # Start time that an exporter without a web configuration doesn't need to spend.
        from aps_exporter.web.door import Door  # noqa: PLC0415 - see above

        door = Door(app, entrance.config_file, health_without_auth=entrance.health_without_auth)
        app, handshakes = door, door.handshakes
    listeners = systemd_sockets(os.environ) if entrance.systemd else listen(entrance.addresses)
    return _Server(app, listeners, limits or Limits(), ready, handshakes)


class _Server(uvicorn.Server):
    """uvicorn's server, guarded."""

    def __init__(
        self,
        app: ASGIApp,
        listeners: list[socket.socket],
        limits: Limits,
        ready: Callable[[list[str]], None] | None,
        handshakes: _Handshakes | None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=self._connection,  # type: ignore[arg-type]  # all that uvicorn does is call it
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                # Its warnings report other people's malformed requests, its infos say what we say.
                log_level=logging.ERROR,
                access_log=_log.isEnabledFor(logging.DEBUG),
                proxy_headers=False,
                server_header=False,
                headers=[
                    ("server", f"aps-exporter/{__version__}"),
                    ("x-content-type-options", "nosniff"),
                ],
                backlog=ACCEPT_BURST,
                h11_max_incomplete_event_size=HEADER_BYTES,
                timeout_keep_alive=limits.idle_s,
                timeout_graceful_shutdown=limits.stop_s,
            )
        )
        self._connections = Connections(limits)
        self.server_state = self._connections
        self._listeners = listeners
        self._ready = ready
        self._handshakes = handshakes
        scheme = "https" if handshakes else "http"
        self.urls = [url_of(listener, scheme) for listener in listeners]
        self._relieved_at = float("-inf")
        self._told_to_stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Begin to stop; safe to call from other threads and from signal handlers."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told_to_stop.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop on a signal, and don't wait for anything on a second ^C."""
        super().handle_exit(sig, frame)
        self.stop()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on our listeners, and close them whatever happens."""
        listeners = self._listeners if sockets is None else sockets
        try:
            super().run(listeners)
        finally:
            for listener in listeners:
                listener.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, and say so."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._on_loop_error)
        await super().startup(sockets)
        for listener, url in zip(self._listeners, self.urls, strict=True):
            # asyncio has set the kernel's queue to the size of its own bursts.
            listener.listen(BACKLOG)
            _log.info("listening on %s", url)
        if self._ready is not None:
            self._ready(self.urls)

    async def main_loop(self) -> None:
        """Sleep until told to stop; uvicorn's would look ten times a second."""
        while not await self.on_tick(0):  # sets the time in the answers, too
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told_to_stop.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is running within the limit, then close what is still open."""
        _log.info("stopping")
        self._connections.drop_handshakes()
        await super().shutdown(sockets)
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_LAST_WORDS_S)
        self._connections.drop_all()
        await asyncio.sleep(0)  # the loop closes them in its next round

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on the first signal; unlike uvicorn, don't die of it afterwards: the exit is 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _connection(
        self,
        config: uvicorn.Config,
        server_state: Connections,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.BaseProtocol:
        """Make what speaks with a new client."""
        connection = GuardedProtocol(config, server_state, app_state, _loop)
        if self._handshakes is None:
            return connection
        context = self._handshakes()
        return TlsConnection(connection, server_state, context) if context else Refused()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Free files when accepting fails for want of them; asyncio tries again in a second."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _EXHAUSTED:
            loop.default_exception_handler(context)
        elif loop.time() - self._relieved_at >= 1:
            self._relieved_at = loop.time()
            _log.warning("can't accept connections (%s); closing idle ones", error.strerror)
            self._connections.drop_idle(_RELIEF)
