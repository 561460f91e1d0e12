"""The ECU itself: which sweep it shows, what faults make of it, and the page it answers with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from aps_exporter.model import EcuInfo, Inverter
from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.faults import FAULTS, Fault, parse_fault, spoil_info
from aps_exporter.simulator.identity import identify
from aps_exporter.simulator.odd_cells import scatter
from aps_exporter.simulator.pages import PageStyle, write_graph, write_home, write_table
from aps_exporter.simulator.plant import SWEEP_S, Plant
from aps_exporter.simulator.settings import Language, SimulatorSettings

__all__ = ["PATHS", "Gateway", "Shown"]

PATHS: dict[str, dict[str, str]] = {
    "cgi": {"/cgi-bin/parameters": "table", "/cgi-bin/home": "home"},
    "php": {
        "/": "home",
        "/index.php/home": "home",
        "/index.php/realtimedata": "table",
        "/index.php/realtimedata/old_power_graph": "graph",
    },
}
"""Which page stands at which path, by the family's first word."""

_UPLOAD_AFTER = timedelta(seconds=243)
"""From a sweep's start until the maker's cloud has it."""
_RESTARTS_AT = timedelta(hours=1)
"""Each night a maintenance job restarts the ECU, and the table is empty until the sun is back."""
_NIGHT_SLOTS = 86400 // SWEEP_S
_REMEMBERED_SLOTS = 2 * _NIGHT_SLOTS
"""How far back a loss to faults is made up for when the clock was moved ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the ECU says."""

    inverters: tuple[Inverter, ...]
    info: EcuInfo
    swept_at: datetime | None
    """When the sweep began in which it found that, on its own clock; ``None``: none yet."""


