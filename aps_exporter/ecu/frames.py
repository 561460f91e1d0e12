"""Bytes of the replies of an ECU's TCP service → model values. No socket, no clock, no log.

A reply is ``APS``, a group (``11``, ``12``), its length in four digits, the command in four digits,
a body of text and numbers, ``END``. The length counts all bytes but the line feed after them; the
body is binary, so that neither line feeds nor ``END`` in it mean anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from struct import Struct
from typing import Final

from aps_exporter.ecu.records import read_records
from aps_exporter.errors import EcuPageError
from aps_exporter.model import EcuInfo, Table, UnreadableCell

__all__ = [
    "FACTORY_ZONE",
    "Sweep",
    "complete",
    "frame_length",
    "parse_curve",
    "parse_inverters",
    "parse_signals",
    "parse_system",
    "with_signals",
]

FACTORY_ZONE: Final = "Etc/GMT-8"
"""What every ECU-R and ECU-B names as its zone, wherever it is; so it says nothing."""

_START: Final = re.compile(rb"APS[0-9]{2}([0-9]{4})([0-9]{4})", re.DOTALL)
_SHAPE: Final = b"APS0000000000"
"""Letters are themselves and a 0 is any digit: how each reply begins."""
_END: Final = b"END"
_OK: Final = b"00"
_ECU_ID: Final = re.compile(r"[0-9]{12}")
_WORD: Final = re.compile(r"[ -~]{1,64}")
_YEARS: Final = range(1970, 2200)
_RECORDS: Final = 26
"""Where the records of inverters begin in the reply to 0002."""
_CLOUD_CONTACT: Final = 39
_COUNTS: Final = {b"01": 46, b"02": 39}
"""Model → where the number of inverters is in the reply to 0001."""
_COUNTS_TO_TEXTS: Final = {b"01": 6, b"02": 10}
_WITH_STATUS: Final = ("0002", "0030", "0003")
_SIGNAL: Final = Struct(">6sB")
_POINT: Final = Struct(">2sH")
_STRONGEST: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What a sweep of the ECU found, as the reply to 0002 tells."""

    table: Table
    swept_at: datetime | None
    """The ECU's wall clock when the sweep began, without a zone."""
    glitches: Mapping[str, int] = field(default_factory=dict)
    """``power``, ``voltage``, ``frequency``, ``temperature`` → impossible values, left out."""
    gateways: tuple[str, ...] = ()
    """Ids of ECUs that somebody registered as inverters, left out."""


def frame_length(buffer: bytes | bytearray) -> int | None:
    """Tell the length of the reply that begins so, without its line feed; ``None``: too early.

    Raises `EcuPageError` as soon as it can't be the beginning of a reply.
    """
    if match := _START.match(buffer):
        return int(match[1])
    start = buffer[: len(_SHAPE)]
    shape = re.sub(rb"[0-9]", b"0", start)
    if len(start) == len(_SHAPE) or shape != _SHAPE[: len(start)]:
        message = f"the answer is not that of an ECU: it begins with {_shown(bytes(buffer[:16]))}"
        raise EcuPageError(message, "page_unrecognised")
    return None


def complete(buffer: bytes | bytearray) -> bool:
    """Say whether a whole reply has arrived; raises `EcuPageError` if none ever will."""
    length = frame_length(buffer)
    return length is not None and len(buffer) >= length


def parse_system(reply: bytes) -> EcuInfo:
    """Read the reply to 0001: who the ECU is and what its roof has made.

    ``216000012345`` id, ``01`` model, lifetime (kWh*10), power (W), today (kWh*100), time of the
    last contact with the cloud (7 bytes BCD, not in model 02), inverters, online, two texts with
    their lengths in three digits: firmware and zone. Raises `EcuPageError`.
    """
    frame = _frame(reply, b"0001")
    ecu_id = frame[13:25].decode("ascii", "replace")
    if not _ECU_ID.fullmatch(ecu_id) or len(frame) < _CLOUD_CONTACT + len(_END):
        message = f"the ECU's answer to 0001 has no id or is too short: {_shown(frame[13:39])}"
        raise EcuPageError(message, "page_unrecognised")
    unreadable: list[UnreadableCell] = []
    counts = _COUNTS.get(frame[25:27])
    firmware = timezone = inverters = online = None
    if counts is None:
        unreadable.append(_cell("model", frame[25:27]))
    else:
        inverters, online = _number(frame, counts, 2), _number(frame, counts + 2, 2)
        firmware, after = _text(frame, counts + _COUNTS_TO_TEXTS[frame[25:27]])
        timezone, _ = _text(frame, after)
        if firmware is None:
            unreadable.append(_cell("firmware", frame[counts + 4 : -len(_END)]))
    lifetime, power_w, today = (_number(frame, start, 4) for start in (27, 31, 35))
    return EcuInfo(
        ecu_id=ecu_id,
        firmware=firmware,
        timezone=None if timezone == FACTORY_ZONE else timezone,
        energy_lifetime_wh=None if lifetime is None else lifetime * 100.0,
        energy_today_wh=None if today is None else today * 10.0,
        power_w=None if power_w is None else float(power_w),
        inverters=inverters,
        inverters_online=online,
        unreadable=tuple(unreadable),
    )


