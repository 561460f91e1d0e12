"""`Simulator`: a simulated ECU, blocking for a command or as a context for a test."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Self, TypeVar
from zoneinfo import ZoneInfo

from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.control import state
from aps_exporter.simulator.ecu_server import EcuServer, Visit
from aps_exporter.simulator.faults import parse_fault
from aps_exporter.simulator.gateway import Shown
from aps_exporter.simulator.settings import SimulatorSettings

__all__ = ["Simulator"]

_T = TypeVar("_T")


class Simulator:
    """One simulated ECU.

    As a context it serves from a thread of its own, and all methods may be called from any other::

        with Simulator(SimulatorSettings(family="php")) as ecu:
            requests.get(f"{ecu.url}/index.php/realtimedata")
            ecu.switch_on("inverter-silent=801000090002")
    """

    def __init__(self, settings: SimulatorSettings, clock: Clock | None = None) -> None:
        """Raise `ValueError` for a fault that can't be; no port is opened yet."""
        zone = ZoneInfo(settings.timezone)
        self.clock = clock or Clock.at_local(settings.start, zone, settings.speed)
        self._server = EcuServer(settings, self.clock)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The ECU's port."""
        return self._server.port

    @property
    def host(self) -> str:
        """The ECU's address with its port, as an exporter's configuration takes it."""
        return self._server.host

    @property
    def url(self) -> str:
        """What the ECU's URLs start with."""
        return self._server.url

    @property
    def control_url(self) -> str:
        """The control page, which stays reachable while the ECU refuses."""
        return self._server.control_url

    @property
    def visits(self) -> tuple[Visit, ...]:
        """The requests for the ECU's pages so far, the control page's not counted."""
        return tuple(self._server.visits)

    @property
    def most_in_flight(self) -> int:
        """The most requests that were being answered at once."""
        return self._server.most_in_flight

    def switch_on(self, text: str) -> None:
        """Switch a fault on, written as in `parse_fault`; raises its `ValueError`."""
        self._call(self._server.switch_on(parse_fault(text)))

    def switch_off(self, text: str) -> None:
        """Switch a fault off: ``name=argument`` the one, ``name`` all of that name."""
        name, _, argument = text.partition("=")
        self._call(self._server.switch_off(name, argument or None))

    def shown(self) -> Shown:
        """Return what the pages show now."""

        async def look() -> Shown:
            return self._server.gateway.shown()

        return self._call(look())

    def state(self) -> dict[str, object]:
        """Return what ``/simulator/state`` says."""

        async def look() -> dict[str, object]:
            return state(self._server.gateway)

        return self._call(look())

    def panel_groups(self) -> dict[str, str]:
        """Map each panel's id to the side of the roof it lies on."""
        return self._server.gateway.plant.groups

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until SIGINT or SIGTERM; `ready` is called when the ports are open.

        Raises `OSError` if a port is taken.
        """
        asyncio.run(self._run(ready))

    def __enter__(self) -> Self:
        """Serve from a thread; raises `OSError` if a port is taken."""
        loop = self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="simulated-ecu", daemon=True)
        self._thread.start()
        try:
            self._call(self._server.start())
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
        self._call(self._server.stop())
        self._end()

    async def _run(self, ready: Callable[[], None] | None) -> None:
        loop = self._loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await self._server.start()
        try:
            if ready is not None:
                ready()
            await stop.wait()
        finally:
            await self._server.stop()

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
