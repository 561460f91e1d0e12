"""Turn listen addresses into listening sockets, or into one clear line of what is wrong."""

from __future__ import annotations

import contextlib
import errno
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aps_exporter.errors import ConfigError
from aps_exporter.web.unix_socket import listen_on_path

__all__ = ["BACKLOG", "listen", "url_of"]

BACKLOG = 1024
"""Connections that the kernel keeps for us until we accept them."""

UNIX = "unix:"
_ADDRESS = re.compile(r"(\[(?P<v6>[^\[\]]*)\]|(?P<name>[^:\[\]]*)):(?P<port>\d{1,5})", re.ASCII)
HIGHEST_PORT = 65535
ANY_V4 = "0.0.0.0"  # noqa: S104 listened on only where the user asked for all addresses
ANY_V6 = "::"
_REASONS = {
    errno.EADDRINUSE: "another program uses this port",
    errno.EACCES: "no permission for this port",
    errno.EADDRNOTAVAIL: "this machine doesn't have that address",
}
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    """Where to listen, as somebody wrote it and as the kernel wants it."""

    text: str
    family: socket.AddressFamily
    host: str
    port: int


def listen(addresses: Sequence[str]) -> list[socket.socket]:
    """Listen on all addresses.

    Such as ``[::]:10025`` (IPv6 and IPv4), ``127.0.0.1:0``, ``:10025``, ``unix:/run/aps.sock``.
    """
    endpoints = [_resolve(address) for address in addresses]
    v4_ports = {e.port for e in endpoints if e.family == socket.AF_INET and e.port}
    with contextlib.ExitStack() as undo:
        sockets = [
            undo.enter_context(_listen(endpoint, v6_only=endpoint.port in v4_ports))
            for endpoint in endpoints
        ]
        undo.pop_all()
    return sockets


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Give the URL of what answers on a listening socket; of a socket file, its path."""
    if listener.family == socket.AF_UNIX:
        return f"{scheme}+{UNIX}{_path_of(listener)}"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _path_of(listener: socket.socket) -> str:
    """Give the path of a socket file; Linux knows names without a file, too, as bytes."""
    name = listener.getsockname()
    return name if isinstance(name, str) else name.replace(b"\0", b"@").decode("utf-8", "replace")


def _resolve(address: str) -> _Endpoint:
    """Take an address apart; of a name's several addresses the first counts."""
    text = address.strip()
    if text.startswith(UNIX):
        path = text.removeprefix(UNIX)
        return _Endpoint(text=text, family=socket.AF_UNIX, host=path, port=0)
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > HIGHEST_PORT:
        raise ConfigError(
            f"listen address {address!r}: want HOST:PORT, such as [::]:10025, or unix:PATH"
        )
    host = match["v6"] or match["name"] or ANY_V6
    port = int(match["port"])
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"listen address {address!r}: can't resolve {host!r}") from error
    return _Endpoint(text=address, family=found[0][0], host=host, port=port)


def _listen(endpoint: _Endpoint, *, v6_only: bool) -> socket.socket:
    if endpoint.family == socket.AF_UNIX:
        return listen_on_path(endpoint.host, BACKLOG)
    try:
        return _open(endpoint, v6_only=v6_only)
    except OSError as error:
        if endpoint.host == ANY_V6 and error.errno in _NO_IPV6:
            return _listen(replace(endpoint, family=socket.AF_INET, host=ANY_V4), v6_only=False)
        reason = _REASONS.get(error.errno or 0, error.strerror)
        raise ConfigError(f"can't listen on {endpoint.text}: {reason}") from error


def _open(endpoint: _Endpoint, *, v6_only: bool) -> socket.socket:
    with contextlib.ExitStack() as undo:
        # asyncio sends without delay (40 ms) only on sockets that name the protocol.
        listener = socket.socket(endpoint.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        undo.enter_context(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if endpoint.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        listener.bind((endpoint.host, endpoint.port))
        listener.listen(BACKLOG)
        undo.pop_all()
    return listener
