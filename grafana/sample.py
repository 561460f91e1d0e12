"""A simulated day of a few ECUs, as the samples that Prometheus would have collected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample, Timestamp

from aps_exporter.errors import EcuStatus
from aps_exporter.metrics.families import FAMILIES, Poll
from aps_exporter.model import EcuInfo, Inverter, Reading
from aps_exporter.simulator.plant import Plant, Sweep
from aps_exporter.simulator.settings import SimulatorSettings
from aps_exporter.simulator.sun import unit
from aps_exporter.summary import PanelName, Roster
from grafana.beside import Story

__all__ = ["Ecu", "Fault", "samples"]

STALE_AFTER = timedelta(minutes=30)
JOB = "aps"
_DURATION = 90
"""A stream of random numbers that the simulator has no use for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong from a moment on."""

    since: datetime
    silent: tuple[int, ...] = ()
    """Inverters, by their place on the roof, that report no more."""
    weak: Mapping[int, float] = field(default_factory=dict)
    """Inverters, by their place, whose first panel gives this share of what it should."""
    status: EcuStatus = "ok"
    """How polls of the ECU end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ecu:
    """One target of Prometheus: an exporter with its ECU."""

    instance: str
    settings: SimulatorSettings
    firmware: str
    faults: tuple[Fault, ...] = ()
    scale_missing: bool = False

    def polls(self, moments: Iterable[datetime]) -> Iterator[Poll]:
        """Read the ECU at each of the moments, which ascend."""
        settings = self.settings
        zone = ZoneInfo(settings.timezone)
        moments = list(moments)
        plant = Plant(settings, moments[0].astimezone(zone).date())
        groups = plant.groups
        roster = Roster(
            expected_count=len(groups),
            scale_missing=self.scale_missing,
            names=_names(groups),
        )
        awake: Sweep | None = None
        lost = _Lost(zone)
        for moment in moments:
            slot = plant.slot(moment)
            sweep = plant.sweep(plant.begin(slot))
            if any(inverter.online for inverter in sweep.inverters) or awake is None:
                awake = sweep
            midnight = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
            inverters = self._as_found(awake, moment)
            lost.count(slot, sweep, inverters)
            newest = max((i.reported_at for i in inverters if i.reported_at), default=None)
            reading = Reading(
                source="http://192.0.2.1/index.php/realtimedata",
                interface="php",
                read_at=moment,
                inverters=inverters,
                timezone=settings.timezone,
                clock_offset_s=(
                    (newest.replace(tzinfo=zone) - moment).total_seconds() if newest else None
                ),
                poll_duration_s=0.09 + 0.05 * unit(settings.seed, _DURATION, slot) ** 4,
                ecu=EcuInfo(
                    ecu_id="216000012345",
                    firmware=self.firmware,
                    timezone=settings.timezone,
                    energy_lifetime_wh=plant.lifetime_wh(slot, lost.ever_w),
                    energy_today_wh=plant.energy_wh(plant.slot(midnight) + 1, slot, lost.today_w),
                ),
            )
            status = self._status(moment)
            yield Poll(
                status=status,
                duration_s=5.0 if status == "timeout" else reading.poll_duration_s,
                summary=roster.summarize(reading) if status == "ok" else None,
            )

    def _status(self, moment: datetime) -> EcuStatus:
        return next((f.status for f in self.faults if f.status != "ok" and f.since <= moment), "ok")

    def _as_found(self, sweep: Sweep, moment: datetime) -> tuple[Inverter, ...]:
        """Let the faults happen, and let an old sweep be stale: at night an ECU repeats it."""
        active = [fault for fault in self.faults if fault.since <= moment]
        silent = {place for fault in active for place in fault.silent}
        weak = {place: share for fault in active for place, share in fault.weak.items()}
        stale = moment - sweep.at > STALE_AFTER
        return tuple(
            _silenced(inverter)
            if place in silent
            else replace(_weakened(inverter, weak.get(place, 1.0)), stale=stale)
            for place, inverter in enumerate(sweep.inverters)
        )


@dataclass(slots=True)
class _Lost:
    """What faults have taken from the sweeps, as sums of watts."""

    zone: ZoneInfo
    slot: int = 0
    day: date | None = None
    today_w: int = 0
    ever_w: int = 0

    def count(self, slot: int, sweep: Sweep, found: tuple[Inverter, ...]) -> None:
        """Book a sweep, once."""
        day = sweep.at.astimezone(self.zone).date()
        if day != self.day:
            self.day, self.today_w = day, 0
        if slot == self.slot:
            return
        self.slot = slot
        left_w = sum(each.power_w or 0 for one in found if one.online for each in one.channels)
        self.today_w += round(sweep.power_w - left_w)
        self.ever_w += round(sweep.power_w - left_w)


def samples(ecus: Iterable[Ecu], start: datetime, end: datetime, every: timedelta) -> bytes:
    """Write all samples between two moments, as OpenMetrics text with timestamps."""
    moments = [start + n * every for n in range(int((end - start) / every) + 1)]
    families: dict[str, Metric] = {}
    for ecu in ecus:
        target = {"instance": ecu.instance, "job": JOB}
        story = Story(began=start)
        for moment, poll in zip(moments, ecu.polls(moments), strict=True):
            stamp = Timestamp(int(moment.timestamp()), 0)
            scraped = (made for row in FAMILIES if (made := row.fill(poll)) is not None)
            for family in (*scraped, *story.tell(moment, poll)):
                kept = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                kept.samples.extend(
                    Sample(each.name, {**each.labels, **target}, each.value, stamp)
                    for each in family.samples
                )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Kept(list(families.values())))
    written: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]  # it has no types
    return written


@dataclass(frozen=True, slots=True, eq=False)
class _Kept(Collector):
    families: list[Metric]

    def collect(self) -> list[Metric]:
        return self.families


def _names(groups: Mapping[str, str]) -> dict[str, PanelName]:
    """Call the panels of each slope by it and a number, as an owner would."""
    counts: dict[str, int] = {}
    names = {}
    for panel_id, group in groups.items():
        counts[group] = counts.get(group, 0) + 1
        names[panel_id] = PanelName(name=f"{group.title()} {counts[group]:02d}", group=group)
    return names


def _silenced(inverter: Inverter) -> Inverter:
    return Inverter(
        serial=inverter.serial,
        channels=tuple(
            replace(each, power_w=None, dc_voltage_v=None) for each in inverter.channels
        ),
    )


def _weakened(inverter: Inverter, share: float) -> Inverter:
    first, *others = inverter.channels
    if first.power_w is None or share == 1:
        return inverter
    return replace(
        inverter, channels=(replace(first, power_w=float(int(first.power_w * share))), *others)
    )
