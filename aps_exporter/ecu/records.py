"""The records in a reply of the TCP service, one for each inverter → inverters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import lru_cache
from struct import Struct
from typing import Final

from aps_exporter.errors import EcuPageError
from aps_exporter.model import Channel, Inverter, PhaseVoltage, Table, UnreadableCell

__all__ = ["Records", "read_records"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Layout:
    """What follows the head of a record; the first two numbers are tenths of hertz and degrees."""

    numbers: Struct
    channels: tuple[tuple[str, int], ...] = ()
    """Channel → which of the numbers is its power; names are those of the web pages, so that a
    panel keeps its id over either interface."""
    lines: tuple[tuple[str, int], ...] = ()
    """Phase → which of the numbers are its volts."""
    most_v: int = 350
    size: int = field(init=False)

    def __post_init__(self) -> None:
        """Work out how long a record is."""
        object.__setattr__(self, "size", _HEAD.size + self.numbers.size)


# Serial number in BCD, whether it is online, type in ASCII.
_HEAD: Final = Struct(">6sB2s")
_NEVER_SEEN: Final = _Layout(numbers=Struct(""))
_TWO: Final = _Layout(
    numbers=Struct(">6H"),
    channels=(("A", 2), ("B", 4)),
    lines=(("", 3), ("", 5)),  # the one line's, twice
)
_FOUR: Final = _Layout(
    numbers=Struct(">7H"),
    channels=(("1", 2), ("2", 4), ("3", 5), ("4", 6)),
    lines=(("", 3),),
)
_STAR: Final = _Layout(
    numbers=Struct(">9H"),
    channels=(("1", 2), ("2", 4), ("3", 6), ("4", 8)),
    lines=(("A", 3), ("B", 5), ("C", 7)),
)
_DELTA: Final = replace(_STAR, lines=(("AB", 3), ("BC", 5), ("CA", 7)), most_v=600)
_LAYOUTS: Final = {
    b"00": _NEVER_SEEN,
    b"01": _TWO,  # YC600, DS3
    b"02": _STAR,  # YC1000, and QT2 as the ECU-R writes it
    b"03": _FOUR,  # QS1
    b"04": _TWO,  # DS3D-L, DS3-H
    b"05": _DELTA,  # QT2
}
_QT2: Final = "90"
"""How serial numbers of the QT2 begin."""
_GATEWAYS: Final = ("203", "215", "216")
"""How the ids of ECUs begin: people have typed them into the list of inverters."""
_NOBODY: Final = "0" * 12
_LONGEST: Final = 64
"""Bytes of a record of a type that we don't know, at most."""
_ZERO_C: Final = 100
"""What the service adds to a temperature; a raw 0, which would be -100 °C, is none."""
_LEAST_C: Final = -60
_MOST_C: Final = 150
_LEAST_HZ: Final = 40
_MOST_HZ: Final = 70
_MOST_W: Final = 2000
"""One DC input takes less, even where two panels share it."""


@dataclass(slots=True, kw_only=True)
class Records:
    """What the records of one sweep say."""

    swept_at: datetime | None
    ecu_id: str | None
    inverters: dict[str, Inverter] = field(default_factory=dict)
    unreadable: list[UnreadableCell] = field(default_factory=list)
    duplicates: int = 0
    glitches: Counter[str] = field(default_factory=Counter)
    gateways: list[str] = field(default_factory=list)
    """Ids of ECUs that are listed as inverters."""

    @property
    def table(self) -> Table:
        """The inverters as a page would list them."""
        return Table(
            inverters=tuple(self.inverters.values()),
            unreadable=tuple(self.unreadable),
            duplicate_rows=self.duplicates,
        )

    def add(self, serial: str, flag: int, layout: _Layout, numbers: tuple[int, ...]) -> None:
        """Take in a record whose layout is known."""
        if not layout.channels and (serial == self.ecu_id or serial.startswith(_GATEWAYS)):
            self.gateways.append(serial)
        elif serial in self.inverters:
            self.duplicates += 1
        elif flag > 1:
            self.give_up(serial, "online", f"{flag:02x}")
        elif flag and numbers and (numbers[0] or not _is_blank(numbers)):
            self.inverters[serial] = self._online(serial, layout, numbers)
        else:
            # Offline: some firmware leaves old volts and watts in the record.
            if flag and layout.channels:
                self.glitches["temperature"] += 1
            channels = [
                Channel(id=f"{serial}-{name}", name=name, power_w=None)
                for name, _ in layout.channels
            ]
            self.inverters[serial] = Inverter(serial=serial, channels=tuple(channels))

    def give_up(self, row: str, column: str, text: str) -> None:
        """Note what can't be read."""
        self.unreadable.append(UnreadableCell(row=row, column=column, text=text))

    def _online(self, serial: str, layout: _Layout, numbers: tuple[int, ...]) -> Inverter:
        if layout is _STAR and (
            serial.startswith(_QT2) or _STAR.most_v < max(numbers[3:8:2]) <= _DELTA.most_v
        ):
            layout = _DELTA
        channels = []
        for name, position in layout.channels:
            watts = numbers[position]
            power_w = float(watts) if watts <= _MOST_W else self._reject("power")
            channel = _NEW(Channel)
            _ID(channel, f"{serial}-{name}")
            _NAME(channel, name)
            _POWER(channel, power_w)
            _DC_VOLTAGE(channel, None)
            channels.append(channel)
        lines: list[PhaseVoltage] = []
        for phase, position in layout.lines:
            volts = numbers[position]
            if volts > layout.most_v:
                self._reject("voltage")
            elif volts and (phase or not lines):  # 0 is a line that was not measured
                lines.append(_line(phase, volts))
        hertz: float | None = numbers[0] / 10
        if not _LEAST_HZ <= numbers[0] / 10 <= _MOST_HZ:
            hertz = self._reject("frequency") if numbers[0] else None
        raw_c = numbers[1]
        in_range = _LEAST_C <= raw_c - _ZERO_C <= _MOST_C
        celsius = float(raw_c - _ZERO_C) if in_range else self._reject("temperature")
        return _inverter(serial, tuple(channels), tuple(lines), hertz, celsius, self.swept_at)

    def _reject(self, kind: str) -> float | None:
        """Leave out and count a value that is impossible, as firmware is known to invent some."""
        self.glitches[kind] += 1
        return None


