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

__all__ = ["Layout", "TableReader"]

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


@dataclass(slots=True, kw_only=True)
class Layout:
    """Where the columns are: in full rows by the heading, in the rows below where cells reach down.

    A row below lacks the cells that it shares with the full row above it. The next full row ends
    them all: firmware that is cut short while it writes promises more rows than it delivers.
    """

    columns: dict[str, int]
    """Position of what we know in a full row."""
    width: int
    """Cells of a full row."""
    _number: int = 0
    """Of the row, counted from the full row above."""
    _reaching: list[tuple[int, int]] = field(default_factory=list)
    _below: dict[tuple[int, ...], dict[str, int]] = field(default_factory=dict)

    def start(self, reaching: list[tuple[int, int]]) -> None:
        """Begin with a full row; some of its cells (by position) reach over so many rows."""
        self._reaching, self._number = reaching, 0

    def below(self, length: int) -> dict[str, int] | None:
        """Give the columns of the next row below, if it has `length` cells as it should."""
        self._number += 1
        shared = tuple([position for position, rows in self._reaching if self._number < rows])
        if length + len(shared) != self.width:
            return None
        if shared not in self._below:
            own = [position for position in range(self.width) if position not in shared]
            self._below[shared] = {
                column: own.index(position)
                for column, position in self.columns.items()
                if position in own
            }
        return self._below[shared]


@dataclass(slots=True, kw_only=True)
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
                [PhaseVoltage(phase=phase, voltage_v=v) for phase, v in self.voltages.items()]
            ),
            grid_frequency_hz=self.frequency_hz,
            temperature_c=self.temperature_c,
            reported_at=self.reported_at,
        )


@dataclass(slots=True)
class TableReader:
    """Reads the rows below the heading."""

    layout: Layout
    inverters: dict[str, _Rows] = field(default_factory=dict)
    unreadable: list[UnreadableCell] = field(default_factory=list)
    duplicate_rows: int = 0
    _ids: set[str] = field(default_factory=set)
    _above: _Rows = field(default_factory=_Rows)
    """What the last full row said."""

    def read(self, rows: Iterator[list[str]]) -> Table:
        """Read all rows that begin with an inverter's or a panel's id."""
        full, width = self.layout.columns, self.layout.width
        for row in rows:
            columns = full if len(row) >= width else self.layout.below(len(row))
            position = (columns or full)["id"]
            row_id = row[position].strip() if position < len(row) else ""
            panel = _PANEL_ID.fullmatch(row_id)
            if panel is None and not _BARE_ID.fullmatch(row_id):
                continue
            if row_id in self._ids:
                self.duplicate_rows += 1
                continue
            self._ids.add(row_id)
            if columns is None or len(row) > width:
                self._give_up(row_id, "row", " | ".join(row))
                columns = {}
            serial, channel = panel.groups() if panel else (row_id, None)
            self._read_row(row_id, serial, channel, row, columns)
        return Table(
            inverters=tuple([said.inverter(serial) for serial, said in self.inverters.items()]),
            unreadable=tuple(self.unreadable),
            duplicate_rows=self.duplicate_rows,
        )

    def _read_row(
        self, row_id: str, serial: str, channel: str | None, row: list[str], columns: dict[str, int]
    ) -> None:
        said = self.inverters.get(serial)
        if said is None:
            said = self.inverters[serial] = self._new(columns)
        power_w = self._number(row_id, row, columns, "power")
        if channel is not None or power_w is not None:
            said.channels.append(
                Channel(
                    id=row_id,
                    name=channel or "",
                    power_w=power_w,
                    dc_voltage_v=self._number(row_id, row, columns, "dc_voltage"),
                )
            )
        self._read_inverter(row_id, row, columns, said)
        if columns is self.layout.columns:
            self._above = said

    def _read_inverter(
        self, row_id: str, row: list[str], columns: dict[str, int], said: _Rows
    ) -> None:
        """Read what a row says of the whole inverter; the first row that has a value counts."""
        if "voltage" in columns:
            self._read_voltage(row_id, row, columns, said)
        if "frequency" in columns:
            frequency_hz = self._number(row_id, row, columns, "frequency")
            if said.frequency_hz is None:
                said.frequency_hz = frequency_hz
        if "temperature" in columns:
            temperature_c = self._number(row_id, row, columns, "temperature")
            if said.temperature_c is None:
                said.temperature_c = temperature_c
        if "time" in columns:
            reported_at = self._time(row_id, row, columns)
            if said.reported_at is None:
                said.reported_at = reported_at

    def _new(self, columns: dict[str, int]) -> _Rows:
        """Begin an inverter; one that begins with a short row shares the cells of the full one."""
        if columns is self.layout.columns or not columns:
            return _Rows()
        above = self._above
        return _Rows(
            frequency_hz=None if "frequency" in columns else above.frequency_hz,
            temperature_c=None if "temperature" in columns else above.temperature_c,
            reported_at=None if "time" in columns else above.reported_at,
        )

    def _read_voltage(
        self, row_id: str, row: list[str], columns: dict[str, int], said: _Rows
    ) -> None:
        """Read ``230 V``, the same in each row, or ``A: 231 V``, another phase in each."""
        phase, position = "", columns["voltage"]
        if match := _PHASE.match(row[position]):
            phase, row[position] = match[1].upper(), row[position][match.end() :]
        volts = self._number(row_id, row, columns, "voltage")
        if volts is not None:
            said.voltages.setdefault(phase, volts)

    def _number(
        self, row_id: str, row: list[str], columns: dict[str, int], column: str
    ) -> float | None:
        position = columns.get(column)
        if position is None:
            return None
        try:
            return read_number(row[position], QUANTITIES[column])
        except UnreadableError:
            self._give_up(row_id, column, row[position])
            return None

    def _time(self, row_id: str, row: list[str], columns: dict[str, int]) -> datetime | None:
        text = row[columns["time"]]
        try:
            return read_time(text)
        except UnreadableError:
            self._give_up(row_id, "time", text)
            return None

    def _give_up(self, row_id: str, column: str, text: str) -> None:
        shown = " ".join(text.split())[:80]
        self.unreadable.append(UnreadableCell(row=row_id, column=column, text=shown))
