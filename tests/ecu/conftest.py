"""What the tests of the ECU reading share."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.ecu.loopback import Ecu, Talk


@pytest.fixture
def monotonic_limit() -> Callable[[], float]:
    """Give a function that says how many seconds ago the test began."""
    began = time.monotonic()
    return lambda: time.monotonic() - began


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], Ecu]]:
    """Start servers, and stop them after the test."""
    ecus: list[Ecu] = []

    def start(talk: Talk) -> Ecu:
        ecus.append(Ecu(talk))
        return ecus[-1]

    yield start
    for ecu in ecus:
        ecu.close()


@pytest.fixture
def full() -> Iterator[tuple[str, int]]:
    """Run a server that takes no connection and refuses none."""
    with socket.socket() as listener, contextlib.ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # the accept queue is full: further SYNs are dropped
            filler = fillers.enter_context(socket.socket())
            filler.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield listener.getsockname()
