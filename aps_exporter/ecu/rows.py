"""The rows of the table page → inverters; knows nothing of how the page is marked up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from aps_exporter.ecu.cells import (
    CELSIUS,
    HERTZ,
    VOLTS,
    WATTS,
    UnreadableError,
    read_number,
    read_time,
)
from aps_exporter.model import Channel, Inverter, PhaseVoltage, Table, UnreadableCell

__all__ = ["Spans", "TableReader"]

QUANTITIES: Final = {
    "power": WATTS,
    "dc_voltage": VOLTS,
    "frequency": HERTZ,
    "voltage": VOLTS,
    "temperature": CELSIUS,
}

# `404000012345-A`, in people's examples also `INV-XXXX-A`; twelve bare digits are an inverter that
# was never contacted, or one with a single input.
_PANEL_ID: Final = re.compile(r"(?P<serial>[0-9A-Za-z][0-9A-Za-z-]{0,62})-(?P<channel>[0-9A-Za-z])")
_BARE_ID: Final = re.compile(r"[0-9]{12}")
_PHASE: Final = re.compile(r"\s*([A-Ca-c])\s*[:\uff1a]")


@dataclass(slots=True)
class Spans:
    """Cells of a full row that reach down into the rows below, which lack them.

    The next full row ends them: firmware that is cut short while it writes promises more rows
    than it delivers.
    """

    width: int = 0
    """Cells of a full row, known from the heading on."""
    carried: list[int] = field(default_factory=list)
    """Positions of the present row's cells that are an earlier row's."""
    number: int = 0
    """Of the row, counted from the full row above."""
    reaching: list[tuple[int, int, str]] = field(default_factory=list)
    """Position, number of the first row that isn't reached any more, and the text."""

    def start(self, reaching: list[tuple[int, int, str]]) -> None:
        """Begin with a full row, of which these cells reach down."""
        self.reaching, self.number, self.carried = reaching, 0, []

    def fill_up(self, texts: list[str]) -> list[str]:
        """Put the cells that reach into a row in their places among its own."""
        self.number += 1
        self.carried = []
        for position, end, text in self.reaching:
            if self.number < end:
                texts.insert(position, text)
                self.carried.append(position)
        return texts


@dataclass(slots=True)
class _Rows:
    """What the rows of one inverter said, until all of them are read."""

    channels: list[Channel] = field(default_factory=list)
    voltages: dict[str, float] = field(default_factory=dict)
    frequency_hz: float | None = None
    temperature_c: float | None = None
    reported_at: datetime | None = None

    def inverter(self, serial: str) -> Inverter:
        return Inverter(
            serial=serial,
            channels=tuple(self.channels),
            grid_voltages=tuple(
                PhaseVoltage(phase=phase, voltage_v=volts) for phase, volts in self.voltages.items()
            ),
            grid_frequency_hz=self.frequency_hz,
            temperature_c=self.temperature_c,
            reported_at=self.reported_at,
        )


@dataclass(slots=True)
class TableReader:
    """Reads the rows below the heading."""

    columns: dict[str, int]
    spans: Spans
    inverters: dict[str, _Rows] = field(default_factory=dict)
    unreadable: list[UnreadableCell] = field(default_factory=list)
    duplicate_rows: int = 0
    _ids: set[str] = field(default_factory=set)

    def read(self, rows: Iterator[list[str]]) -> Table:
        """Read all rows that begin with an inverter's or a panel's id."""
        id_position = self.columns["id"]
        for row in rows:
            row_id = row[id_position].strip() if len(row) > id_position else ""
            panel = _PANEL_ID.fullmatch(row_id)
            if panel is None and not _BARE_ID.fullmatch(row_id):
                continue
            if row_id in self._ids:
                self.duplicate_rows += 1
                continue
            self._ids.add(row_id)
            if len(row) == self.spans.width:
                cells = row
            else:
                self._give_up(row_id, "row", " | ".join(row))
                cells = [""] * self.spans.width
            if panel:
                self._read_row(row_id, panel["serial"], panel["channel"], cells)
            else:
                self._read_row(row_id, row_id, None, cells)
        return Table(
            inverters=tuple(said.inverter(serial) for serial, said in self.inverters.items()),
            unreadable=tuple(self.unreadable),
            duplicate_rows=self.duplicate_rows,
        )

    def _read_row(self, row_id: str, serial: str, channel: str | None, row: list[str]) -> None:
        said = self.inverters.get(serial)
        known = self.spans.carried if said else []  # cells that a row of this inverter had before
        if said is None:
            said = self.inverters[serial] = _Rows()
        power_w = self._number(row_id, row, "power")
        if channel is not None or power_w is not None:
            said.channels.append(
                Channel(
                    id=row_id,
                    name=channel or "",
                    power_w=power_w,
                    dc_voltage_v=self._number(row_id, row, "dc_voltage"),
                )
            )
        self._read_voltage(row_id, row, said)
        if self.columns.get("frequency") not in known:
            frequency_hz = self._number(row_id, row, "frequency")
            if said.frequency_hz is None:
                said.frequency_hz = frequency_hz
        if self.columns.get("temperature") not in known:
            temperature_c = self._number(row_id, row, "temperature")
            if said.temperature_c is None:
                said.temperature_c = temperature_c
        if self.columns.get("time") not in known:
            reported_at = self._time(row_id, row)
            if said.reported_at is None:
                said.reported_at = reported_at

    def _read_voltage(self, row_id: str, row: list[str], said: _Rows) -> None:
        """Read ``230 V``, the same in each row, or ``A: 231 V``, another phase in each."""
        phase = ""
        position = self.columns.get("voltage")
        if position is not None and (match := _PHASE.match(row[position])):
            phase, row[position] = match[1].upper(), row[position][match.end() :]
        volts = self._number(row_id, row, "voltage")
        if volts is not None:
            said.voltages.setdefault(phase, volts)

    def _number(self, row_id: str, row: list[str], column: str) -> float | None:
        position = self.columns.get(column)
        if position is None:
            return None
        try:
            return read_number(row[position], QUANTITIES[column])
        except UnreadableError:
            self._give_up(row_id, column, row[position])
            return None

    def _time(self, row_id: str, row: list[str]) -> datetime | None:
        position = self.columns.get("time")
        if position is None:
            return None
        try:
            return read_time(row[position])
        except UnreadableError:
            self._give_up(row_id, "time", row[position])
            return None

    def _give_up(self, row_id: str, column: str, text: str) -> None:
        shown = " ".join(text.split())[:80]
        self.unreadable.append(UnreadableCell(row=row_id, column=column, text=shown))
