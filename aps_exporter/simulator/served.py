"""Serving from an event loop: blocking for a command, or from a thread for a test."""

from __future__ import annotations

import asyncio
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Self, TypeVar

__all__ = ["Served"]

_T = TypeVar("_T")


class Served(ABC):
    """Something with ports: as a context it serves from a thread of its own."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def _make_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    @abstractmethod
    async def _start(self) -> None:
        """Open the ports; raises `OSError` if one is taken."""

    @abstractmethod
    async def _stop(self) -> None:
        """Close the ports and all connections."""

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until SIGINT or SIGTERM; `ready` is called when the ports are open.

        Raises `OSError` if a port is taken.
        """
        with asyncio.Runner(loop_factory=self._make_loop) as runner:
            runner.run(self._run(ready))

    def __enter__(self) -> Self:
        """Serve from a thread; raises `OSError` if a port is taken."""
        loop = self._loop = self._make_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="simulated-ecu", daemon=True)
        self._thread.start()
        try:
            self._call(self._start())
        except BaseException:
            # Whatever it was, the thread must not outlive it.
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the ports and all connections, and end the thread."""
        self._call(self._stop())
        self._end()

    async def _run(self, ready: Callable[[], None] | None) -> None:
        loop = self._loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await self._start()
        try:
            if ready is not None:
                ready()
            await stop.wait()
        finally:
            await self._stop()

    def _call(self, what: Coroutine[object, object, _T]) -> _T:
        """Run something on the server's loop, where all of its state lives."""
        if self._loop is None:
            what.close()
            message = "the simulator isn't running"
            raise RuntimeError(message)
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    def _end(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = None
