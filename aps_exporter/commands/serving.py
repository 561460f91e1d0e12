"""The web application over one ECU, for the commands that serve."""

from __future__ import annotations

from starlette.applications import Starlette

from aps_exporter.config import Settings
from aps_exporter.ecu.poller import Poller
from aps_exporter.metrics.exporter import ExporterCollector, process_collector
from aps_exporter.summary import Roster
from aps_exporter.web.app import Wiring, create_app

__all__ = ["make_app"]


def make_app(settings: Settings, poller: Poller, roster: Roster) -> Starlette:
    """Wire the poller and the roster to the routes."""
    wiring = Wiring(
        read=poller.read,
        summarize=roster.summarize,
        timeout_s=settings.timeout,
        exporter_collectors=(ExporterCollector(shared=lambda: poller.shared), process_collector()),
    )
    return create_app(wiring)
