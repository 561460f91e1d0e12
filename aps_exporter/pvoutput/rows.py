"""The outbox's tables, and how a row becomes a sweep or a record and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from aps_exporter.pvoutput.records import Record
from aps_exporter.pvoutput.slots import Sample
from aps_exporter.pvoutput.store import Row

__all__ = [
    "ENTRY",
    "RECORD",
    "SAMPLE",
    "SCRIPTS",
    "Entry",
    "State",
    "record_values",
    "sample_values",
    "to_entry",
    "to_moment",
    "to_sample",
    "to_seconds",
]

State = Literal["pending", "dead", "sent", "skipped"]

SCRIPTS: Final = (
    """
    CREATE TABLE outbox_samples (
        system TEXT NOT NULL, at INTEGER NOT NULL, built INTEGER NOT NULL DEFAULT 0,
        power_w REAL NOT NULL, covers_s REAL NOT NULL, received INTEGER NOT NULL,
        temperature_c REAL, grid_voltage_v REAL, grid_frequency_hz REAL,
        energy_today_wh REAL, energy_lifetime_wh REAL,
        PRIMARY KEY (system, at)) WITHOUT ROWID;
    CREATE TABLE outbox_records (
        system TEXT NOT NULL, start INTEGER NOT NULL,
        power_w INTEGER NOT NULL, temperature_c REAL, grid_voltage_v REAL, grid_frequency_hz REAL,
        energy_wh INTEGER, lifetime INTEGER NOT NULL, source TEXT NOT NULL,
        state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
        alone INTEGER NOT NULL DEFAULT 0, next_try INTEGER NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '', change INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (system, start)) WITHOUT ROWID;
    CREATE INDEX outbox_by_state ON outbox_records (system, state, start);
    CREATE TABLE outbox_notes (
        system TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (system, name)) WITHOUT ROWID
    """,
)
"""The tables by version; times are Unix seconds. What was sent or skipped stays for two days: it
says which slots were measured, and what a slot that is built again already told PVOutput."""

SAMPLE: Final = (
    "at, power_w, covers_s, received, temperature_c, grid_voltage_v, grid_frequency_hz,"
    " energy_today_wh, energy_lifetime_wh"
)
RECORD: Final = (
    "start, power_w, temperature_c, grid_voltage_v, grid_frequency_hz, energy_wh, lifetime, source"
)
ENTRY: Final = f"{RECORD}, state, attempts, alone, error, change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record and how it fares."""

    record: Record
    state: State
    attempts: int = 0
    alone: bool = False
    """A batch didn't take it: it goes by itself."""
    error: str = ""
    """PVOutput's last words about it."""
    change: int = 0
    """How often the record was built anew: what is said of another version doesn't hold for it."""


def to_seconds(moment: datetime) -> int:
    """Write a moment as whole Unix seconds."""
    return int(moment.timestamp())


def to_moment(seconds: int) -> datetime:
    """Read Unix seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def sample_values(sample: Sample) -> Row:
    """Give the columns of `SAMPLE`."""
    return (
        to_seconds(sample.at),
        sample.power_w,
        sample.covers_s,
        sample.received,
        sample.temperature_c,
        sample.grid_voltage_v,
        sample.grid_frequency_hz,
        sample.energy_today_wh,
        sample.energy_lifetime_wh,
    )


def to_sample(row: Row) -> Sample:
    """Read the columns of `SAMPLE`."""
    at, power_w, covers_s, received, temperature, voltage, frequency, today, lifetime = row
    return Sample(
        at=to_moment(at),
        power_w=power_w,
        covers_s=covers_s,
        received=received,
        temperature_c=temperature,
        grid_voltage_v=voltage,
        grid_frequency_hz=frequency,
        energy_today_wh=today,
        energy_lifetime_wh=lifetime,
    )


def record_values(record: Record) -> Row:
    """Give the columns of `RECORD`."""
    return (
        to_seconds(record.start),
        record.power_w,
        record.temperature_c,
        record.grid_voltage_v,
        record.grid_frequency_hz,
        record.energy_wh,
        int(record.lifetime),
        record.source,
    )


def to_entry(row: Row) -> Entry:
    """Read the columns of `ENTRY`."""
    start, power_w, temperature, voltage, frequency, energy, lifetime, source, *fate = row
    state, attempts, alone, error, change = fate
    return Entry(
        record=Record(
            start=to_moment(start),
            power_w=power_w,
            temperature_c=temperature,
            grid_voltage_v=voltage,
            grid_frequency_hz=frequency,
            energy_wh=energy,
            lifetime=bool(lifetime),
            source=source,
        ),
        state=state,
        attempts=attempts,
        alone=bool(alone),
        error=error,
        change=change,
    )
