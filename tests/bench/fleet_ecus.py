"""Thousands of ECUs in one process, each at a loopback address of its own.

Run as a program: ``python -m tests.bench.fleet_ecus 20 1.0 300`` serves ECUs of 20 panels at every
address of 127.0.0.0/8, thinks for 1 s about each page, has news every 300 s, and prints the port
they share.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from typing import cast

from tests.bench.pages import Pages, write_pages

SWEEPS = 24
"""Written beforehand, around now."""
_HEAD = (
    b"HTTP/1.1 %b\r\nContent-type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
)
_SERIALS = b"80100009"
"""How the simulator's serials begin; each ECU has another beginning."""


def ecu_address(number: int) -> str:
    """Give the address of an ECU."""
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


class _Roofs:
    """What each ECU shows, by its address."""

    def __init__(self, panels: int, sweep_s: float) -> None:
        self._sweeps = write_pages("php", panels, SWEEPS)
        self._sweep_s = sweep_s
        self._began = time.monotonic() - SWEEPS // 2 * sweep_s

    def page(self, path: bytes, address: str) -> bytes | None:
        """Give the page that an ECU shows now; the ECUs' sweeps are spread over time."""
        number = int.from_bytes(socket.inet_aton(address)[1:])
        elapsed_s = time.monotonic() - self._began + number % 300 / 300 * self._sweep_s
        shown = self._sweeps[min(int(elapsed_s / self._sweep_s), SWEEPS - 1)]
        body = _PAGES[path](shown) if path in _PAGES else None
        return body and body.replace(_SERIALS, b"80%06d" % (number % 1_000_000))


_PAGES = {
    b"/index.php/realtimedata": lambda pages: cast("Pages", pages).table,
    b"/index.php/home": lambda pages: cast("Pages", pages).home,
}


class _Ecu(asyncio.Protocol):
    """Answers one request after a while, and closes."""

    def __init__(self, roofs: _Roofs, delay_s: float) -> None:
        self._roofs = roofs
        self._delay_s = delay_s
        self._asked = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Think, once the request is whole."""
        self._asked += data
        if b"\r\n\r\n" in self._asked:
            asyncio.get_running_loop().call_later(self._delay_s, self._answer)

    def _answer(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        path = self._asked.split(b" ", 2)[1]
        body = self._roofs.page(path, transport.get_extra_info("sockname")[0])
        status = b"404 Not Found" if body is None else b"200 OK"
        body = body or b"<html>404 Page Not Found</html>"
        transport.write(_HEAD % (status, len(body), body))
        transport.close()


async def _serve(panels: int, delay_s: float, sweep_s: float) -> None:
    roofs = _Roofs(panels, sweep_s)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Ecu(roofs, delay_s), "0.0.0.0", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
