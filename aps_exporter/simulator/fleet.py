"""Thousands of simulated ECUs in one process, each at a loopback address of its own."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import selectors
import time
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.door import bind
from aps_exporter.simulator.gateway import PATHS, Gateway
from aps_exporter.simulator.page_frame import NOT_FOUND
from aps_exporter.simulator.served import Served
from aps_exporter.simulator.settings import SimulatorSettings
from aps_exporter.simulator.wire import LONGEST_HEAD, Answer

__all__ = ["MOST_ECUS", "FleetServer", "Member"]

MOST_ECUS = 50_000
_MOST_INVERTERS = 999
_ROOFS = 8
"""So many different roofs there are; the ECUs take them in turn."""
_ALL = "0.0.0.0"  # noqa: S104  # one socket for all; a visitor of another address is sent away
_IN_A_ROW = 250
"""ECUs for each value of an address's third number."""
_FIRST = int(ipaddress.IPv4Address("127.1.0.1"))
_KEPT_S = 1.0
"""A page that was written is good for so long, as its clock shows seconds."""
_MOMENT_S = 0.01
"""What comes, or is due, within this time is done together."""
_BACKLOG = 4096
_END_OF_HEAD = b"\r\n\r\n"
_NUMBER = b"\0"
"""Stands on a roof's page where each ECU has its own number."""
_ORIGIN = "http://192.168.1.102"
_NOT_FOUND = Answer(status=404, body=NOT_FOUND).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One ECU of the fleet, as an exporter's configuration names it."""

    name: str
    host: str


class FleetServer(Served):
    """Serves the pages of `count` ECUs from one socket that answers by the address it was asked at.

    As light as can be, for tests of who asks: eight roofs in turn, told apart by serial numbers;
    no faults but silence, no control page, no TCP interface. The socket listens on all addresses
    and closes connections to any but the fleet's own.
    """

    def __init__(self, settings: SimulatorSettings, count: int, clock: Clock | None = None) -> None:
        """Raise `ValueError` for what a fleet can't be; no port is opened yet."""
        super().__init__()
        problems = [
            text
            for bad, text in (
                (not 1 <= count <= MOST_ECUS, f"ecus: must be 1 to {MOST_ECUS}"),
                (
                    settings.inverters > _MOST_INVERTERS,
                    f"inverters: must be 1 to {_MOST_INVERTERS} in a fleet",
                ),
                (bool(settings.faults), "faults: there are none in a fleet"),
                (not settings.has_pages, "interface: a fleet has pages alone"),
            )
            if bad
        ]
        if problems:
            raise ValueError("; ".join(problems))
        self.count = count
        self.port = settings.port
        self.delay_s = settings.answer_delay_s
        self.silent: set[int] = set()
        """Numbers of ECUs, from 0, that take requests and never answer."""
        self.requests = 0
        self.visitors: set[_Visitor] = set()
        """The connections that are open."""
        self.most_visitors = 0
        self._numbers = {_address(number): number for number in range(count)}
        zone = ZoneInfo(settings.timezone)
        clock = clock or Clock.at_local(settings.start, zone, settings.speed)
        self._roofs = [
            _Roof(Gateway(replace(settings, seed=settings.seed + each), clock))
            for each in range(min(_ROOFS, count))
        ]
        self._listener: asyncio.Server | None = None

    @property
    def members(self) -> tuple[Member, ...]:
        """All ECUs, once the port is known."""
        return tuple(
            Member(name=f"ecu-{number:05d}", host=f"{address}:{self.port}")
            for address, number in self._numbers.items()
        )

    def gateway(self, number: int) -> Gateway:
        """Return the ECU whose pages the one of this number shows, under other serial numbers."""
        return self._roofs[number % len(self._roofs)].gateway

    def number_at(self, address: str) -> int | None:
        """Find the ECU at an address; ``None``: there is none."""
        return self._numbers.get(address)

    def answer(self, number: int, path: str, now: float) -> bytes:
        """Write all that an ECU answers to a GET; `now` is any clock's, in seconds."""
        return self._roofs[number % len(self._roofs)].answer(number, path, now)

    def _make_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(_PatientSelector())

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: _Visitor(self, loop), sock=bind(_ALL, self.port), backlog=_BACKLOG
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for visitor in tuple(self.visitors):
            visitor.leave()
        # Transports close on the loop's next turn.
        await asyncio.sleep(0)


