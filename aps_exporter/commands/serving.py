"""The web application over one ECU with all that goes with it, for the commands that serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from starlette.applications import Starlette

from aps_exporter.assembly import open_station
from aps_exporter.config import Settings
from aps_exporter.ecu.poller import Poller
from aps_exporter.metrics.exporter import ExporterCollector, process_collector
from aps_exporter.web.app import Wiring, create_app

__all__ = ["exporter"]


@contextmanager
def exporter(
    settings: Settings, poller: Poller, now: Callable[[], datetime], *, lasting: bool
) -> Iterator[Starlette]:
    """Run everything behind the routes; what has a thread or a file is closed at the end.

    `lasting`: who was seen is remembered in the state folder.
    """
    with open_station(settings, poller, now, lasting=lasting) as station:
        yield create_app(
            Wiring(
                station=station,
                exporter_collectors=(
                    ExporterCollector(shared=lambda: poller.shared),
                    process_collector(),
                ),
            )
        )