class Gateway:
    """One ECU. Not thread-safe: everything happens on the server's event loop."""

    def __init__(self, settings: SimulatorSettings, clock: Clock) -> None:
        """Raise `ValueError` for a fault that names nobody on this roof."""
        self.settings = settings
        self.clock = clock
        self.identity = identify(settings)
        self.plant = Plant(settings, clock.now().astimezone(ZoneInfo(settings.timezone)).date())
        self.faults: tuple[Fault, ...] = ()
        self._frozen_at: datetime | None = None
        self._lost_w: dict[int, int] = {}
        self._lost_before_w = 0
        self._settled = self._finished(clock.now())
        # The last answers to questions that each page asks again: what was asked → what it was.
        self._found: tuple[tuple[int, int], int | None] | None = None
        self._swept: tuple[tuple[object, ...], tuple[Inverter, ...]] | None = None
        self._written: tuple[tuple[object, ...], bytes] | None = None
        for text in settings.faults:
            self.switch_on(parse_fault(text))
        # Faults from the start have spoilt the sweep that is shown first, too.
        self._settled -= 1

    def switch_on(self, fault: Fault) -> None:
        """Add a fault; it shows at once, on the last sweep's rows.

        Raise `ValueError` if it names an inverter or a panel that this roof hasn't.
        """
        self._require_known(fault)
        self._settle()
        if fault.name == "stale-sweep" and not self.has("stale-sweep"):
            self._frozen_at = self.clock.now()
        concerned = FAULTS[fault.name].change is not None
        kept = (each for each in self.faults if concerned or each.name != fault.name)
        self.faults = (*(each for each in kept if each != fault), fault)

    def switch_off(self, name: str, argument: str | None = None) -> None:
        """Take a fault away: the one with this argument, or all of this name."""
        self._settle()
        self.faults = tuple(
            each
            for each in self.faults
            if each.name != name or argument not in (None, each.argument)
        )
        if not self.has("stale-sweep"):
            self._frozen_at = None

    def has(self, name: str) -> bool:
        """Say whether a fault is on."""
        return self.argument(name) is not None

    def argument(self, name: str) -> str | None:
        """Return the argument of a fault that is on, else ``None``."""
        return next((each.argument for each in self.faults if each.name == name), None)

    def wall(self, at: datetime) -> datetime:
        """Return what the ECU's own clock shows at a moment."""
        zone, ahead = self._zone()
        return (at.astimezone(zone) + ahead).replace(tzinfo=None, microsecond=0)

    def connected_at(self) -> datetime:
        """Return when the ECU last reached its maker, on its own clock."""
        uploaded = self.plant.begin(self.plant.slot(self.clock.now() - _UPLOAD_AFTER))
        return self.wall(uploaded + _UPLOAD_AFTER)

    def shown(self) -> Shown:
        """Return what the pages show now."""
        self._settle()
        now = self.clock.now()
        slot = self._shown_slot(now)
        # By night the CGI generation says 0 W beside the rows of dusk.
        asleep = self.settings.family == "cgi" and slot != self._finished(now)
        said = self._say(now, slot, self.identity.firmware, asleep=asleep)
        clock = None if self.settings.family == "cgi" else self.wall(now)
        info = spoil_info(replace(said.info, clock=clock), self.faults, over_tcp=False)
        return replace(said, info=info)

    def told(self) -> Shown:
        """Return what is told over TCP now: by night that nobody answers, not the rows of dusk.

        It knows how well it hears its inverters, but not their DC volts.
        """
        self._settle()
        now = self.clock.now()
        slot = None if self.has("empty-table") else self._finished(now)
        said = self._say(now, slot, self.identity.tcp_firmware)
        info = replace(said.info, timezone=self.identity.tcp_zone or said.info.timezone)
        levels = {unit.serial: unit.signal_level for unit in self.plant.units}
        inverters = tuple(
            replace(
                each,
                channels=tuple(replace(channel, dc_voltage_v=None) for channel in each.channels),
                signal_ratio=levels[each.serial] / 255 if each.channels else 0.0,
            )
            for each in said.inverters
        )
        info = spoil_info(info, self.faults, over_tcp=True)
        return replace(said, inverters=inverters, info=info)

    def curve(self, day: date) -> list[tuple[datetime, int]]:
        """Return when each sweep of a day began in which an inverter answered, and its watts.

        The day is one of the ECU's own clock, the times are UTC.
        """
        self._settle()
        next_day = self.plant.slot(self._midnight(day + timedelta(days=1)))
        last = min(self._finished(self.clock.now()), next_day)
        return [
            (self.plant.begin(slot), self.plant.power_w(slot) - self._lost_w.get(slot, 0))
            for slot in range(self.plant.slot(self._midnight(day)) + 1, last + 1)
            if self.plant.awake(slot)
        ]

    def page(self, path: str, origin: str) -> bytes | None:
        """Write the page at a path; ``None``: there is none."""
        name = PATHS[self.settings.family.partition("-")[0]].get(path)
        if name is None:
            return None
        if name == "graph":
            return self._graph()
        language: Language = "chinese" if self.has("chinese") else self.settings.language
        style = PageStyle(family=self.settings.family, language=language, origin=origin)
        if name == "home":
            return write_home(self.shown().info, style, self.connected_at())
        return self._table(style)

    def _table(self, style: PageStyle) -> bytes:
        slot = self._shown_slot(self.clock.now())
        key = (slot, self.faults, style)
        if self._written is None or self._written[0] != key:
            inverters = self._inverters(slot)
            odd = {}
            if self.has("odd-cells"):
                odd = {place: cell.text for place, cell in scatter(inverters).items()}
            self._written = (key, write_table(inverters, style, odd))
        return self._written[1]

    def _graph(self) -> bytes:
        now = self.clock.now()
        points = self.curve(self.wall(now).date())
        return write_graph(
            [(int(at.timestamp() * 1000), watts) for at, watts in points],
            self._energy_today_wh(now),
        )

    def _say(
        self, now: datetime, slot: int | None, firmware: str, *, asleep: bool = False
    ) -> Shown:
        """Put together what the ECU says of a sweep."""
        inverters = self._inverters(slot)
        finished = self._finished(now)
        power_w = sum(each.power_w or 0 for i in inverters for each in i.channels)
        return Shown(
            inverters=inverters,
            info=EcuInfo(
                ecu_id=self.identity.ecu_id,
                firmware=firmware,
                timezone=self._zone()[0].key,
                energy_lifetime_wh=self.plant.lifetime_wh(finished, self._lost(finished)),
                energy_today_wh=self._energy_today_wh(now),
                power_w=0.0 if asleep else power_w,
                inverters=len(self.plant.units),
                inverters_online=0 if asleep else sum(each.online for each in inverters),
            ),
            swept_at=None if slot is None else self.wall(self.plant.begin(slot)),
        )

    def _shown_slot(self, now: datetime) -> int | None:
        """Find the last sweep that an inverter answered: after a night, none since the restart."""
        if self.has("empty-table"):
            return None
        finished = self._finished(now)
        first = finished - _NIGHT_SLOTS
        if self.settings.family != "cgi":
            restart = self._midnight(self.wall(now).date()) + _RESTARTS_AT
            if restart <= self.plant.begin(finished):
                first = self.plant.slot(restart) + 1
        if self._found is None or self._found[0] != (finished, first):
            slots = range(finished, first - 1, -1)
            found = next((slot for slot in slots if self.plant.awake(slot)), None)
            self._found = ((finished, first), found)
        return self._found[1]

    def _finished(self, now: datetime) -> int:
        """Find the last sweep that is over by now, or was when sweeps stopped."""
        takes_s = min(25 + 3 * self.settings.inverters, 240)
        return self.plant.slot((self._frozen_at or now) - timedelta(seconds=takes_s))

    def _inverters(self, slot: int | None) -> tuple[Inverter, ...]:
        """Return a sweep's inverters as faults leave them; none without a sweep."""
        if slot is None:
            return ()
        if self._swept is not None and self._swept[0] == (slot, self.faults):
            return self._swept[1]
        sweep = self.plant.sweep(self.plant.begin(slot))
        at = self.wall(sweep.at)
        inverters = tuple(
            replace(each, reported_at=at) if each.reported_at else each for each in sweep.inverters
        )
        for fault in self.faults:
            change = FAULTS[fault.name].change
            if change is not None:
                inverters = tuple(change(each, fault.argument, at) for each in inverters)
        self._swept = ((slot, self.faults), inverters)
        return inverters

    def _settle(self) -> None:
        """Note what the faults have cost in the sweeps since last time."""
        finished = self._finished(self.clock.now())
        if finished < self._settled:
            # The clock was moved back: what is to come has not happened.
            self._lost_w = {slot: w for slot, w in self._lost_w.items() if slot <= finished}
        elif any(FAULTS[fault.name].change is not None for fault in self.faults):
            for slot in range(max(self._settled, finished - _REMEMBERED_SLOTS) + 1, finished + 1):
                left = sum(c.power_w or 0 for i in self._inverters(slot) for c in i.channels)
                self._lost_w[slot] = self.plant.power_w(slot) - int(left)
        while len(self._lost_w) > _REMEMBERED_SLOTS:
            self._lost_before_w += self._lost_w.pop(min(self._lost_w))
        self._settled = finished

    def _lost(self, last: int, first: int | None = None) -> int:
        """Add up the watts that faults cost up to a sweep, from the beginning or the `first`."""
        lost = (w for slot, w in self._lost_w.items() if (first or slot) <= slot <= last)
        return sum(lost) + (0 if first else self._lost_before_w)

    def _energy_today_wh(self, now: datetime) -> float:
        first, last = self._first_of_day(now), self._finished(now)
        if last < first:
            return 0.0
        return self.plant.energy_wh(first, last, self._lost(last, first))

    def _first_of_day(self, now: datetime) -> int:
        return self.plant.slot(self._midnight(self.wall(now).date())) + 1

    def _midnight(self, day: date) -> datetime:
        """Return when a day begins on the ECU's own clock."""
        zone, ahead = self._zone()
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) - ahead

    def _zone(self) -> tuple[ZoneInfo, timedelta]:
        """Return the zone that the ECU claims, and how far its clock runs ahead of that."""
        argument = self.argument("clock-zone")
        if argument is None:
            return self.plant.zone, timedelta()
        if argument[0] in "+-":
            return self.plant.zone, timedelta(hours=float(argument))
        return ZoneInfo(argument), timedelta()

    def _require_known(self, fault: Fault) -> None:
        if not FAULTS[fault.name].names_inverter:
            return
        panels = self.plant.groups
        known = {"all", *panels} | {unit.serial for unit in self.plant.units}
        if fault.argument not in known:
            message = f"{fault}: there is no such inverter or panel, only {', '.join(panels)}"
            raise ValueError(message)
