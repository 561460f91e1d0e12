"""A connection that begins with a TLS handshake, which has its time and its place like the rest."""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol

from aps_exporter.web.connections import Connections, GuardedProtocol

__all__ = ["Refused", "TlsConnection"]


class TlsConnection(SSLProtocol):
    """asyncio's TLS around an HTTP connection, counted among the others from the first byte.

    Not by way of `create_server(ssl=...)`: that has one context for ever, no word of who is still
    shaking hands, and a read buffer of 256 KiB that makes an idle client as dear as twenty.
    """

    max_size = 16 * 1024  # of the read buffer; a TLS record holds as much

    def __init__(
        self, inner: GuardedProtocol, connections: Connections, context: ssl.SSLContext
    ) -> None:
        """Take the HTTP connection, those that it is counted among, and how to shake hands."""
        super().__init__(
            inner.loop,
            inner,
            context,
            waiter=None,  # type: ignore[arg-type]  # the types know no caller who doesn't wait
            server_side=True,
            ssl_handshake_timeout=connections.limits.handshake_s,  # type: ignore[arg-type]  # any number
            # Also the time for what is still to be sent, so that a last answer arrives.
            ssl_shutdown_timeout=connections.limits.send_s,
        )
        self._inner = inner
        self._connections = connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Take a place among the connections, and begin to shake hands."""
        self._inner.wire = transport
        self._connections.use(self._inner)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back, also when hands were never shaken."""
        self._connections.forget(self._inner)
        super().connection_lost(exc)

    def _on_handshake_complete(self, handshake_exc: BaseException | None) -> None:
        """Tell the client why, where asyncio would close without a word."""
        if handshake_exc is not None:
            self._process_outgoing()  # type: ignore[attr-defined]  # the types leave it out
        super()._on_handshake_complete(handshake_exc)


class Refused(asyncio.Protocol):
    """A connection that is closed at once: nobody can shake hands without a certificate."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        transport.close()
