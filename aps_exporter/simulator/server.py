"""`Simulator`: a simulated ECU, blocking for a command or as a context for a test."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.control import state
from aps_exporter.simulator.ecu_server import EcuServer, Visit
from aps_exporter.simulator.faults import parse_fault
from aps_exporter.simulator.gateway import Shown
from aps_exporter.simulator.served import Served
from aps_exporter.simulator.settings import SimulatorSettings
from aps_exporter.simulator.tcp_server import TcpVisit

__all__ = ["Simulator"]


class Simulator(Served):
    """One simulated ECU.

    As a context it serves from a thread of its own, and all methods may be called from any other::

        with Simulator(SimulatorSettings(family="php")) as ecu:
            requests.get(f"{ecu.url}/index.php/realtimedata")
            ecu.switch_on("inverter-silent=801000090002")
    """

    def __init__(self, settings: SimulatorSettings, clock: Clock | None = None) -> None:
        """Raise `ValueError` for a fault that can't be; no port is opened yet."""
        super().__init__()
        zone = ZoneInfo(settings.timezone)
        self.clock = clock or Clock.at_local(settings.start, zone, settings.speed)
        self._server = EcuServer(settings, self.clock)

    @property
    def settings(self) -> SimulatorSettings:
        """What is simulated."""
        return self._server.settings

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
    def has_pages(self) -> bool:
        """Say whether the ECU has web pages."""
        return self._server.settings.has_pages

    @property
    def tcp_port(self) -> int | None:
        """The port that takes commands over TCP; ``None``: there is none."""
        return self._server.tcp.door.port if self._server.tcp else None

    @property
    def tcp_host(self) -> str | None:
        """The address with the port that takes commands over TCP; ``None``: there is none."""
        return self._server.tcp.door.address if self._server.tcp else None

    @property
    def tcp_visits(self) -> tuple[TcpVisit, ...]:
        """The commands over TCP so far, the forbidden ones not among them."""
        return tuple(self._server.tcp.visits) if self._server.tcp else ()

    @property
    def forbidden_commands(self) -> tuple[bytes, ...]:
        """Whatever came over TCP that was none of the commands that only read."""
        return tuple(self._server.tcp.forbidden) if self._server.tcp else ()

    @property
    def most_tcp_connections(self) -> int:
        """The most connections to the TCP port that were open at once."""
        return self._server.tcp.most_connections if self._server.tcp else 0

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

    def told(self) -> Shown:
        """Return what is told over TCP now."""

        async def look() -> Shown:
            return self._server.gateway.told()

        return self._call(look())

    def state(self) -> dict[str, object]:
        """Return what ``/simulator/state`` says."""

        async def look() -> dict[str, object]:
            return state(self._server.gateway)

        return self._call(look())

    def panel_groups(self) -> dict[str, str]:
        """Map each panel's id to the side of the roof it lies on."""
        return self._server.gateway.plant.groups

    async def _start(self) -> None:
        await self._server.start()

    async def _stop(self) -> None:
        await self._server.stop()
