"""The simulated ECU's TCP port for commands, on the event loop of its web pages."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from datetime import time as time_of_day

from aps_exporter.simulator.door import Door, reset, write_slowly
from aps_exporter.simulator.gateway import Gateway
from aps_exporter.simulator.tcp_commands import TcpCommand, parse_command, reply

__all__ = ["TcpServer", "TcpVisit"]

_IDLE_S = 15.0
"""A connection on which nothing more is said is closed."""
_LONGEST_LINE = 1024
_REMEMBERED = 10_000
_CLOSES_AT, _OPENS_AT = time_of_day(2, 45), time_of_day(3, 15)
_LOOKS_EVERY_S = 0.2
"""At the clock, for the hours in which the port is closed."""
_MOST_CONNECTIONS = 10
_IN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpVisit:
    """A command that came in."""

    command: TcpCommand
    at: float
    """`time.monotonic` when it was read."""
    connections: int
    """How many connections were open then, this one included."""


class TcpServer:
    """Replies to the commands that only read, and notes down all others."""

    def __init__(self, gateway: Gateway, host: str, port: int) -> None:
        """Take the ECU whose port this is."""
        self._gateway = gateway
        self.door = Door(host, port, self._converse)
        self.visits: deque[TcpVisit] = deque(maxlen=_REMEMBERED)
        self.forbidden: deque[bytes] = deque(maxlen=_REMEMBERED)
        """Whatever came that was none of the commands that only read."""
        self.most_connections = 0
        self._open: set[asyncio.StreamReader] = set()
        self._recent: deque[float] = deque()
        self._is_hung = False
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the port, and open it unless it is closed now; raises `OSError` if it is taken."""
        await self.door.reserve()
        await self.open_or_close()

    async def stop(self) -> None:
        """Close everything."""
        if self._timer is not None:
            self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()
        await self.door.close()

    async def open_or_close(self) -> None:
        """Refuse connections while a fault or the hour says so, and look again where it may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        is_shut = self._fault("refuse") is not None
        if self._gateway.has("tcp-maintenance"):
            wall = self._gateway.wall(self._gateway.clock.now()).time()
            is_shut = is_shut or _CLOSES_AT <= wall < _OPENS_AT
            self._timer = asyncio.get_running_loop().call_later(_LOOKS_EVERY_S, self._look)
        await self.door.set_open(is_open=not is_shut)

    def _look(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self.open_or_close())

    def _fault(self, name: str) -> str | None:
        """Return the argument of a fault of this port or of all."""
        own = self._gateway.argument(f"tcp-{name}")
        return self._gateway.argument(name) if own is None else own

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(reader)
        self.most_connections = max(self.most_connections, self._count())
        try:
            if self._hangs():
                await reader.read()
                return
            while (command := await self._next_command(reader)) is not None:
                if not await self._reply(command, reader, writer):
                    return
                if not self._gateway.identity.keeps_connection:
                    # It leaves it to the other side to go, and to a second command says nothing.
                    await self._next_command(reader)
                    return
        finally:
            self._open.discard(reader)

    def _count(self) -> int:
        """Count the open connections; one that the other side has closed isn't, seen yet or not."""
        return sum(not reader.at_eof() for reader in self._open)

    async def _next_command(self, reader: asyncio.StreamReader) -> TcpCommand | None:
        line = await self._next_line(reader)
        if not line:
            return None
        command = parse_command(line)
        if command is None:
            self.forbidden.append(line)
            return None
        self.visits.append(
            TcpVisit(command=command, at=time.monotonic(), connections=self._count())
        )
        return command

    async def _next_line(self, reader: asyncio.StreamReader) -> bytes:
        """Wait for a line; what there is of it when the other side goes or falls silent."""
        line = bytearray()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_S):
                while len(line) < _LONGEST_LINE and not line.endswith(b"\n"):
                    byte = await reader.read(1)
                    if not byte:
                        break
                    line += byte
        return bytes(line)

    async def _reply(
        self, command: TcpCommand, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Reply as faults have it, and say whether the connection is of use afterwards."""
        if self._fault("reset") is not None:
            reset(writer)
            return False
        if self._fault("hang") is not None:
            await reader.read()
            return False
        await asyncio.sleep(float(self._fault("slow") or 0))
        data = reply(self._gateway, command)
        stops_at = self._fault("stall")
        if stops_at is not None:
            data = data[: int(len(data) * float(stops_at))]
        await write_slowly(writer, data, self._fault("drip"))
        if stops_at is not None:
            await reader.read()
        return self._fault("short") is None

    def _hangs(self) -> bool:
        """Say whether the port has had too many connections and was not left alone since."""
        patience = self._gateway.argument("tcp-fragile")
        if patience is None:
            self._recent.clear()
            self._is_hung = False
            return False
        now = time.monotonic()
        if self._is_hung and now - self._recent[-1] >= float(patience):
            self._recent.clear()
            self._is_hung = False
        self._recent.append(now)
        while now - self._recent[0] > _IN_S:
            self._recent.popleft()
        self._is_hung = self._is_hung or len(self._recent) >= _MOST_CONNECTIONS
        return self._is_hung
