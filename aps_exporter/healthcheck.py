"""Ask the exporter in the same container whether it is healthy, with the standard library alone.

``python -m aps_exporter.healthcheck`` follows the first address that `serve` was told to listen on,
and exits 0 or 1 with one line for whoever looks at the container's health log.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import sys
from collections.abc import Mapping

__all__ = ["DEFAULT_LISTEN", "LISTEN_VARIABLE", "main"]

LISTEN_VARIABLE = "APS_EXPORTER_SERVE_LISTEN"
DEFAULT_LISTEN = "[::]:10025"
_TIMEOUT_S = 3.0
_UNIX = "unix:"
# Listening on all addresses means IPv4 alone where the container has no IPv6.
_LOOPBACKS = {
    "": ("::1", "127.0.0.1"),
    "::": ("::1", "127.0.0.1"),
    "0.0.0.0": ("127.0.0.1",),  # noqa: S104 - asked, not listened on
}
_NEEDS_CERTIFICATE = "only clients with a certificate are let in"
_ALIVE = ("200", "401", "429", _NEEDS_CERTIFICATE)
"""Who wants a password or a certificate first, or to be asked less often, is well, too."""


def main(environ: Mapping[str, str]) -> int:
    """Return 0 when the exporter says that it is healthy, else 1."""
    address = (environ.get(LISTEN_VARIABLE, "").split() or [DEFAULT_LISTEN])[0]
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    hosts = (address,) if address.startswith(_UNIX) else _LOOPBACKS.get(host, (host,))
    answer = ""
    for name in hosts:
        answer = _ask(name, port)
        if answer in _ALIVE or answer.isdigit():
            break
    print(f"{address}: {answer}")  # noqa: T201 - Docker keeps it in the health log
    return 0 if answer in _ALIVE else 1


def _ask(host: str, port: str) -> str:
    """Return the status of the health page, or why there is none."""
    try:
        try:
            return _status(_Connection(host, port))
        except (ConnectionResetError, http.client.HTTPException):
            return _status_over_tls(_Connection(host, port, _any_certificate()))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(error)


def _status(connection: _Connection) -> str:
    with contextlib.closing(connection):
        connection.request("GET", "/-/healthy", headers={"Connection": "close"})
        return str(connection.getresponse().status)


def _status_over_tls(connection: _Connection) -> str:
    with contextlib.closing(connection):
        try:
            connection.connect()
        except ssl.SSLError as error:
            # So says TLS 1.2; 1.3 lets us finish, and closes then.
            if str(error.reason).endswith("ALERT_HANDSHAKE_FAILURE"):
                return _NEEDS_CERTIFICATE
            raise
        try:
            return _status(connection)
        except (ConnectionError, ssl.SSLError):
            return _NEEDS_CERTIFICATE


def _any_certificate() -> ssl.SSLContext:
    """Trust whoever has our port in our own container: nothing is told to them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Connection(http.client.HTTPConnection):
    """HTTP to a host or a socket file, over TLS or not."""

    def __init__(self, host: str, port: str, context: ssl.SSLContext | None = None) -> None:
        self._path = host.removeprefix(_UNIX) if host.startswith(_UNIX) else ""
        self._context = context
        place = ("localhost", 80) if self._path else (host, int(port))
        super().__init__(*place, timeout=_TIMEOUT_S)

    def connect(self) -> None:
        """Connect, and shake hands where there is TLS."""
        if self._path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(_TIMEOUT_S)
            self.sock.connect(self._path)
        else:
            super().connect()
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock)


if __name__ == "__main__":
    sys.exit(main(os.environ))
