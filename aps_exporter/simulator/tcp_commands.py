"""The commands over TCP that only read, and what an ECU replies to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from aps_exporter.simulator.faults import FAULTS
from aps_exporter.simulator.frames import (
    Entry,
    write_curve,
    write_inverters,
    write_refusal,
    write_signals,
    write_system,
)
from aps_exporter.simulator.gateway import Gateway, Shown

__all__ = ["TcpCommand", "parse_command", "reply"]

_SHAPES = (
    re.compile(rb"APS110016(?P<code>0001)END\n"),
    re.compile(rb"APS110028(?P<code>0002|0030)(?P<ecu_id>[0-9]{12})END\n"),
    re.compile(rb"APS110039(?P<code>0003)(?P<ecu_id>[0-9]{12})END(?P<day>[0-9]{8})END\n"),
)
_NOT_ME = "01"
"""The status of a reply to a command for another ECU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpCommand:
    """What was asked."""

    code: str
    """``0001``, ``0002``, ``0030`` or ``0003``."""
    ecu_id: str = ""
    """Whom it is for; the first is for everybody."""
    day: date | None = None
    """``None``: none is named, or none that there is."""


def parse_command(line: bytes) -> TcpCommand | None:
    """Understand a line; ``None``: it is none of the commands that only read."""
    for shape in _SHAPES:
        match = shape.fullmatch(line)
        if match is not None:
            words = {name: value.decode() for name, value in match.groupdict().items()}
            day = _day(words["day"]) if "day" in words else None
            return TcpCommand(code=words["code"], ecu_id=words.get("ecu_id", ""), day=day)
    return None


def reply(gateway: Gateway, command: TcpCommand) -> bytes:
    """Write the reply to a command, as faults leave it."""
    if command.ecu_id not in ("", gateway.identity.ecu_id):
        return write_refusal(command.code, _NOT_ME)
    written = _REPLIES[command.code](gateway, command)
    for fault in gateway.faults:
        spoil = FAULTS[fault.name].frame
        written = spoil(written, fault.argument) if spoil else written
    return written


def _system(gateway: Gateway, _command: TcpCommand) -> bytes:
    identity = gateway.identity
    style = identity.style
    if gateway.has("tcp-format-02"):
        style = replace(style, format="02")
    connected_at = gateway.connected_at() if identity.tells_contact else None
    return write_system(gateway.told().info, identity.macs, style, connected_at)


def _inverters(gateway: Gateway, _command: TcpCommand) -> bytes:
    told = gateway.told()
    entries = _entries(gateway, told)
    for fault in gateway.faults:
        change = FAULTS[fault.name].entries
        entries = change(entries, fault.argument, told.info) if change else entries
    return write_inverters(entries, told.swept_at or gateway.wall(gateway.clock.now()))


def _entries(gateway: Gateway, told: Shown) -> tuple[Entry, ...]:
    kinds = {unit.serial: unit.kind for unit in gateway.plant.units}
    takes_for_yc1000 = "05" if gateway.identity.calls_qt2_yc1000 else ""
    return tuple(
        Entry(
            inverter=each,
            type="02" if (record := kinds[each.serial].record) == takes_for_yc1000 else record,
        )
        for each in told.inverters
    )


def _signals(gateway: Gateway, _command: TcpCommand) -> bytes:
    return write_signals(gateway.told().inverters)


def _curve(gateway: Gateway, command: TcpCommand) -> bytes:
    points = gateway.curve(command.day) if command.day else []
    return write_curve([(gateway.wall(at), watts) for at, watts in points])


_REPLIES: dict[str, Callable[[Gateway, TcpCommand], bytes]] = {
    "0001": _system,
    "0002": _inverters,
    "0030": _signals,
    "0003": _curve,
}


def _day(digits: str) -> date | None:
    try:
        return datetime.strptime(digits, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
