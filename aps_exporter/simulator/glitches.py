"""Values that firmware is known to invent, on the pages as over TCP."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from aps_exporter.model import EcuInfo, Inverter
from aps_exporter.simulator.fault_kind import (
    WHICH,
    FaultKind,
    concerns,
    is_number,
    is_serial_or_all,
)

__all__ = ["GLITCHES"]

_IMPOSSIBLE_V = 6553.0
_ZEROED_C = -100.0
_LINE_FEED = 0x0A
_END_WH = int.from_bytes(b"\0END") * 100.0
"""A lifetime that is the bytes ``END`` on the wire: 454,202 kWh."""


def _lift_voltage(inverter: Inverter, argument: str, _at: datetime) -> Inverter:
    if not concerns(inverter, argument):
        return inverter
    voltages = tuple(replace(each, voltage_v=_IMPOSSIBLE_V) for each in inverter.grid_voltages)
    return replace(inverter, grid_voltages=voltages)


def _zero_temperature(inverter: Inverter, argument: str, _at: datetime) -> Inverter:
    if not concerns(inverter, argument) or inverter.temperature_c is None:
        return inverter
    return replace(inverter, temperature_c=_ZEROED_C)


def _write_line_feeds(inverter: Inverter, _argument: str, _at: datetime) -> Inverter:
    channels = tuple(
        replace(channel, power_w=float(_LINE_FEED)) if channel.power_w is not None else channel
        for channel in inverter.channels
    )
    return replace(inverter, channels=channels)


def _write_end(info: EcuInfo, _argument: str) -> EcuInfo:
    return replace(info, energy_lifetime_wh=_END_WH)


def _zero_lifetime(info: EcuInfo, _argument: str) -> EcuInfo:
    return replace(info, energy_lifetime_wh=0.0)


def _zero_today(info: EcuInfo, _argument: str) -> EcuInfo:
    return replace(info, energy_today_wh=0.0)


def _lower_today(info: EcuInfo, argument: str) -> EcuInfo:
    return replace(info, energy_today_wh=(info.energy_today_wh or 0) * (1 - float(argument)))


GLITCHES: tuple[FaultKind, ...] = (
    FaultKind(
        name="lifetime-zero",
        help="the lifetime energy reads 0 for a while",
        info=_zero_lifetime,
    ),
    FaultKind(
        name="today-zero",
        help="the day's energy reads 0 while the roof produces",
        info=_zero_today,
    ),
    FaultKind(
        name="today-falls",
        help="the day's energy falls by this share of itself",
        argument="a share from 0 to 1",
        default="0.2",
        valid=is_number(0, 1),
        info=_lower_today,
    ),
    FaultKind(
        name="temperature-zeroed",
        help=f"the inverter answers without a temperature, which reads {_ZEROED_C:.0f} °C",
        argument=WHICH,
        valid=is_serial_or_all,
        change=_zero_temperature,
        names_inverter=True,
    ),
    FaultKind(
        name="impossible-volts",
        help=f"the grid at the inverter reads {_IMPOSSIBLE_V:.0f} V",
        argument=WHICH,
        valid=is_serial_or_all,
        change=_lift_voltage,
        names_inverter=True,
    ),
    FaultKind(
        name="awkward-bytes",
        help="values whose bytes on the wire are line feeds and the letters END",
        change=_write_line_feeds,
        info=_write_end,
    ),
)
