"""Puts the parts for one ECU together, as the settings say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from aps_exporter.config import Settings
from aps_exporter.deadline import Deadline
from aps_exporter.ecu.poller import Poller
from aps_exporter.metrics.sun import SunCollector
from aps_exporter.roster.memory import Memory
from aps_exporter.roster.table import roster_file
from aps_exporter.station import Station
from aps_exporter.summary import PanelName, Roster
from aps_exporter.sun import Place

__all__ = [
    "make_poller",
    "make_roster",
    "make_sun_collectors",
    "open_station",
    "roster_key",
    "utc_now",
]


def utc_now() -> datetime:
    """Give the time of the world's clock."""
    return datetime.now(UTC)


def make_poller(settings: Settings, now: Callable[[], datetime] = utc_now) -> Poller:
    """Make what reads the ECU; `now` is another clock than the world's for a simulated one."""
    return Poller(
        base_url=settings.base_url,
        path=settings.path,
        timezone=settings.timezone,
        timeout_s=settings.timeout,
        max_age_s=settings.max_age,
        stale_after_s=settings.stale_after,
        now=now,
    )


def make_roster(settings: Settings, *, lasting: bool = False) -> Roster:
    """Make what knows who should be there, by the state file if `lasting`; it wants closing."""
    file = roster_file(settings.state_dir) if lasting else None
    return Roster(
        expected_count=settings.expected_count,
        scale_missing=settings.scale_missing,
        names={
            panel_id: PanelName(
                name=panel.name or "", group=panel.group, row=panel.row, column=panel.column
            )
            for panel_id, panel in settings.panels.items()
        },
        memory=Memory(ecu=roster_key(settings), file=file),
    )


def roster_key(settings: Settings) -> str:
    """Name the ECU's roster among those in the state file."""
    return settings.host.casefold()


def make_sun_collectors(
    settings: Settings, now: Callable[[], datetime] = utc_now
) -> tuple[SunCollector, ...]:
    """Make what tells the sun's height over the roof, if its place is known."""
    if settings.latitude is None or settings.longitude is None:
        return ()
    place = Place(latitude=settings.latitude, longitude=settings.longitude)
    return (SunCollector(elevation_deg=place.sun_elevation_deg, now=now),)


@contextmanager
def open_station(
    settings: Settings,
    poller: Poller,
    now: Callable[[], datetime] = utc_now,
    *,
    lasting: bool,
) -> Iterator[Station]:
    """Run everything that one ECU needs; what has a thread or a file is closed at the end.

    `lasting`: who was seen is remembered in the state folder. Raises `ConfigError`.
    """
    with ExitStack() as stack:
        roster = make_roster(settings, lasting=lasting)
        stack.callback(roster.memory.close)
        roster.memory.prepare()
        station = Station(
            settings=settings,
            poll=poller.read,
            hold=roster.summarize,
            collectors=[*make_sun_collectors(settings, now)],
        )
        if settings.pvoutput.publish:
            _forward(station, poller, stack)
        yield station


def _forward(station: Station, poller: Poller, stack: ExitStack) -> None:
    """Run the forwarder to PVOutput, and let it see every summary."""
    # Who doesn't publish doesn't have to load it.
    from aps_exporter.metrics.pvoutput import PVOutputCollector  # noqa: PLC0415
    from aps_exporter.pvoutput.sidecar import make_sidecar  # noqa: PLC0415

    settings = station.settings
    sidecar = make_sidecar(
        settings,
        read=station.read,
        summarize=station.summarize,
        fetch_curve=lambda: poller.day_curve(Deadline.after(settings.timeout)),
    )
    station.collectors.append(PVOutputCollector(sidecar.snapshot))
    station.observers.append(sidecar.observe)
    station.publishing = sidecar.snapshot
    sidecar.start()
    stack.callback(sidecar.stop)
