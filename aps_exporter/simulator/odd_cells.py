"""Cells as no ECU should write them, but some do; each has made a program print nonsense."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle

from aps_exporter.model import Inverter

__all__ = ["ODD_CELLS", "OddCell", "scatter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OddCell:
    """A cell text that has made readers print nonsense, and what it truly says."""

    column: str
    text: str
    value: float | None
    """``None``: nothing that can be read safely."""


ODD_CELLS: tuple[OddCell, ...] = (
    OddCell(column="power", text="120.5 W", value=120.5),
    OddCell(column="power", text="120,5 W", value=120.5),
    OddCell(column="power", text="1,234 W", value=1234.0),
    OddCell(column="power", text="1.2 kW", value=1200.0),
    OddCell(column="power", text="120", value=120.0),
    OddCell(column="power", text="-5 W", value=-5.0),
    OddCell(column="power", text="3 W / 400 W", value=None),
    OddCell(column="power", text="-&nbsp;W", value=None),
    OddCell(column="power", text="&nbsp;W", value=None),
    OddCell(column="temperature", text="\N{MINUS SIGN}5 &#176;C", value=-5.0),
    OddCell(column="temperature", text="45,5 &#176;C", value=45.5),
    OddCell(column="temperature", text="113 &#176;F", value=None),
    OddCell(column="temperature", text="2026-06-21 12:30:00", value=None),
    OddCell(column="voltage", text="230 / 231 V", value=None),
    OddCell(column="frequency", text="235 V", value=None),
)


def scatter(inverters: Iterable[Inverter]) -> dict[tuple[str, str], OddCell]:
    """Give each panel an odd power, and each inverter one more odd cell: row and column → cell."""
    powers = cycle(cell for cell in ODD_CELLS if cell.column == "power")
    others = cycle(cell for cell in ODD_CELLS if cell.column != "power")
    scattered: dict[tuple[str, str], OddCell] = {}
    for inverter in inverters:
        for channel in inverter.channels:
            scattered[channel.id, "power"] = next(powers)
        if inverter.channels:
            other = next(others)
            scattered[inverter.channels[0].id, other.column] = other
    return scattered
