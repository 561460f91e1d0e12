"""Days of a simulated roof as Prometheus would store them, scraped through our own exporter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.poller import Poller
from aps_exporter.ecu.web_interface import WebInterface
from aps_exporter.errors import EcuPageError
from aps_exporter.metrics.collector import EcuCollector
from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.faults import parse_fault
from aps_exporter.simulator.gateway import Gateway
from aps_exporter.simulator.settings import SimulatorSettings
from aps_exporter.simulator.sun import Sky
from aps_exporter.summary import PanelName, Roster
from tests.rules.promtool import STEP_S, Scrapes

__all__ = ["Days", "Incident"]

WORLD = "http://192.168.1.102"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that happens at a local time on one of the days."""

    at: str
    """Such as ``2 13:05``: the number of the day and the time."""
    do: Callable[[Days], None]


@dataclass(slots=True, kw_only=True)
class Days:
    """Some days of one roof."""

    first: str
    days: int = 1
    settings: SimulatorSettings
    with_sun: bool = False
    """Whether the exporter knows where it stands."""
    incidents: tuple[Incident, ...] = ()
    _misses: bool = field(default=False, init=False)
    _elapsed_s: float = field(default=0.0, init=False)
    gateway: Gateway = field(init=False)
    _clock: Clock = field(init=False)
    _start_s: float = field(init=False)
    _collector: EcuCollector = field(init=False)
    _roster: Roster = field(init=False)

    def __post_init__(self) -> None:
        """Begin at midnight."""
        zone = ZoneInfo(self.settings.timezone)
        start = datetime.fromisoformat(self.first).replace(tzinfo=zone)
        self._start_s = start.timestamp()
        self._clock = Clock(start, monotonic=lambda: self._elapsed_s)
        self.gateway = Gateway(self.settings, self._clock)
        groups = self.gateway.plant.groups
        self._roster = Roster(
            names={panel: PanelName(name=panel, group=group) for panel, group in groups.items()}
        )
        self.restart_exporter()

    def restart_exporter(self) -> None:
        """Forget what is kept in memory only."""
        pages = WebInterface(base_url=WORLD, fetch=self._fetch, now=self._clock.now)
        poller = Poller(
            name=WORLD,
            interface=pages,
            max_age_s=0,
            now=self._clock.now,
            monotonic=lambda: self._elapsed_s,
        )
        self._collector = EcuCollector(
            read=poller.read, summarize=self._roster.summarize, deadline=Deadline.after(3600)
        )

    def miss(self) -> None:
        """Have Prometheus miss the next scrape."""
        self._misses = True

    def switch_on(self, *faults: str) -> None:
        """Switch faults on."""
        for fault in faults:
            self.gateway.switch_on(parse_fault(fault))

    def switch_off(self, *faults: str) -> None:
        """Switch faults off, all of each name."""
        for fault in faults:
            self.gateway.switch_off(fault)

    def scrapes(self, instance: str) -> Scrapes:
        """Live through the days; once only."""
        target = f'instance="{instance}",job="aps"'
        result = Scrapes()
        zone = ZoneInfo(self.settings.timezone)
        start = self._clock.now()
        waiting = sorted(
            ((self._moment(each.at, start, zone), each) for each in self.incidents),
            key=lambda pair: pair[0],
        )
        while self._elapsed_s < self.days * 86400:
            while waiting and waiting[0][0] <= self._clock.now():
                waiting.pop(0)[1].do(self)
            if self._misses:
                self._misses = False
                result.add({f"up{{{target}}}": 0})
            else:
                result.add(self._scrape(target))
            self._elapsed_s += STEP_S
        return result

    def _moment(self, at: str, start: datetime, zone: ZoneInfo) -> datetime:
        day, _, time = at.partition(" ")
        date = start.astimezone(zone).date() + timedelta(days=int(day) - 1)
        return datetime.fromisoformat(f"{date}T{time}").replace(tzinfo=zone).astimezone(UTC)

    def _scrape(self, target: str) -> Mapping[str, float]:
        samples = {f"up{{{target}}}": 1.0}
        for family in self._collector.collect():
            for sample in family.samples:
                labels = ",".join(f'{name}="{text}"' for name, text in sample.labels.items())
                # promtool's time begins with 1970.
                began_s = self._start_s if sample.name.endswith("_timestamp_seconds") else 0.0
                series = f"{sample.name}{{{labels}{',' if labels else ''}{target}}}"
                samples[series] = sample.value - began_s
        if self.with_sun:
            sky = Sky(
                latitude_deg=self.settings.latitude,
                longitude_deg=self.settings.longitude,
                seed=self.settings.seed,
            )
            up = sky.sun(self._clock.now().timestamp())[2]
            samples[f"aps_sun_elevation_degrees{{{target}}}"] = math.degrees(math.asin(up))
        return samples

    def _fetch(self, url: str, _deadline: Deadline) -> bytes:
        page = self.gateway.page(url.removeprefix(WORLD), WORLD)
        if page is None or self.gateway.has("page-gone"):
            message = "there is no such page"
            raise EcuPageError(message, "page_gone")
        return page
