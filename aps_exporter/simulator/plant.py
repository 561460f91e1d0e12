"""The roof: panels on inverters under the sky, and what a sweep of the ECU finds there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from aps_exporter.model import Channel, Inverter, PhaseVoltage
from aps_exporter.simulator.energy import Ledger
from aps_exporter.simulator.frames import RecordType
from aps_exporter.simulator.settings import Family, KindName, SimulatorSettings
from aps_exporter.simulator.sun import Sky, Slope, noise, unit

__all__ = ["SWEEP_S", "Plant", "Sweep"]

SWEEP_S = 300
"""An ECU asks all its inverters once in five minutes."""
_PANEL_WP = 315.0
_BUILT = date(2021, 4, 1)
_MEAN_HOURS_PER_DAY = 2.4
"""Full-load hours that a roof averages over a Dutch year, for the years before the first day."""
_SLOPES = (
    Slope(name="east", azimuth_deg=95, tilt_deg=35),
    Slope(name="south", azimuth_deg=180, tilt_deg=35),
    Slope(name="west", azimuth_deg=265, tilt_deg=35),
)
_PANELS, _INVERTERS, _HERTZ, _VOLTS, _AIR, _SECOND, _RADIO = (n * 1000 for n in range(2, 9))
"""Streams of random numbers, apart from one another and from the sky's."""