def read_records(
    body: bytes, count: int, *, swept_at: datetime | None, ecu_id: str | None
) -> Records:
    """Read the records of a reply, in any order, one after the other.

    ``408000012345`` in BCD, ``01`` online, ``'01'`` type, then two bytes each: hertz*10,
    degrees+100, watts, volts, watts, volts. A record of a type that we don't know costs that
    inverter alone, if its length can only be one. Raises `EcuPageError` if the last is cut off.
    """
    records = Records(swept_at=swept_at, ecu_id=ecu_id)
    offset = number = 0
    while offset < len(body):
        left = len(body) - offset
        if left < _HEAD.size:
            raise _cut_off(number)
        bcd, flag, type_ = _HEAD.unpack_from(body, offset)
        serial = bcd.hex()
        is_serial = serial.isdecimal() and serial != _NOBODY
        layout = _LAYOUTS.get(type_)
        if layout is None:
            size = _only_size(body, offset, count - number)
            lost = "" if size else f" ({left} bytes from here on can't be told apart)"
            row = serial if is_serial else f"record {number + 1}"
            records.give_up(row, "type", f"{type_.decode('ascii', 'backslashreplace')}{lost}")
            if size is None:
                break
            offset += size
        elif left < layout.size:
            raise _cut_off(number)
        else:
            numbers = layout.numbers.unpack_from(body, offset + _HEAD.size)
            offset += layout.size
            if is_serial:
                records.add(serial, flag, layout, numbers)
            else:
                records.give_up(f"record {number + 1}", "id", serial)
        number += 1
    else:
        if number != count:
            records.give_up("reply", "count", f"{count}, where {number} follow")
    return records


@lru_cache(maxsize=1024)
def _line(phase: str, volts: int) -> PhaseVoltage:
    """Make the voltage of a line, which is that of many inverters."""
    return PhaseVoltage(phase=phase, voltage_v=float(volts))


def _setters(kind: type[Channel | Inverter]) -> list[Callable[[object, object], None]]:
    """Find what sets the fields of a frozen class, in their order.

    A frozen class spends three times as long on being made as setting its fields takes, and a list
    of a hundred inverters has five hundred objects.
    """
    return [getattr(kind, each.name).__set__ for each in fields(kind)]


_NEW: Final = object.__new__
# Unpacked one by one, so that a field more is noticed at once.
_ID, _NAME, _POWER, _DC_VOLTAGE = _setters(Channel)
_SERIAL, _CHANNELS, _VOLTAGES, _HERTZ, _CELSIUS, _SIGNAL, _AT, _STALE = _setters(Inverter)


def _inverter(  # noqa: PLR0913, PLR0917  # an inverter has so many facts
    serial: str,
    channels: tuple[Channel, ...],
    voltages: tuple[PhaseVoltage, ...],
    hertz: float | None,
    celsius: float | None,
    swept_at: datetime | None,
) -> Inverter:
    made = _NEW(Inverter)
    _SERIAL(made, serial)
    _CHANNELS(made, channels)
    _VOLTAGES(made, voltages)
    _HERTZ(made, hertz)
    _CELSIUS(made, celsius)
    _SIGNAL(made, None)
    _AT(made, swept_at)
    _STALE(made, False)  # noqa: FBT003  # it is the value of a field
    return made


def _is_blank(numbers: tuple[int, ...]) -> bool:
    """Say whether a record without hertz measures nothing else; no degrees are a raw 0, or 0 °C."""
    return numbers[1] in (0, _ZERO_C) and not any(numbers[2:])


def _only_size(body: bytes, offset: int, count: int) -> int | None:
    """Find the length of a record of unknown type, if the rest fits the reply with one only."""
    type_ = body[offset + _HEAD.size - 2 : offset + _HEAD.size]
    sizes = {name: layout.size for name, layout in _LAYOUTS.items()}
    fitting = [
        size
        for size in range(_HEAD.size, _LONGEST + 1)
        if _fits(body, offset, count, {**sizes, type_: size})
    ]
    return fitting[0] if len(fitting) == 1 else None


def _fits(body: bytes, offset: int, count: int, sizes: dict[bytes, int]) -> bool:
    """Say whether just so many records follow if those of each type have these lengths."""
    for _ in range(count):
        if len(body) - offset < _HEAD.size:
            return False
        bcd, flag, type_ = _HEAD.unpack_from(body, offset)
        if flag > 1 or type_ not in sizes or not bcd.hex().isdecimal():
            return False
        offset += sizes[type_]
    return offset == len(body)


def _cut_off(number: int) -> EcuPageError:
    return EcuPageError(
        f"the ECU's list of inverters is cut off in record {number + 1}", "page_truncated"
    )
