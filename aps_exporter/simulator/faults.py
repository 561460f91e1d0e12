"""The table of faults that a simulated ECU can be given, and how they are written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aps_exporter.model import Inverter

__all__ = ["FAULTS", "Fault", "FaultKind", "parse_fault"]

_SERIAL = re.compile(r"\d{12}")
_PANEL = re.compile(r"\d{12}-[0-9A-Z]")
_HOURS = re.compile(r"[+-]\d{1,2}(\.\d{1,2})?")
_OVER_VOLTAGE_V = 264.0
_HOT_C = 94.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that is switched on."""

    name: str
    argument: str = ""

    def __str__(self) -> str:
        """Write the fault as `parse_fault` reads it."""
        return f"{self.name}={self.argument}" if self.argument else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """What a fault does, and what stands behind its ``=``."""

    name: str
    help: str
    argument: str = ""
    """What the argument is, for people; empty: there is none."""
    default: str | None = None
    """The argument that is meant when none is written; ``None``: it must be written."""
    valid: Callable[[str], bool] = lambda _: True
    change: Callable[[Inverter, str, datetime], Inverter] | None = None
    """What the fault makes of an inverter, given its argument and the sweep's time."""


def parse_fault(text: str) -> Fault:
    """Read ``drip`` or ``inverter-silent=801000090002``.

    Raises `ValueError`, one line that says what would be right.
    """
    name, _, argument = (part.strip() for part in text.partition("="))
    kind = FAULTS.get(name)
    if kind is None:
        message = f"{name!r} is not a fault; there are: {', '.join(FAULTS)}"
        raise ValueError(message)
    if not argument:
        if kind.argument and kind.default is None:
            message = f"{name} needs {kind.argument}, as in {name}=…"
            raise ValueError(message)
        argument = kind.default or ""
    elif not kind.argument:
        message = f"{name} takes nothing behind it (got {argument!r})"
        raise ValueError(message)
    elif not kind.valid(argument):
        message = f"{name} needs {kind.argument} (got {argument!r})"
        raise ValueError(message)
    return Fault(name, argument)


def _is_number(low: float, high: float) -> Callable[[str], bool]:
    def valid(text: str) -> bool:
        try:
            return math.isfinite(float(text)) and low <= float(text) <= high
        except ValueError:
            return False

    return valid


def _is_serial_or_all(text: str) -> bool:
    return text == "all" or _SERIAL.fullmatch(text) is not None


def _is_clock(text: str) -> bool:
    if _HOURS.fullmatch(text):
        return True
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # OSError: the name of a folder, such as "Europe".
        return False
    return True


def _concerns(inverter: Inverter, argument: str) -> bool:
    return argument in ("all", inverter.serial)


def _silence(inverter: Inverter, argument: str, _at: datetime) -> Inverter:
    if not _concerns(inverter, argument):
        return inverter
    channels = tuple(
        replace(channel, power_w=None, dc_voltage_v=None) for channel in inverter.channels
    )
    return Inverter(serial=inverter.serial, channels=channels)


def _never_contacted(inverter: Inverter, argument: str, at: datetime) -> Inverter:
    if not _concerns(inverter, argument):
        return inverter
    return Inverter(serial=inverter.serial, channels=(), reported_at=at)


def _kill_channel(inverter: Inverter, argument: str, _at: datetime) -> Inverter:
    channels = tuple(
        replace(channel, power_w=0.0)
        if channel.id == argument and channel.power_w is not None
        else channel
        for channel in inverter.channels
    )
    return replace(inverter, channels=channels)


def _raise_voltage(inverter: Inverter, argument: str, _at: datetime) -> Inverter:
    voltages = tuple(
        replace(each, voltage_v=_OVER_VOLTAGE_V) if each.phase in ("", argument) else each
        for each in inverter.grid_voltages
    )
    return replace(inverter, grid_voltages=voltages)


def _heat(inverter: Inverter, argument: str, _at: datetime) -> Inverter:
    if not _concerns(inverter, argument) or inverter.temperature_c is None:
        return inverter
    return replace(inverter, temperature_c=_HOT_C)


_WHICH = "a serial of twelve digits, or all"

FAULTS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (
        FaultKind(
            name="inverter-silent",
            help="the inverter doesn't answer; its rows show dashes and bring no energy",
            argument=_WHICH,
            valid=_is_serial_or_all,
            change=_silence,
        ),
        FaultKind(
            name="inverter-never-contacted",
            help="registered, but never heard since the ECU started: one row without a channel",
            argument=_WHICH,
            valid=_is_serial_or_all,
            change=_never_contacted,
        ),
        FaultKind(
            name="channel-dead",
            help="the inverter answers, this panel of it makes 0 W",
            argument="a panel's id such as 801000090001-3",
            valid=lambda text: _PANEL.fullmatch(text) is not None,
            change=_kill_channel,
        ),
        FaultKind(
            name="over-voltage",
            help=f"the grid stands at {_OVER_VOLTAGE_V:.0f} V on this phase",
            argument="a phase: A, B or C (one-phase inverters have but one)",
            default="A",
            valid=lambda text: text in ("A", "B", "C"),
            change=_raise_voltage,
        ),
        FaultKind(
            name="hot-inverter",
            help=f"the inverter is at {_HOT_C:.0f} °C",
            argument=_WHICH,
            valid=_is_serial_or_all,
            change=_heat,
        ),
        FaultKind(
            name="stale-sweep",
            help="sweeps have stopped; the pages keep showing the last one",
        ),
        FaultKind(
            name="clock-zone",
            help="the ECU's clock is wrong by hours, or it stands in another zone and says so",
            argument="hours such as +7 or -1.5, or a zone such as Asia/Shanghai",
            default="Asia/Shanghai",
            valid=_is_clock,
        ),
        FaultKind(
            name="empty-table",
            help="just restarted: no rows, 0 W, 0 online, the energy is there",
        ),
        FaultKind(
            name="page-gone",
            help="a firmware without pages: each says 404, with this status",
            argument="the status: 200 or 404",
            default="200",
            valid=lambda text: text in ("200", "404"),
        ),
        FaultKind(
            name="page-cut",
            help="pages end early, after this share of their bytes",
            argument="a share from 0 to 1",
            default="0.7",
            valid=_is_number(0, 1),
        ),
        FaultKind(
            name="odd-cells",
            help="cells hold numbers written as no ECU should, but some do",
        ),
        FaultKind(name="chinese", help="somebody set the ECU's language to Chinese"),
        FaultKind(
            name="lf-headers",
            help="answers as HTTP/1.0, header lines ending in a bare LF, without a length",
        ),
        FaultKind(name="refuse", help="connections are refused"),
        FaultKind(name="reset", help="connections are reset once the request has come"),
        FaultKind(name="hang", help="requests are taken and never answered"),
        FaultKind(
            name="slow",
            help="answers come this much later",
            argument="seconds",
            default="3",
            valid=_is_number(0, 600),
        ),
        FaultKind(
            name="drip",
            help="answers come byte by byte",
            argument="seconds for each byte",
            default="1",
            valid=_is_number(0, 600),
        ),
    )
}
