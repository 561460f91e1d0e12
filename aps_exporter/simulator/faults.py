"""The table of faults that a simulated ECU can be given, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aps_exporter.model import EcuInfo, Inverter
from aps_exporter.simulator.fault_kind import (
    WHICH,
    Fault,
    FaultKind,
    concerns,
    is_number,
    is_serial_or_all,
)
from aps_exporter.simulator.glitches import GLITCHES
from aps_exporter.simulator.tcp_faults import TCP_FAULTS

__all__ = ["FAULTS", "Fault", "FaultKind", "parse_fault", "spoil_info"]

_PANEL = re.compile(r"\d{12}-[0-9A-Z]")
_HOURS = re.compile(r"[+-]\d{1,2}(\.\d{1,2})?")
_OVER_VOLTAGE_V = 264.0
_OVER_LINE_VOLTAGE_V = 457.0
"""The same between two lines."""
_HOT_C = 94.0


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


def spoil_info(info: EcuInfo, faults: Iterable[Fault], *, over_tcp: bool) -> EcuInfo:
    """Let faults have their way with what the ECU says about itself."""
    for fault in faults:
        kind = FAULTS[fault.name]
        for change in (kind.info, kind.tcp_info if over_tcp else None):
            info = change(info, fault.argument) if change else info
    return info


def _is_clock(text: str) -> bool:
    if _HOURS.fullmatch(text):
        return True
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # OSError: the name of a folder, such as "Europe".
        return False
    return True


def _silence(inverter: Inverter, argument: str, _at: datetime) -> Inverter:
    if not concerns(inverter, argument):
        return inverter
    channels = tuple(
        replace(channel, power_w=None, dc_voltage_v=None) for channel in inverter.channels
    )
    return Inverter(serial=inverter.serial, channels=channels)


def _never_contacted(inverter: Inverter, argument: str, at: datetime) -> Inverter:
    if not concerns(inverter, argument):
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
        replace(each, voltage_v=_OVER_LINE_VOLTAGE_V if len(each.phase) > 1 else _OVER_VOLTAGE_V)
        if each.phase[:1] in ("", argument)
        else each
        for each in inverter.grid_voltages
    )
    return replace(inverter, grid_voltages=voltages)


def _heat(inverter: Inverter, argument: str, _at: datetime) -> Inverter:
    if not concerns(inverter, argument) or inverter.temperature_c is None:
        return inverter
    return replace(inverter, temperature_c=_HOT_C)


FAULTS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (
        FaultKind(
            name="inverter-silent",
            help="the inverter doesn't answer; its rows show dashes and bring no energy",
            argument=WHICH,
            valid=is_serial_or_all,
            change=_silence,
            names_inverter=True,
        ),
        FaultKind(
            name="inverter-never-contacted",
            help="registered, but never heard since the ECU started: one row without a channel",
            argument=WHICH,
            valid=is_serial_or_all,
            change=_never_contacted,
            names_inverter=True,
        ),
        FaultKind(
            name="channel-dead",
            help="the inverter answers, this panel of it makes 0 W",
            argument="a panel's id such as 801000090001-3",
            valid=lambda text: _PANEL.fullmatch(text) is not None,
            change=_kill_channel,
            names_inverter=True,
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
            argument=WHICH,
            valid=is_serial_or_all,
            change=_heat,
            names_inverter=True,
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
            valid=is_number(0, 1),
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
        FaultKind(name="refuse", help="connections are refused, on all ports but this page's"),
        FaultKind(name="web-refuse", help="connections to the web pages are refused"),
        FaultKind(name="reset", help="connections are reset once the request has come"),
        FaultKind(name="hang", help="requests are taken and never answered"),
        FaultKind(
            name="slow",
            help="answers come this much later",
            argument="seconds",
            default="3",
            valid=is_number(0, 600),
        ),
        FaultKind(
            name="drip",
            help="answers come byte by byte",
            argument="seconds for each byte",
            default="1",
            valid=is_number(0, 600),
        ),
        *GLITCHES,
        *TCP_FAULTS,
    )
}
