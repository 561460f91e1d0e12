"""Bound what clients can hold: the time for a request, the time for an answer, open connections."""

from __future__ import annotations

import asyncio
import itertools
import resource
from dataclasses import dataclass, field

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

__all__ = ["ACCEPT_BURST", "Connections", "GuardedProtocol", "Limits", "connection_limit"]

ACCEPT_BURST = 16
"""Connections that asyncio accepts at once; it goes on for some rounds before we can refuse any."""

HEADER_BYTES = 16 * 1024
"""h11 bounds by this what it keeps of a request's header, and we what it is given at once."""

_WANTED_FILES = 4096
_RESERVED_FILES = 256
"""For accept bursts, polls of ECUs, databases and logs."""
_MOST_CONNECTIONS = 2048
"""An idle one takes some 15 kB."""


def connection_limit() -> int:
    """Let the process open enough files, and say how many connections that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _WANTED_FILES:
        soft = min(hard, _WANTED_FILES) if hard != resource.RLIM_INFINITY else _WANTED_FILES
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(soft - min(_RESERVED_FILES, soft // 2), _MOST_CONNECTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long clients may take, in seconds, and how many there may be."""

    handshake_s: float = 5.0
    """For TLS to be agreed on."""
    request_s: float = 10.0
    """From the first byte of a request, or from connecting, to the last byte of the request."""
    send_s: float = 30.0
    """For the client to take what we have for it."""
    idle_s: int = 120
    """Between two requests on one connection; longer than most scrape intervals."""
    stop_s: int = 5
    """For what is running when the server is told to stop."""
    farewell_s: float = 0.5
    """Then, for a client without a request to take leave, which TLS asks of both sides."""
    connections: int = field(default_factory=connection_limit)


class Connections(ServerState):
    """uvicorn's shared state, plus the order in which the connections were last used."""

    def __init__(self, limits: Limits) -> None:
        """Start without connections."""
        super().__init__()
        self.limits = limits
        self._by_last_use: dict[GuardedProtocol, None] = {}

    def use(self, connection: GuardedProtocol) -> None:
        """Note that a connection is new or has sent something; make room if there are too many."""
        self._by_last_use.pop(connection, None)
        self._by_last_use[connection] = None
        if len(self._by_last_use) > self.limits.connections:
            self.drop_idle(1)

    def forget(self, connection: GuardedProtocol) -> None:
        """Note that a connection is closed."""
        self._by_last_use.pop(connection, None)

    def drop_idle(self, count: int) -> None:
        """Close up to `count` connections for which nothing is being worked out, oldest first."""
        idle = (connection for connection in self._by_last_use if connection.idle)
        for connection in list(itertools.islice(idle, count)):
            self.forget(connection)
            connection.drop()

    def drop_handshakes(self) -> None:
        """Close every connection on which TLS isn't agreed on yet; uvicorn knows the others."""
        for connection in list(self._by_last_use):
            if connection not in self.connections:
                connection.drop()

    def drop_all(self) -> None:
        """Close every connection at once, unsent answers or not."""
        for connection in self._by_last_use:
            connection.drop()


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 connection, which by itself waits for ever for slow clients."""

    def __init__(
        self,
        config: Config,
        server_state: Connections,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Take what uvicorn hands to a protocol."""
        super().__init__(config, server_state, app_state, _loop)
        self._all = server_state
        limits = server_state.limits
        self._request_fuse = _Fuse(self, limits.request_s)
        self._send_fuse = _Fuse(self, limits.send_s)
        self._farewell_fuse = _Fuse(self, limits.farewell_s)

        self.wire: asyncio.Transport | None = None
        """What the bytes go through in the end; TLS sets it before hands are shaken."""

    @property
    def idle(self) -> bool:
        """Say whether no request of this connection is being worked on."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Start the clock: a request has to come."""
        super().connection_made(transport)
        self.wire = self.wire or transport
        # More unsent than a byte counts as a client that is slow to read, see `pause_writing`;
        # with 0 asyncio's TLS would take itself for full while it is empty.
        transport.set_write_buffer_limits(high=1)
        self._all.use(self)
        self._request_fuse.light()

    def data_received(self, data: bytes) -> None:
        """Take in what came, and see whether the request is whole."""
        self._all.use(self)
        for start in range(0, len(data), HEADER_BYTES):
            if not self.transport.is_closing():
                super().data_received(data[start : start + HEADER_BYTES])
        self._watch_request()

    def on_response_complete(self) -> None:
        """Look whether the next request has begun already."""
        super().on_response_complete()
        self._watch_request()

    def pause_writing(self) -> None:
        """Give the client a limited time to take what waits for it."""
        super().pause_writing()
        self._send_fuse.light()

    def resume_writing(self) -> None:
        """Stop the clock: the client has taken everything."""
        super().resume_writing()
        self._send_fuse.put_out()

    def drop(self) -> None:
        """Close at once, unsent answers or not.

        asyncio's TLS can't be relied on for that: closed twice, it no longer knows its connection.
        """
        if self.wire is not None:
            self.wire.abort()

    def shutdown(self) -> None:
        """Close once all is said, and without waiting long for the client to agree."""
        if not self.transport.is_closing():
            super().shutdown()
        if self.idle and not self.flow.write_paused:
            self._farewell_fuse.light()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything, timers included."""
        self._all.forget(self)
        self._farewell_fuse.put_out()
        self._request_fuse.put_out()
        self._send_fuse.put_out()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _watch_request(self) -> None:
        """Keep the clock running while a request has begun and isn't whole."""
        state = self.conn.their_state
        if state is h11.SEND_BODY or (state is h11.IDLE and self.conn.trailing_data[0]):
            self._request_fuse.light()
        else:
            self._request_fuse.put_out()


class _Fuse:
    """Closes a connection, unsent answers or not, unless it is put out in time."""

    def __init__(self, connection: GuardedProtocol, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def light(self) -> None:
        """Start; one that burns already goes on burning."""
        if self._timer is None:
            connection = self._connection
            self._timer = connection.loop.call_later(self._seconds, connection.drop)

    def put_out(self) -> None:
        """Stop, if it burns."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
