"""Puts the parts for one ECU together, as the settings say."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from aps_exporter.config import Settings
from aps_exporter.config_entries import EcuSettings
from aps_exporter.deadline import Deadline
from aps_exporter.ecu.addresses import Resolve, connect, guarded, resolve
from aps_exporter.ecu.interfaces import EcuInterface, WebThenTcp
from aps_exporter.ecu.poller import Poller
from aps_exporter.ecu.tcp_client import TcpClient
from aps_exporter.ecu.tcp_interface import TcpInterface
from aps_exporter.ecu.web import Fetch, make_fetch, make_knock
from aps_exporter.ecu.web_interface import WebInterface
from aps_exporter.history import History
from aps_exporter.metrics.interfaces import InterfaceCollector
from aps_exporter.metrics.sun import SunCollector
from aps_exporter.posts import Post, Terms
from aps_exporter.roster.memory import Memory
from aps_exporter.roster.table import roster_file
from aps_exporter.station import LOOK_S, MOST_OUTCOMES, Station
from aps_exporter.summary import PanelName, Roster
from aps_exporter.sun import Place

__all__ = [
    "make_poller",
    "make_roster",
    "make_sun_collectors",
    "make_tcp_client",
    "open_post",
    "roster_key",
    "utc_now",
]

FEW: Final = 100
"""Up to so many ECUs each is remembered in every detail."""


def utc_now() -> datetime:
    """Give the time of the world's clock."""
    return datetime.now(UTC)


def make_poller(
    settings: Settings,
    now: Callable[[], datetime] = utc_now,
    *,
    resolve: Resolve = resolve,
    fetch: Fetch | None = None,
    tcp_client: TcpClient | None = None,
) -> Poller:
    """Make what reads the ECU; `now` is another clock than the world's for a simulated one.

    `resolve` says where the ECU is, over either interface; `fetch` gets the pages from there, and
    `tcp_client` speaks TCP with it, if others do so by it already.
    """
    host = urlsplit(settings.base_url).hostname or ""
    port = settings.tcp_port
    web = WebInterface(
        base_url=settings.base_url,
        path=settings.path,
        fetch=fetch or make_fetch(resolve),
        knock=make_knock(resolve),
        now=now,
    )
    tcp = TcpInterface(
        source=f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}",
        client=tcp_client or make_tcp_client(settings, now, resolve=resolve),
    )
    interfaces: dict[str, EcuInterface] = {
        "web": web,
        "tcp": tcp,
        "auto": WebThenTcp(web=web, tcp=tcp),
    }
    return Poller(
        name=settings.host,
        interface=interfaces[settings.interface],
        timezone=settings.timezone,
        timeout_s=settings.timeout,
        max_age_s=settings.max_age,
        stale_after_s=settings.stale_after,
        now=now,
    )


def make_tcp_client(
    settings: Settings, now: Callable[[], datetime] = utc_now, *, resolve: Resolve = resolve
) -> TcpClient:
    """Make what speaks TCP with the ECU; whoever asks the same one has to share it."""
    host, port = urlsplit(settings.base_url).hostname or "", settings.tcp_port
    return TcpClient(connect=lambda deadline: connect(resolve(host, port), deadline), now=now)


def make_roster(
    settings: Settings, *, lasting: bool = False, memory: Memory | None = None
) -> Roster:
    """Make what knows who should be there, by the state file if `lasting`; it wants closing.

    `memory` is what another roster of the same ECU remembers.
    """
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
        memory=memory or Memory(ecu=roster_key(settings), file=file),
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


def open_post(
    settings: EcuSettings,
    terms: Terms,
    now: Callable[[], datetime] = utc_now,
    *,
    lasting: bool = True,
    look_s: float = LOOK_S,
) -> Post:
    """Run everything that one ECU of a fleet needs; its `close` ends what has a thread or a file.

    `lasting`: who was seen is remembered in the state folder. `look_s`: see `Station`. Raises
    `ConfigError`.
    """
    find = guarded(terms.policy) if terms.policy else resolve
    fetch = make_fetch(find)
    if terms.trace:
        find = terms.trace.resolve(find)
        fetch = terms.trace.fetch(make_fetch(find))
    tcp_client = terms.tcp_client or make_tcp_client(settings, now, resolve=find)
    poller = make_poller(settings, now, resolve=find, fetch=fetch, tcp_client=tcp_client)
    poller.talking, poller.run = terms.talking, terms.run
    with ExitStack() as stack:
        roster = make_roster(settings, lasting=lasting and terms.listed, memory=terms.memory)
        if terms.memory is None:
            stack.callback(roster.memory.close)
        if terms.ecus <= FEW:
            roster.memory.prepare()
        station = Station(
            settings=settings,
            name=settings.name,
            labels=settings.labels,
            poll=poller.read,
            hold=roster.summarize,
            history=History(all_panels=terms.ecus <= FEW),
            day_curve=poller.day_curve,
            look_s=look_s,
            now=now,
            collectors=[
                InterfaceCollector(up=poller.interfaces_up),
                *make_sun_collectors(settings, now),
            ],
        )
        station.outcomes = deque(maxlen=max(1, MOST_OUTCOMES // max(1, terms.ecus // FEW)))
        forwards = terms.listed and settings.pvoutput.publish
        start = _forward(station, poller, stack) if forwards else _nothing
        return Post(
            settings=settings,
            station=station,
            terms=terms,
            memory=roster.memory,
            tcp_client=tcp_client,
            shared=lambda: poller.shared,
            start=start,
            close=stack.pop_all().close,
        )


def _nothing() -> None:
    """Begin nothing, where nothing is to be forwarded."""


def _forward(station: Station, poller: Poller, stack: ExitStack) -> Callable[[], None]:
    """Let a forwarder to PVOutput see every summary, and give what starts it."""
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
    stack.callback(sidecar.stop)
    return sidecar.start