class _PatientSelector(selectors.DefaultSelector):
    """Waits a moment after the first event for others, as waking for each would cost the most."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(timeout)
        if found and timeout != 0:
            time.sleep(_MOMENT_S)
            found = super().select(0)
        return found


class _Roof:
    """The pages of all ECUs with the same roof: written once, numbered for each."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._paths = PATHS[gateway.settings.family.partition("-")[0]]
        self._names = {
            gateway.identity.ecu_id.encode(): _numbered(gateway.identity.ecu_id, ""),
        } | {
            unit.serial.encode(): _numbered(unit.serial, f"{index:03d}")
            for index, unit in enumerate(gateway.plant.units, 1)
        }
        self._written: dict[str, tuple[float, tuple[bytes, ...]]] = {}

    def answer(self, number: int, path: str, now: float) -> bytes:
        name = self._paths.get(path)
        if name is None:
            return _NOT_FOUND
        written = self._written.get(name)
        if written is None or not 0 <= now - written[0] < _KEPT_S:
            written = self._written[name] = (now, self._write(path))
        return (b"%05d" % number).join(written[1])

    def _write(self, path: str) -> tuple[bytes, ...]:
        """Write a page with gaps for the number of an ECU, which is as long as a gap's stand-in."""
        page = self.gateway.page(path, _ORIGIN) or b""
        for name, numbered in self._names.items():
            page = page.replace(name, numbered)
        gaps = page.count(_NUMBER)
        whole = Answer(body=page.replace(_NUMBER, b"00000")).encode()
        head = whole[: len(whole) - len(page) - 4 * gaps]
        return tuple((head + page).split(_NUMBER))


class _Visitor(asyncio.Protocol):
    """One connection: a request, a while, the answer."""

    __slots__ = ("_fleet", "_got", "_is_asked", "_loop", "_number", "_timer", "_transport")

    def __init__(self, fleet: FleetServer, loop: asyncio.AbstractEventLoop) -> None:
        self._fleet = fleet
        self._loop = loop
        self._got = b""
        self._is_asked = False
        self._number: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what a TCP server makes
        self._transport = transport
        self._number = self._fleet.number_at(transport.get_extra_info("sockname")[0])
        if self._number is None:
            transport.abort()
            return
        visitors = self._fleet.visitors
        visitors.add(self)
        self._fleet.most_visitors = max(self._fleet.most_visitors, len(visitors))

    def data_received(self, data: bytes) -> None:
        self._got += data
        if self._number is None or self._is_asked:
            return
        if len(self._got) > LONGEST_HEAD:
            self.leave()
        elif _END_OF_HEAD in self._got:
            self._is_asked = True
            self._fleet.requests += 1
            if self._number not in self._fleet.silent:
                moments = math.ceil((self._loop.time() + self._fleet.delay_s) / _MOMENT_S)
                self._timer = self._loop.call_at(moments * _MOMENT_S, self._answer)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fleet.visitors.discard(self)

    def leave(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _answer(self) -> None:
        method, _, rest = self._got.partition(b" ")
        path = rest.partition(b" ")[0].decode("latin-1") if method == b"GET" else ""
        if self._transport is not None and self._number is not None:
            self._transport.write(self._fleet.answer(self._number, path, self._loop.time()))
            self._transport.close()


def _address(number: int) -> str:
    row, place = divmod(number, _IN_A_ROW)
    return str(ipaddress.IPv4Address(_FIRST + 256 * row + place))


def _numbered(name: str, end: str) -> bytes:
    """Write an id of twelve digits with a gap for five in its middle, or at its end."""
    return name[: 7 - len(end)].encode() + _NUMBER + end.encode()
