"""A port that can be shut and stays ours, and the conversations that begin there."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine

from aps_exporter.simulator.wire import LONGEST_HEAD

__all__ = ["Door", "bind", "reset", "write_slowly"]

_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER's value with which closing a connection resets it."""

_Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


class Door:
    """A port on the running event loop; while it is shut, connections are refused."""

    def __init__(self, host: str, port: int, converse: _Conversation) -> None:
        """Take what is done with each connection; it needn't close it."""
        self.host = host
        self.port = port
        self._converse = converse
        self._lock = asyncio.Lock()
        self._reserved: socket.socket | None = None
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """The address with its port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def reserve(self) -> None:
        """Take the port without listening; raises `OSError` if it is another's, and names it."""
        self._reserved = bind(self.host, self.port)
        self.port = self._reserved.getsockname()[1]

    async def set_open(self, *, is_open: bool) -> None:
        """Listen, or refuse: a socket that is bound but doesn't listen keeps the port ours."""
        async with self._lock:
            if not is_open:
                if self._listener is not None:
                    self._listener.close()
                    self._listener = None
                    self._reserved = bind(self.host, self.port)
                if self._reserved is not None:
                    # With reuse allowed on both sides, another could listen where we only hold.
                    self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            elif self._reserved is not None:
                self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._listener = await asyncio.start_server(
                    self._welcome, sock=self._reserved, limit=LONGEST_HEAD
                )
                self._reserved = None

    async def close(self) -> None:
        """Give the port up and end all conversations."""
        if self._listener is not None:
            self._listener.close()
        if self._reserved is not None:
            self._reserved.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Transports close on the loop's next turn.
        await asyncio.sleep(0)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Start a task of ours; those of `asyncio.start_server` complain when cancelled."""
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            # The other side has gone, which is its right.
            pass
        finally:
            writer.transport.abort()


def reset(writer: asyncio.StreamWriter) -> None:
    """Reset a connection."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    writer.transport.abort()


async def write_slowly(writer: asyncio.StreamWriter, data: bytes, pause: str | None) -> None:
    """Write byte by byte with so many seconds after each; all at once if ``None``."""
    if pause is None:
        writer.write(data)
        await writer.drain()
        return
    for byte in data:
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(float(pause))


def bind(host: str, port: int) -> socket.socket:
    """Bind without listening; raises `OSError`, which names the port, if it is taken."""
    try:
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
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error
    bound.setblocking(False)  # noqa: FBT003  # the socket module has it so
    return bound
