"""Evidence → what it means: the two sides of the ECU, its roof, its clock, its sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aps_exporter.doctor.evidence import Door, Evidence, Item, Kind
from aps_exporter.ecu.frames import Sweep, parse_inverters, parse_signals, parse_system
from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.errors import EcuPageError
from aps_exporter.model import EcuInfo, Inverter, Table, UnreadableCell, to_utc

__all__ = ["MODELS", "Findings", "examine"]

MODELS: Final = {
    "2030": "ECU-3",
    "215": "ECU-C",
    "2160": "ECU-R",
    "2162": "ECU-R-Pro",
    "2163": "ECU-B",
}
"""How an id begins → the model (knowledge of clients; the id tells no more)."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the evidence means; ``None`` or empty where it doesn't tell."""

    evidence: Evidence
    """Answers that can't be understood carry the reason as their error."""
    home: EcuInfo | None = None
    table: Table | None = None
    system: EcuInfo | None = None
    sweep: Sweep | None = None
    signals: Mapping[str, float] = field(default_factory=dict)

    @property
    def understood(self) -> bool:
        """Say whether anything could be read at all."""
        return bool(self.infos or self.table or self.sweep)

    @property
    def infos(self) -> tuple[EcuInfo, ...]:
        """What the ECU says of itself, the pages first."""
        return tuple(info for info in (self.home, self.system) if info)

    @property
    def ecu_id(self) -> str | None:
        """The ECU's own id."""
        return next((info.ecu_id for info in self.infos if info.ecu_id), None)

    @property
    def model(self) -> str | None:
        """The model, as far as the id tells."""
        known = (m for start, m in MODELS.items() if (self.ecu_id or "").startswith(start))
        return next(known, None)

    @property
    def firmware(self) -> str | None:
        """The firmware's version."""
        return next((info.firmware for info in self.infos if info.firmware), None)

    @property
    def timezone(self) -> str | None:
        """The zone that the ECU names."""
        return next((info.timezone for info in self.infos if info.timezone), None)

    @property
    def inverters(self) -> tuple[Inverter, ...]:
        """The roof, by the pages if they tell, else by TCP."""
        table = self.table or (self.sweep.table if self.sweep else None)
        return table.inverters if table else ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Inverters that the ECU knows and that did not report."""
        return tuple(inverter.serial for inverter in self.inverters if not inverter.online)

    @property
    def unreadable(self) -> tuple[UnreadableCell, ...]:
        """Everything that an answer holds and we can't read."""
        tables = (self.table, self.sweep.table if self.sweep else None)
        return tuple(cell for part in (*tables, *self.infos) if part for cell in part.unreadable)

    def doubt_in(self, item: Item) -> int | None:
        """Tell from which byte on an answer over TCP is not understood; ``None``: it all is."""
        if item.error:
            return 0
        if item.content is None or item.kind != "inverters" or self.sweep is None:
            return None
        rows = [cell.row for cell in self.sweep.table.unreadable if cell.row != "reply"]
        places = [item.content.find(bytes.fromhex(row)) for row in rows if row.isdecimal()]
        return min(places, default=0) if rows else None

    @property
    def last_sweep(self) -> datetime | None:
        """The newest reporting time, by the ECU's wall clock."""
        times = [i.reported_at for i in self.inverters if i.reported_at is not None]
        if not times and self.sweep and self.sweep.swept_at:
            return self.sweep.swept_at
        return max(times, default=None)

    @property
    def sweep_offset_s(self) -> float | None:
        """The newest reporting time minus our clock, if the ECU names its zone."""
        zone, sweep, now = self.zone, self.last_sweep, self.evidence.taken_at
        return (to_utc(sweep, zone, near=now) - now).total_seconds() if zone and sweep else None

    @property
    def clock_offset_s(self) -> float | None:
        """The ECU's own clock minus ours, where a page shows it."""
        zone, now = self.zone, self.evidence.taken_at
        clock = self.home.clock if self.home else None
        return (to_utc(clock, zone, near=now) - now).total_seconds() if zone and clock else None

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone that the ECU names, if there is such a zone."""
        try:
            return ZoneInfo(self.timezone) if self.timezone else None
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return None  # an ECU may print anything

    def asked(self, door: Door, kind: Kind) -> list[Item]:
        """Give the questions of one kind, whatever they brought."""
        return [item for item in self.evidence.items if (item.door, item.kind) == (door, kind)]

    def faults(self, door: Door) -> list[Item]:
        """Give the questions at a door that brought nothing we can use."""
        return [item for item in self.evidence.items if item.door == door and item.error]


def power_of(table: Table | None) -> float | None:
    """Sum the watts of a table; ``None`` if it has none."""
    channels = (channel for i in (table.inverters if table else ()) for channel in i.channels)
    watts = [channel.power_w for channel in channels if channel.power_w is not None]
    return sum(watts) if watts else None


def online_of(table: Table | None) -> int | None:
    """Count the inverters of a table that reported."""
    return None if table is None else sum(inverter.online for inverter in table.inverters)


def examine(evidence: Evidence) -> Findings:
    """Read every answer; one that can't be read becomes a fault with its reason."""
    reader = _Reader(items=list(evidence.items))
    home = reader.first("web", "home", parse_home)
    table = reader.first("web", "table", parse_table)
    system = reader.first("tcp", "system", parse_system)
    sweep = reader.first("tcp", "inverters", parse_inverters)
    signals = reader.first("tcp", "signals", parse_signals)
    return Findings(
        evidence=replace(evidence, items=tuple(reader.items)),
        home=home,
        table=table,
        system=system,
        sweep=sweep,
        signals=signals or {},
    )


@dataclass(slots=True)
class _Reader:
    """Reads answers, and notes at each what is wrong with it."""

    items: list[Item]

    def first(self, door: Door, kind: Kind, parse: Callable[[bytes], _T]) -> _T | None:
        """Give the first answer to a kind of question that can be read."""
        found: _T | None = None
        for number, item in enumerate(self.items):
            if (item.door, item.kind) != (door, kind) or item.content is None or item.error:
                continue
            try:
                value = parse(item.content)
            except EcuPageError as error:
                self.items[number] = replace(item, error=str(error), status=error.status)
            else:
                found = value if found is None else found
        return found
