"""ECUs on loopback whose whole conversation is a function."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

PAGE = b"<html><table></table></html>"
Talk = Callable[[socket.socket, threading.Event], None]


class Ecu:
    """A loopback server whose conversation is a function; it remembers what it was asked."""

    def __init__(self, talk: Talk) -> None:
        self.requests: list[bytes] = []
        self.over = threading.Event()
        self.closed_by_client = threading.Event()
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/cgi-bin/parameters"

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, contextlib.suppress(OSError):
                if self.over.is_set():
                    return
                self.requests.append(connection.recv(65536))
                self._talk(connection, self.over)

    def close(self) -> None:
        """Stop serving."""
        self.over.set()
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname(), timeout=5).close()
        self._thread.join(10)
        self._listener.close()


def say(*parts: bytes) -> Talk:
    """Make an ECU that answers with these bytes and closes."""
    return lambda connection, _: connection.sendall(b"".join(parts))


def drip(start: bytes, drop: bytes, every: float = 0.05) -> Talk:
    """Make an ECU that says something, and then a little now and then for ever."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.wait(every):
            connection.sendall(drop)

    return talk


def hang(connection: socket.socket, over: threading.Event) -> None:
    """Say nothing, and keep the connection."""
    del connection
    over.wait(30)


def reset(connection: socket.socket, over: threading.Event) -> None:
    """Break the connection off."""
    del over
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
