"""A loopback port whose conversations are functions; it remembers what it was asked."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.tcp import Connect, dial
from tests.ecu.frame_writing import curve, inverters, record, signals, system

Talk = Callable[[socket.socket, bytes, threading.Event], None]
"""Takes the connection, the request, and what is set when the test is over."""

REPLIES = {
    b"0001": system(),
    b"0002": inverters(record("408000012345", "01", 500, 145, 211, 240, 214, 240)),
    b"0030": signals({"408000012345": 204}),
    b"0003": curve({"1230": 4321}),
}


class TcpEcu:
    """Serves one connection after the other, and counts them."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.requests: list[bytes] = []
        self.over = threading.Event()
        self.partings: list[bytes | OSError] = []
        """What came after the answer of each connection: nothing, if the client parted orderly."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def open_port(self) -> Connect:
        """What connects to it."""
        return dial("127.0.0.1", self.port)

    @property
    def commands(self) -> list[str]:
        """The commands it was sent."""
        return [request[9:13].decode() for request in self.requests]

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, contextlib.suppress(OSError):
                if self.over.is_set():
                    return
                connection.settimeout(10)
                request = connection.recv(65536)
                self.requests.append(request)
                self.talk(connection, request, self.over)
                self._part(connection)

    def _part(self, connection: socket.socket) -> None:
        if connection.fileno() >= 0:
            try:
                self.partings.append(connection.recv(65536))
            except OSError as error:
                self.partings.append(error)

    def close(self) -> None:
        """Stop serving."""
        self.over.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        self._thread.join(10)
        self._listener.close()


def answer(connection: socket.socket, request: bytes, over: threading.Event) -> None:
    """Give the reply that fits."""
    del over
    connection.sendall(REPLIES[request[9:13]])


def say(*parts: bytes) -> Talk:
    """Make a port that answers with these bytes."""
    return lambda connection, _, __: connection.sendall(b"".join(parts))


def say_and_close(*parts: bytes) -> Talk:
    """Make a port that answers with these bytes and closes."""

    def talk(connection: socket.socket, request: bytes, over: threading.Event) -> None:
        del request, over
        connection.sendall(b"".join(parts))
        connection.close()

    return talk


def drip(start: bytes, drop: bytes, every: float = 0.02) -> Talk:
    """Make a port that says something, and then a little now and then for ever."""

    def talk(connection: socket.socket, request: bytes, over: threading.Event) -> None:
        del request
        connection.sendall(start)
        while not over.wait(every):
            connection.sendall(drop)

    return talk


def hang(start: bytes = b"") -> Talk:
    """Make a port that says something and then nothing, and keeps the connection."""

    def talk(connection: socket.socket, request: bytes, over: threading.Event) -> None:
        del request
        connection.sendall(start)
        connection.settimeout(30)
        while not over.is_set() and connection.recv(65536):
            pass

    return talk


def reset(start: bytes = b"") -> Talk:
    """Make a port that says something and breaks off."""

    def talk(connection: socket.socket, request: bytes, over: threading.Event) -> None:
        del request, over
        connection.sendall(start)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return talk


def refuse(deadline: Deadline) -> socket.socket:
    """Connect to a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return socket.create_connection(("127.0.0.1", port), timeout=deadline.remaining())
