"""The web application over one ECU with all that goes with it, for the commands that serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from starlette.applications import Starlette

from aps_exporter.assembly import make_roster, make_sun_collectors
from aps_exporter.config import Settings
from aps_exporter.deadline import Deadline
from aps_exporter.ecu.poller import Poller
from aps_exporter.metrics.collector import Collector
from aps_exporter.metrics.exporter import ExporterCollector, process_collector
from aps_exporter.model import Reading
from aps_exporter.summary import Summary
from aps_exporter.web.app import Wiring, create_app

__all__ = ["exporter"]


@contextmanager
def exporter(
    settings: Settings, poller: Poller, now: Callable[[], datetime], *, lasting: bool
) -> Iterator[Starlette]:
    """Run everything behind the routes; what has a thread or a file is closed at the end.

    `lasting`: who was seen is remembered in the state folder.
    """
    roster = make_roster(settings, lasting=lasting)
    roster.memory.prepare()
    collectors: list[Collector] = [
        ExporterCollector(shared=lambda: poller.shared),
        process_collector(),
        *make_sun_collectors(settings, now),
    ]
    try:
        with _forwarded(settings, poller, roster.summarize, collectors) as summarize:
            wiring = Wiring(
                read=poller.read,
                summarize=summarize,
                timeout_s=settings.timeout,
                exporter_collectors=tuple(collectors),
            )
            yield create_app(wiring)
    finally:
        roster.memory.close()


@contextmanager
def _forwarded(
    settings: Settings,
    poller: Poller,
    summarize: Callable[[Reading], Summary],
    collectors: list[Collector],
) -> Iterator[Callable[[Reading], Summary]]:
    """Run the forwarder to PVOutput if it is wanted, and let it see every summary."""
    if not settings.pvoutput.publish:
        yield summarize
        return
    # Who doesn't publish doesn't have to load it.
    from aps_exporter.metrics.pvoutput import PVOutputCollector  # noqa: PLC0415
    from aps_exporter.pvoutput.sidecar import make_sidecar  # noqa: PLC0415

    sidecar = make_sidecar(
        settings,
        read=poller.read,
        summarize=summarize,
        fetch_curve=lambda: poller.day_curve(Deadline.after(settings.timeout)),
    )
    collectors.append(PVOutputCollector(sidecar.snapshot))

    def observed(reading: Reading) -> Summary:
        summary = summarize(reading)
        sidecar.observe(summary)
        return summary

    sidecar.start()
    try:
        yield observed
    finally:
        sidecar.stop()