_TWO, _FOUR = ("A", "B"), ("1", "2", "3", "4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A model of inverter."""

    channels: tuple[str, ...]
    limit_w: int
    """The most that it takes from one panel."""
    serial_prefix: str
    record: RecordType
    """How its values are laid out over TCP."""
    phases: tuple[str, ...] = ("",)
    """Of two letters where volts are measured between two lines, not from one to neutral."""


KINDS: dict[KindName, Kind] = {
    "yc500": Kind(channels=_TWO, limit_w=250, serial_prefix="4080", record="01"),
    "yc600": Kind(channels=_TWO, limit_w=300, serial_prefix="4080", record="01"),
    "ds3": Kind(channels=_TWO, limit_w=440, serial_prefix="7030", record="01"),
    "ds3d": Kind(channels=_TWO, limit_w=500, serial_prefix="7050", record="04"),
    "qs1": Kind(channels=_FOUR, limit_w=300, serial_prefix="8010", record="03"),
    "yc1000": Kind(
        channels=_FOUR, limit_w=250, serial_prefix="5010", record="02", phases=("A", "B", "C")
    ),
    "qt2": Kind(
        channels=_FOUR,
        limit_w=500,
        serial_prefix="9010",
        record="05",
        phases=("AB", "BC", "CA"),
    ),
}
USUAL_KINDS: dict[Family, tuple[KindName, ...]] = {
    "cgi": ("yc500",),
    "php": ("qs1",),
    "php-dc": ("qs1",),
    "php-3phase": ("yc1000",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What the ECU found when it asked all inverters."""

    at: datetime
    """When it began, UTC."""
    inverters: tuple[Inverter, ...]
    power_w: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One inverter on the roof."""

    serial: str
    kind: Kind
    slope: int
    panels: tuple[float, ...]
    """What each panel makes of a W/m²."""
    wakes_at: float
    """W/m² at which it starts in the morning; in the evening it lasts down to half of that."""
    signal_level: int
    """How well the ECU hears it, of 255."""


class Plant:
    """A roof whose every value follows from the settings and the moment."""

    def __init__(self, settings: SimulatorSettings, first_day: date) -> None:
        """Build the roof; `first_day` is where its energy counter leaves the closed formula."""
        self.zone = ZoneInfo(settings.timezone)
        self._seed = settings.seed
        self._sky = Sky(
            latitude_deg=settings.latitude, longitude_deg=settings.longitude, seed=settings.seed
        )
        kinds = settings.kinds or USUAL_KINDS[settings.family]
        self.units = tuple(
            self._unit(index, KINDS[kinds[index % len(kinds)]])
            for index in range(settings.inverters)
        )
        self.rated_w = _PANEL_WP * sum(len(unit.panels) for unit in self.units)
        self._normals = tuple(slope.normal() for slope in _SLOPES)
        self._second = int(unit(self._seed, _SECOND, 0) * SWEEP_S)
        self._first_slot = self.slot(_midnight(first_day, self.zone)) + 1
        mean_day_wh = self.rated_w * _MEAN_HOURS_PER_DAY
        self._before_wh = mean_day_wh * (first_day - _BUILT).days
        self._ledger = Ledger(self.power_w, self._first_slot, int(mean_day_wh * 3600 / SWEEP_S))

    @property
    def groups(self) -> dict[str, str]:
        """Map each panel's id to the name of the slope it lies on."""
        return {
            _panel_id(each, name): _SLOPES[each.slope].name
            for each in self.units
            for name in each.kind.channels
        }

    def slot(self, at: datetime) -> int:
        """Find the number of the newest sweep that has begun by `at`."""
        return math.floor((at.timestamp() - self._second) / SWEEP_S)

    def begin(self, slot: int) -> datetime:
        """Return when a sweep begins."""
        return datetime.fromtimestamp(slot * SWEEP_S + self._second, UTC)

    def sweep(self, at: datetime) -> Sweep:
        """Ask all inverters at a moment."""
        epoch_s = at.timestamp()
        powers = self._powers(epoch_s)
        power_w = sum(sum(each) for each in powers if each)
        reported_at = at.astimezone(self.zone).replace(tzinfo=None, microsecond=0)
        load = power_w / self.rated_w
        return Sweep(
            at=at,
            inverters=tuple(
                self._inverter(unit, watts, epoch_s, reported_at, load)
                for unit, watts in zip(self.units, powers, strict=True)
            ),
            power_w=power_w,
        )

    def awake(self, slot: int) -> bool:
        """Say whether any inverter answers in a sweep."""
        return any(watts is not None for watts in self._powers(self.begin(slot).timestamp()))

    def power_w(self, slot: int) -> int:
        """Return the roof's power in a sweep."""
        powers = self._powers(self.begin(slot).timestamp())
        return sum(sum(each) for each in powers if each)

    def energy_wh(self, first: int, last: int, lost_w: int = 0) -> float:
        """Add up the sweeps `first` to `last`, both included; each stands for five minutes.

        `lost_w`: what faults have taken from them, in the sum.
        """
        return (self._ledger.sum_w(first, last + 1) - lost_w) * SWEEP_S / 3600

    def lifetime_wh(self, slot: int, lost_w: int = 0) -> float:
        """Return what the roof has made up to a sweep, since it was built."""
        return self._before_wh + self.energy_wh(self._first_slot, slot, lost_w)

    def _unit(self, index: int, kind: Kind) -> Unit:
        return Unit(
            serial=f"{kind.serial_prefix}{90001 + index:08d}",
            kind=kind,
            slope=index % len(_SLOPES),
            panels=tuple(
                _PANEL_WP / 1000 * (0.94 + 0.06 * unit(self._seed, _PANELS + channel, index))
                for channel in range(len(kind.channels))
            ),
            wakes_at=7 + 6 * unit(self._seed, _INVERTERS, index),
            signal_level=int(40 + 216 * unit(self._seed, _RADIO, index)),
        )

    def _powers(self, epoch_s: float) -> tuple[tuple[int, ...] | None, ...]:
        """Return the watts of each inverter's panels; ``None`` for one that sleeps."""
        light, is_morning = self._sky.light(epoch_s, self._normals)
        if not any(light):
            return (None,) * len(self.units)
        share = 1.0 if is_morning else 0.5
        return tuple(
            None
            if light[each.slope] < each.wakes_at * share
            else tuple(
                min(int(full_w * light[each.slope]), each.kind.limit_w) for full_w in each.panels
            )
            for each in self.units
        )

    def _inverter(
        self,
        each: Unit,
        watts: tuple[int, ...] | None,
        epoch_s: float,
        reported_at: datetime,
        load: float,
    ) -> Inverter:
        """Put an inverter's values together, as integers and tenths: an ECU knows no more."""
        if watts is None:
            return Inverter(
                serial=each.serial,
                channels=tuple(
                    Channel(id=_panel_id(each, name), name=name, power_w=None)
                    for name in each.kind.channels
                ),
            )
        number = int(each.serial)
        volts = math.sqrt(3) if len(each.kind.phases[0]) > 1 else 1
        own_load = sum(watts) / (each.kind.limit_w * len(watts))
        hertz = 50 + 0.12 * (noise(self._seed, _HERTZ, epoch_s / 600) - 0.5)
        hertz += 0.06 * (unit(self._seed, _HERTZ + 1, number) - 0.5)
        return Inverter(
            serial=each.serial,
            channels=tuple(
                Channel(
                    id=_panel_id(each, name),
                    name=name,
                    power_w=float(power),
                    dc_voltage_v=float(round(24 + 9 * min(power / 20, 1) + 4 * power / _PANEL_WP)),
                )
                for name, power in zip(each.kind.channels, watts, strict=True)
            ),
            grid_voltages=tuple(
                PhaseVoltage(
                    phase=phase,
                    voltage_v=float(round(volts * self._grid_v(index, number, epoch_s, load))),
                )
                for index, phase in enumerate(each.kind.phases)
            ),
            grid_frequency_hz=round(hertz, 1),
            temperature_c=float(round(self._air_c(epoch_s) + 32 * own_load)),
            reported_at=reported_at,
        )

    def _grid_v(self, phase: int, number: int, epoch_s: float, load: float) -> float:
        """Lift the grid by what the roof feeds in, over its slow wandering."""
        wander = 6 * noise(self._seed, _VOLTS + phase, epoch_s / 1800)
        return 228 + wander + 7 * load + 2 * unit(self._seed, _VOLTS + 10, number)

    def _air_c(self, epoch_s: float) -> float:
        """Return the air's temperature: coldest in January and before sunrise."""
        year = math.cos(math.tau * (epoch_s / 86400 / 365.2425 - 0.55))
        hour = math.cos(math.tau * ((epoch_s / 3600 - 14) / 24))
        return 10 + 8 * year + 4 * hour + 6 * (noise(self._seed, _AIR, epoch_s / 200000) - 0.5)


def _panel_id(each: Unit, channel: str) -> str:
    return f"{each.serial}-{channel}"


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)
