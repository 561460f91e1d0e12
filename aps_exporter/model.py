"""What an ECU said at one moment: facts, frozen, with the unit in the name.

`Reading` ⊃ `EcuInfo`, `Inverter` ⊃ `Channel`. Unknown is ``None``, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

__all__ = [
    "Channel",
    "EcuInfo",
    "Interface",
    "Inverter",
    "PhaseVoltage",
    "Reading",
    "Table",
    "UnreadableCell",
    "to_utc",
]

Interface = Literal["cgi", "php", "tcp"]
"""How the ECU was read: ECU-3 V3 has cgi pages, everything later php, most 2160s and later tcp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One DC input of an inverter, and so one panel."""

    id: str
    """The panel's id as the page prints it, e.g. ``408000012345-A``."""
    name: str
    """The part after the last dash: ``A``/``B`` or ``1``–``4``; empty on one-channel inverters."""
    power_w: float | None
    """DC power. ``None``: offline or unreadable. 0.0: measured."""
    dc_voltage_v: float | None = None
    """DC voltage, on the pages that have the column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseVoltage:
    """The grid voltage on one AC line."""

    phase: str
    """``A``, ``B`` or ``C`` on three-phase inverters, ``AB``, ``BC`` or ``CA`` where it is the
    voltage between two lines (QT2 over TCP), else empty."""
    voltage_v: float

    @property
    def to_neutral_v(self) -> float:
        """The voltage of one line against neutral, which all inverters can be compared by."""
        return self.voltage_v / math.sqrt(3) if len(self.phase) > 1 else self.voltage_v


@dataclass(frozen=True, slots=True, kw_only=True)
class Inverter:
    """One microinverter as its rows on the page say."""

    serial: str
    channels: tuple[Channel, ...]
    """In page order; empty for an inverter that the ECU has never contacted."""
    grid_voltages: tuple[PhaseVoltage, ...] = ()
    grid_frequency_hz: float | None = None
    temperature_c: float | None = None
    signal_ratio: float | None = None
    """Strength of the radio signal, 0 to 1, where the ECU was asked over TCP."""
    reported_at: datetime | None = None
    """The ECU's wall clock when the sweep began, without a zone, as the page prints it."""
    stale: bool = False
    """The rows repeat an old report (an ECU at night does): no value of them is about now."""

    @property
    def online(self) -> bool:
        """Say whether the inverter reported in this reading."""
        return not self.stale and (
            any(channel.power_w is not None for channel in self.channels)
            or bool(self.grid_voltages)
            or self.grid_frequency_hz is not None
            or self.temperature_c is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableCell:
    """A cell that is neither a value its column allows nor a known mark for "no value"."""

    row: str
    """The row's id, or the label of a home page row."""
    column: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The table page: every inverter with its panels."""

    inverters: tuple[Inverter, ...]
    unreadable: tuple[UnreadableCell, ...] = ()
    duplicate_rows: int = 0
    """Rows whose id stood on the page before; the first row counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EcuInfo:
    """The home page: the ECU about itself."""

    ecu_id: str | None = None
    firmware: str | None = None
    timezone: str | None = None
    """As printed, normally an IANA name; may be wrong (the factory's is ``Asia/Shanghai``)."""
    energy_lifetime_wh: float | None = None
    energy_today_wh: float | None = None
    power_w: float | None = None
    """Last system power: the sum of the table's rows in the same sweep."""
    inverters: int | None = None
    """Inverters registered."""
    inverters_online: int | None = None
    clock: datetime | None = None
    """The ECU's own wall clock while it wrote the page (php pages only)."""
    unreadable: tuple[UnreadableCell, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that one poll told us."""

    source: str
    """Where it comes from: the URL of the table page, or ``tcp://host:port``."""
    interface: Interface
    read_at: datetime
    """Our clock, UTC, when the table page had arrived."""
    inverters: tuple[Inverter, ...]
    unreadable: tuple[UnreadableCell, ...] = ()
    duplicate_rows: int = 0
    ecu: EcuInfo | None = None
    """``None`` when the home page could not be read in this poll."""
    home_error: str | None = None
    """Why the home page could not be read."""
    timezone: str | None = None
    """The zone of `Inverter.reported_at`: the configuration's, else the home page's last word."""
    clock_error_s: float = 0.0
    """By how much the ECU's wall clock runs ahead of its zone: whole quarter hours, 0 if right."""
    clock_offset_s: float | None = None
    """The newest report's time minus our clock, if a zone is known."""
    poll_duration_s: float = 0.0
    glitches: Mapping[str, int] = field(default_factory=dict)
    """Kind → values held back since we began to watch, because firmware is known to invent them."""

    @property
    def newest_report(self) -> datetime | None:
        """The newest of all inverters' reporting times (the ECU's wall clock)."""
        return max(
            (i.reported_at for i in self.inverters if i.reported_at is not None), default=None
        )

    def utc(self, wall: datetime) -> datetime | None:
        """Turn a time of the ECU's wall clock into UTC; ``None`` without a known zone.

        A proven clock error is taken off, so that the result is when it really happened.
        """
        if self.timezone is None:
            return None
        moment = to_utc(wall, ZoneInfo(self.timezone), near=self.read_at)
        return moment - timedelta(seconds=self.clock_error_s)


def to_utc(wall: datetime, zone: ZoneInfo, *, near: datetime) -> datetime:
    """Turn a wall clock time into UTC; in the autumn hour that occurs twice, the one nearest."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return min(first, second, key=lambda moment: abs(moment - near))
