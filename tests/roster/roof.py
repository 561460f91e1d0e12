"""Readings of invented roofs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aps_exporter.model import Channel, Inverter, Reading, UnreadableCell

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)

EAST = "801000090001"
WEST = "801000090002"


def inverter(
    serial: str, *powers_w: float | None, stale: bool = False, at: datetime | None = None
) -> Inverter:
    """Make an inverter with inputs 1, 2, …; without any it is one that was never contacted."""
    return Inverter(
        serial=serial,
        channels=tuple(
            Channel(id=f"{serial}-{number}", name=str(number), power_w=power_w)
            for number, power_w in enumerate(powers_w, start=1)
        ),
        reported_at=at,
        stale=stale,
    )


def reading(*inverters: Inverter, at: datetime = NOON, unreadable: str | None = None) -> Reading:
    """Make a reading of these inverters; `unreadable` is a panel whose power can't be read."""
    cells = (UnreadableCell(row=unreadable, column="power", text="?"),) if unreadable else ()
    return Reading(
        source="http://127.0.0.1/index.php/realtimedata",
        interface="php",
        read_at=at,
        inverters=inverters,
        unreadable=cells,
    )
