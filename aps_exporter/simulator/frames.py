"""How an ECU writes what it knows for its TCP port: model values → the bytes of its replies.

A reply is ``APS``, a group, its length in four digits, the command, a body of binary values, most
significant byte first, then ``END`` and a line feed which the length doesn't count.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aps_exporter.model import EcuInfo, Inverter

__all__ = [
    "Entry",
    "FrameStyle",
    "Offline",
    "RecordType",
    "write_curve",
    "write_inverters",
    "write_refusal",
    "write_signals",
    "write_system",
]

RecordType = Literal["00", "01", "02", "03", "04", "05"]
"""Never contacted; YC600 and DS3; YC1000, and QT2 by an ECU-R; QS1; DS3D-L; QT2."""

Offline = Literal["zeroed", "zero-celsius", "old-values", "never-contacted"]
"""What stands in an offline inverter's record: zeros, 0 °C, this and old volts; no values."""

_FIELDS: dict[RecordType, tuple[tuple[Literal["watts", "volts"], int], ...]] = {
    "00": (),
    "01": (("watts", 0), ("volts", 0), ("watts", 1), ("volts", 0)),
    "02": (
        *(("watts", 0), ("volts", 0), ("watts", 1), ("volts", 1)),
        *(("watts", 2), ("volts", 2), ("watts", 3)),
    ),
    "03": (("watts", 0), ("volts", 0), ("watts", 1), ("watts", 2), ("watts", 3)),
}
_FIELDS["04"] = _FIELDS["01"]
_FIELDS["05"] = _FIELDS["02"]
"""What follows frequency and temperature in a record: which channel's watts, which line's volts."""

_COLDEST_C = -100
"""The temperature that is written as 0."""
_NEVER_CONNECTED = b"\xd0" * 7
_OLD_V = {"02": 387, "05": 387}
_OLD_ONE_PHASE_V = 231
_OLD_W = (0, 0, 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameStyle:
    """Whose replies these are."""

    group: str = "11"
    """``12`` on an ECU-R-Pro and an ECU-C, in the system's reply."""
    format: Literal["01", "02"] = "01"
    tail: bytes = b""
    """What stands behind the addresses: ``00`` and ten zero bytes where the group is 12."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An inverter in the ECU's list."""

    inverter: Inverter
    type: RecordType
    """How its record is laid out; of no weight for one never contacted."""
    offline: Offline = "zeroed"
    claims: str = ""
    """The type that its record claims to be of; empty: its own."""


def write_system(
    info: EcuInfo,
    macs: tuple[bytes, bytes],
    style: FrameStyle,
    connected_at: datetime | None = None,
) -> bytes:
    """Write the reply to 0001; a total that is ``None`` is 0.

    `macs`: of the wired and of the wireless port. `connected_at`: when the ECU last reached its
    maker, ``None``: it never says.
    """
    totals = struct.pack(
        ">III",
        round((info.energy_lifetime_wh or 0) / 100),
        round(info.power_w or 0),
        round((info.energy_today_wh or 0) / 10),
    )
    counts = struct.pack(">HH", info.inverters or 0, info.inverters_online or 0)
    if style.format == "01":
        contact = _NEVER_CONNECTED if connected_at is None else _bcd(f"{connected_at:%Y%m%d%H%M%S}")
        middle = contact + counts + b"10"
    else:
        middle = counts + b"10" + bytes(4)
    body = (
        (info.ecu_id or "").encode()
        + style.format.encode()
        + totals
        + middle
        + _text(info.firmware)
        + _text(info.timezone)
        + b"".join(macs)
        + style.tail
    )
    return _frame("0001", body, group=style.group)


def write_inverters(entries: Iterable[Entry], at: datetime) -> bytes:
    """Write the reply to 0002: all inverters and when the sweep began, on the ECU's clock."""
    records = [_record(entry) for entry in entries]
    head = b"0001" + struct.pack(">H", len(records)) + _bcd(f"{at:%Y%m%d%H%M%S}")
    return _frame("0002", head + b"".join(records))


def write_signals(inverters: Iterable[Inverter]) -> bytes:
    """Write the reply to 0030: how well each inverter was heard, in 255ths."""
    return _frame(
        "0030",
        b"00"
        + b"".join(
            _bcd(each.serial) + bytes((round((each.signal_ratio or 0) * 255),))
            for each in inverters
        ),
    )


def write_curve(points: Iterable[tuple[datetime, int]]) -> bytes:
    """Write the reply to 0003: the roof's watts in each sweep of a day, to the minute."""
    return _frame(
        "0003", b"00" + b"".join(_bcd(f"{at:%H%M}") + struct.pack(">H", w) for at, w in points)
    )


def write_refusal(command: str, status: str) -> bytes:
    """Write that a command failed, which ends without ``END``."""
    return f"APS110015{command}{status}\n".encode()


def _frame(command: str, body: bytes, group: str = "11") -> bytes:
    length = len("APS") + len(group) + 4 + len(command) + len(body) + len("END")
    return f"APS{group}{length:04d}{command}".encode() + body + b"END\n"


def _record(entry: Entry) -> bytes:
    """Write an inverter: serial, whether it is online, type, values of two bytes each."""
    inverter = entry.inverter
    unheard = not inverter.channels or (not inverter.online and entry.offline == "never-contacted")
    own_type = "00" if unheard else entry.type
    head = _bcd(inverter.serial) + bytes((inverter.online,)) + (entry.claims or own_type).encode()
    if own_type == "00":
        return head
    values = _values(entry) if inverter.online else _old_values(entry)
    return head + struct.pack(f">{len(values)}H", *values)


def _values(entry: Entry) -> list[int]:
    inverter = entry.inverter
    celsius = _COLDEST_C if inverter.temperature_c is None else round(inverter.temperature_c)
    watts = [round(channel.power_w or 0) for channel in inverter.channels]
    volts = [round(each.voltage_v) for each in inverter.grid_voltages]
    written = {"watts": watts, "volts": volts}
    return [
        round((inverter.grid_frequency_hz or 0) * 10),
        celsius - _COLDEST_C,
        *(_at(written[what], index) for what, index in _FIELDS[entry.type]),
    ]


def _old_values(entry: Entry) -> list[int]:
    fields = _FIELDS[entry.type]
    if entry.offline == "zeroed":
        return [0] * (2 + len(fields))
    if entry.offline == "zero-celsius":
        return [0, -_COLDEST_C, *[0] * len(fields)]
    volts = _OLD_V.get(entry.type, _OLD_ONE_PHASE_V)
    return [
        0,
        -_COLDEST_C,
        *(_OLD_W[index] if what == "watts" else volts for what, index in fields),
    ]


def _at(values: list[int], index: int) -> int:
    return values[index] if index < len(values) else 0


def _bcd(digits: str) -> bytes:
    """Write two digits to a byte."""
    return bytes.fromhex(digits)


def _text(text: str | None) -> bytes:
    """Write a text with its length in three digits before it."""
    data = (text or "").encode()
    return f"{len(data):03d}".encode() + data
