"""The ECU's TCP service as one interface: three commands that only read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.interfaces import Answer
from aps_exporter.ecu.tcp_client import TcpClient
from aps_exporter.errors import EcuPageError

__all__ = ["TcpInterface"]


@dataclass(slots=True, kw_only=True)
class TcpInterface:
    """Asks an ECU over TCP, no more often than its port survives (see `TcpClient`)."""

    source: str
    """Such as ``tcp://192.168.1.102:8899``."""
    client: TcpClient
    _up: bool | None = field(default=None, init=False)

    def poll(self, deadline: Deadline, patience: Deadline) -> Answer:
        """Ask for the inverters, and for the rest if it comes before `patience` ends."""
        self._up = False
        sweep = self.client.sweep(deadline, patience)
        self._up = True
        return Answer(
            source=self.source,
            interface="tcp",
            read_at=sweep.read_at,
            table=sweep.table,
            ecu=sweep.ecu,
            home_error=sweep.ecu_error,
            glitches=sweep.glitches,
        )

    def day_curve(self, _deadline: Deadline) -> bytes:
        """Refuse: the curve that is known by its JSON is a page."""
        raise EcuPageError("an ECU has its power curve as a page, not over TCP", "page_gone")

    def up(self) -> Mapping[str, bool]:
        """Say whether the inverters could be read, the last time they were asked for."""
        return {} if self._up is None else {"tcp": self._up}

    def resting(self) -> bool:
        """Say whether the ECU closes its port about now, as each night, to maintain itself."""
        return self.client.in_maintenance
