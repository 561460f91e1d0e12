"""A post is one ECU with all that runs for it; these are its parts, and what it is asked by."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from aps_exporter.config_entries import EcuSettings, address_of
from aps_exporter.ecu.tcp_client import TcpClient
from aps_exporter.ecu.trace import Trace
from aps_exporter.roster.memory import Memory
from aps_exporter.station import Station
from aps_exporter.targets import TargetPolicy
from aps_exporter.workers import Run, in_new_thread

__all__ = ["Asked", "OpenPost", "Post", "Terms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an ECU is to be run, whatever its settings."""

    talking: threading.Lock
    """Held by whoever asks the ECU; those at the same address share it."""
    policy: TargetPolicy | None = None
    """Where it may be; ``None``: it is in the configuration, and may be where that says."""
    memory: Memory | None = None
    """The roster of the ECU, if another station of it has one already."""
    tcp_client: TcpClient | None = None
    """What speaks TCP with it, if another station of it does already: seldom enough for all."""
    listed: bool = True
    """It stands in the configuration: its roster lasts, and it is forwarded."""
    ecus: int = 1
    """How many ECUs there are: where there are many, each has to do with less memory."""
    trace: Trace | None = None
    """Writes down what is asked of the ECU."""
    run: Run = in_new_thread
    """Has polls made; who has a trace needs threads that do nothing else."""


@dataclass(slots=True, kw_only=True)
class Post:
    """A station that runs."""

    settings: EcuSettings
    station: Station
    terms: Terms
    memory: Memory
    shared: Callable[[], int]
    """Counts the reads that were answered with another reader's poll."""
    close: Callable[[], None]
    start: Callable[[], None] = lambda: None
    """Begins what the ECU needs beside scrapes, once nobody else does it."""
    tcp_client: TcpClient | None = None
    visitors: int = 0


OpenPost = Callable[[EcuSettings, Terms], Post]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a target and a module mean."""

    settings: EcuSettings
    terms: Terms
    module: str
    post: Post | None
    """``None``: it isn't in the configuration as it was asked for."""
    version: int
    """Of the configuration by which that is so."""

    @property
    def address(self) -> str:
        """Where the ECU is."""
        return address_of(self.settings.host)
