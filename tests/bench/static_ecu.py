"""An ECU whose pages are written beforehand, so that it costs as little as can be.

Run as a program: ``python -m tests.bench.static_ecu php 200 5`` serves five sweeps of 200 panels,
the next at each request for the table, and prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import cycle
from typing import cast

from aps_exporter.simulator.settings import Family
from tests.bench.pages import Pages, write_pages


class _Ecu(asyncio.Protocol):
    """Answers one request and closes."""

    def __init__(self, sweeps: cycle[Pages], shown: list[Pages]) -> None:
        self._sweeps = sweeps
        self._shown = shown
        self._asked = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._asked += data
        if self._transport is None or b"\r\n\r\n" not in self._asked:
            return
        path = self._asked.split(b" ", 2)[1].decode()
        if path == self._shown[0].table_path:
            self._shown[0] = next(self._sweeps)
        pages = {page.table_path: page.table for page in self._shown}
        pages |= {page.home_path: page.home for page in self._shown}
        body = pages.get(path)
        status = b"404 Not Found" if body is None else b"200 OK"
        body = body or b"<html>404 Page Not Found</html>"
        self._transport.write(
            b"HTTP/1.1 %b\r\nContent-type: text/html\r\nContent-Length: %d\r\n"
            b"Connection: close\r\n\r\n%b" % (status, len(body), body)
        )
        self._transport.close()


async def _serve(sweeps: list[Pages]) -> None:
    rotation, shown = cycle(sweeps), [sweeps[0]]
    server = await asyncio.get_running_loop().create_server(
        lambda: _Ecu(rotation, shown), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    family, panels, sweeps = sys.argv[1:]
    asyncio.run(_serve(write_pages(cast("Family", family), int(panels), int(sweeps))))
