"""A doctor's visit to simulated ECUs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import time

import pytest

from aps_exporter.doctor.evidence import gather
from aps_exporter.doctor.findings import Findings, examine
from aps_exporter.doctor.visit import Visit
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings

Examine = Callable[..., Findings]

CLOSED = 9
"""A port at which nobody listens."""


PATIENCE_S = 1.0


def look_at(ecu: Simulator, patience_s: float = PATIENCE_S) -> Findings:
    """Ask an ECU everything, by its own clock."""
    visit = Visit(ecu.host, ecu.tcp_port or CLOSED)
    evidence = gather(
        visit.ask,
        host=visit.host,
        tcp_port=visit.tcp_port,
        now=ecu.clock.now,
        patience_s=patience_s,
    )
    return examine(evidence)


@pytest.fixture(scope="session")
def examined() -> Iterator[Examine]:
    """Make a function that starts an ECU with faults at noon, and examines it."""
    with contextlib.ExitStack() as started:

        def visit(*faults: str, start: str = "12:00", **settings: object) -> Findings:
            chosen = {"family": "php-dc", "inverters": 3, "speed": 0.0, **settings}
            chosen |= {"start": time.fromisoformat(start), "faults": faults}
            ecu = Simulator(SimulatorSettings(**chosen))  # type: ignore[arg-type]  # by name
            return look_at(started.enter_context(ecu))

        yield visit