def parse_inverters(reply: bytes, ecu_id: str | None = None) -> Sweep:
    """Read the reply to 0002: every inverter with its channels, and when the sweep began.

    ``00`` status, ``01`` model, count, seven bytes BCD of time, records. `ecu_id` is never an
    inverter's, though some ECUs list it. Raises `EcuPageError`.
    """
    frame = _frame(reply, b"0002")
    if len(frame) < _RECORDS + len(_END):
        message = f"the ECU's answer to 0002 is too short: {_shown(frame)}"
        raise EcuPageError(message, "page_unrecognised")
    bcd = frame[19:_RECORDS]
    swept_at = _moment(bcd)
    records = read_records(
        frame[_RECORDS : -len(_END)],
        int.from_bytes(frame[17:19]),
        swept_at=swept_at,
        ecu_id=ecu_id,
    )
    if swept_at is None and bcd.strip(bcd[:1]):
        records.give_up("reply", "time", bcd.hex())
    return Sweep(
        table=records.table,
        swept_at=swept_at,
        glitches=dict(records.glitches),
        gateways=tuple(records.gateways),
    )


def parse_signals(reply: bytes) -> Mapping[str, float]:
    """Read the reply to 0030: serial → strength of the radio signal, 0 to 1.

    An inverter that the ECU has never heard has none. Raises `EcuPageError`.
    """
    return {
        bcd.hex(): level / _STRONGEST for bcd, level in _entries(reply, b"0030", _SIGNAL) if level
    }


def parse_curve(reply: bytes) -> tuple[tuple[time, float], ...]:
    """Read the reply to 0003: a day's power, W, by the ECU's wall clock in whole minutes.

    Raises `EcuPageError`.
    """
    try:
        return tuple(
            (time(int(bcd[:1].hex()), int(bcd[1:].hex())), float(watts))
            for bcd, watts in _entries(reply, b"0003", _POINT)
        )
    except ValueError as error:
        message = "the ECU's answer to 0003 holds times that are none"
        raise EcuPageError(message, "page_unrecognised") from error


def with_signals(table: Table, signals: Mapping[str, float]) -> Table:
    """Add their signals to the inverters that are online; others keep old ones in the ECU."""
    return replace(
        table,
        inverters=tuple(
            [
                replace(inverter, signal_ratio=signals[inverter.serial])
                if inverter.serial in signals and inverter.online
                else inverter
                for inverter in table.inverters
            ]
        ),
    )


def _frame(reply: bytes, command: bytes) -> bytes:
    """Give the reply without what follows it; raises `EcuPageError` unless it is a whole one."""
    name = command.decode()
    length = frame_length(reply)
    if length is None or len(reply) < length:
        said = "13 or more" if length is None else length
        message = f"the ECU's answer to {name} is cut off: {len(reply)} bytes of {said}"
        raise EcuPageError(message, "page_truncated")
    frame = reply[:length]
    if frame[9:13] != command:
        message = f"the ECU answers {name} with something else: {_shown(reply[:16])}"
        raise EcuPageError(message, "page_unrecognised")
    if name in _WITH_STATUS and frame[13:15] != _OK:
        message = f"the ECU has no data for {name}: it answers with status {_shown(frame[13:15])}"
        raise EcuPageError(message, "page_unrecognised")
    if not frame.endswith(_END):
        message = f"the ECU's answer to {name} does not end where it says: {_shown(frame[-8:])}"
        raise EcuPageError(message, "page_unrecognised")
    return frame


def _entries(reply: bytes, command: bytes, entry: Struct) -> Iterator[tuple[bytes, int]]:
    body = _frame(reply, command)[15 : -len(_END)]
    if len(body) % entry.size:
        message = f"the ECU's answer to {command.decode()} holds no whole number of entries"
        raise EcuPageError(message, "page_unrecognised")
    yield from entry.iter_unpack(body)


def _number(frame: bytes, start: int, size: int) -> int | None:
    """Read a number; ``None`` where the field is only filled, or missing."""
    field_ = frame[start : start + size]
    if start + size > len(frame) - len(_END) or field_ in (b"\xff" * size, b"\xd0" * size):
        return None
    return int.from_bytes(field_)


def _text(frame: bytes, start: int) -> tuple[str | None, int]:
    """Read a text behind its length in three digits, and say where it ends."""
    digits = frame[start : start + 3]
    if not re.fullmatch(rb"[0-9]{3}", digits):
        return None, len(frame)
    end = start + 3 + int(digits)
    text = frame[start + 3 : min(end, len(frame) - len(_END))].decode("ascii", "replace")
    return (text if len(text) == int(digits) and _WORD.fullmatch(text) else None), end


def _moment(bcd: bytes) -> datetime | None:
    """Read ``20260621123000`` in BCD; ``None`` if it is no time."""
    try:
        moment = datetime.fromisoformat(f"{bcd[:4].hex()}T{bcd[4:].hex()}")
    except ValueError:
        return None
    return moment if moment.year in _YEARS else None


def _cell(column: str, text: bytes) -> UnreadableCell:
    return UnreadableCell(row="system", column=column, text=_shown(text))


def _shown(some: bytes) -> str:
    """Write bytes for people: text as it is, the rest escaped, on one line."""
    return repr(some)[2:-1]
