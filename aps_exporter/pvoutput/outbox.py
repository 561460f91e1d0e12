"""What waits for PVOutput, what was refused and what was measured: kept through kill -9."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aps_exporter.pvoutput.records import Record
from aps_exporter.pvoutput.rows import (
    ENTRY,
    RECORD,
    SAMPLE,
    Entry,
    State,
    record_values,
    sample_values,
    to_entry,
    to_moment,
    to_sample,
    to_seconds,
)
from aps_exporter.pvoutput.slots import Sample
from aps_exporter.pvoutput.store import Row, Store

__all__ = ["Counts", "Outbox"]

_KEPT: Final = timedelta(days=2)
_MOST_DEAD: Final = 1000

_ADD_SAMPLE: Final = (
    f"INSERT INTO outbox_samples (system, {SAMPLE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  names of ours
    " ON CONFLICT DO UPDATE SET built = 0, received = excluded.received,"
    " power_w = excluded.power_w, temperature_c = excluded.temperature_c,"
    " grid_voltage_v = excluded.grid_voltage_v, grid_frequency_hz = excluded.grid_frequency_hz"
    " WHERE excluded.received > outbox_samples.received"
)
_MARK_BUILT: Final = "UPDATE outbox_samples SET built = 1 WHERE system = ? AND at >= ? AND at < ?"
_ONE_ENTRY: Final = f"SELECT {ENTRY} FROM outbox_records WHERE system = ? AND start = ?"  # noqa: S608  as above
_PUT_RECORD: Final = (
    f"INSERT OR REPLACE INTO outbox_records (system, {RECORD}, state, error, change)"  # noqa: S608  as above
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DROP_OLDEST: Final = (
    "DELETE FROM outbox_records WHERE system = ? AND state = '{state}' AND start IN"
    " (SELECT start FROM outbox_records WHERE system = ? AND state = '{state}'"
    " ORDER BY start DESC LIMIT -1 OFFSET ?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How full the outbox is."""

    pending: int = 0
    dead: int = 0
    oldest: datetime | None = None
    """The start of the oldest slot that waits."""


class Outbox:
    """The outbox of one system; every method is one transaction."""

    def __init__(self, store: Store, system_id: str, *, most: int = 20_000) -> None:
        """Take the file, and the most records that may wait in it."""
        self.store = store
        self._system = system_id
        self._most = most

    def claim(self) -> bool:
        """Become the one process that forwards for this system; false while another one does."""
        return self.store.claim(f"outbox-{self._system}")

    def add_sample(self, sample: Sample) -> bool:
        """Keep a sweep; false if it was there already, just as full."""
        values = sample_values(sample)

        def work(db: sqlite3.Connection) -> bool:
            return db.execute(_ADD_SAMPLE, (self._system, *values)).rowcount > 0

        return self.store.transact(work)

    def newest_sample(self) -> Sample | None:
        """Give the last sweep that was kept."""
        rows = self._samples("1 ORDER BY at DESC LIMIT 1")
        return rows[0] if rows else None

    def open_samples(self) -> list[Sample]:
        """Give the sweeps that are in no record yet, oldest first."""
        return self._samples("built = 0 ORDER BY at")

    def samples_within(self, start: datetime, end: datetime) -> list[Sample]:
        """Give all sweeps from `start` until before `end`, oldest first."""
        return self._samples("at >= ? AND at < ? ORDER BY at", to_seconds(start), to_seconds(end))

    def put(
        self, record: Record, *, state: State, built_until: datetime | None = None, error: str = ""
    ) -> bool:
        """Store a slot's record, mark its sweeps as built; false if it told nothing new.

        A slot that we measured is never overwritten with one from the ECU's curve.
        """

        def work(db: sqlite3.Connection) -> bool:
            key = (self._system, to_seconds(record.start))
            if built_until is not None:
                db.execute(_MARK_BUILT, (*key, to_seconds(built_until)))
            row = db.execute(_ONE_ENTRY, key).fetchone()
            old = to_entry(row) if row else None
            if old is not None and (
                old.record == record or (record.source == "ecu" and old.record.source == "own")
            ):
                return False
            # what PVOutput was told otherwise is corrected, even to a zero of the night
            fate = "pending" if old is not None and old.state == "sent" else state
            change = old.change + 1 if old is not None else 0
            values = (self._system, *record_values(record), fate, error, change)
            db.execute(_PUT_RECORD, values)
            return True

        return self.store.transact(work)

    def has_own(self, start: datetime, end: datetime) -> bool:
        """Say whether a slot was measured by ourselves."""
        return bool(
            self._rows(
                "SELECT 1 FROM outbox_samples WHERE system = ? AND at >= ? AND at < ?"
                " UNION ALL SELECT 1 FROM outbox_records"
                " WHERE system = ? AND start = ? AND source = 'own' LIMIT 1",
                (self._system, to_seconds(start), to_seconds(end), self._system, to_seconds(start)),
            )
        )

    def before(self, start: datetime) -> Record | None:
        """Give the newest record before a slot, whatever became of it."""
        entries = self._entries("start < ? ORDER BY start DESC LIMIT 1", to_seconds(start))
        return entries[0].record if entries else None

    def due(self, now: datetime, *, newest_first: bool = False, most: int = -1) -> list[Entry]:
        """Give the records that wait and may be tried now, oldest first unless asked otherwise."""
        order = "DESC" if newest_first else "ASC"
        return self._entries(
            f"state = 'pending' AND next_try <= ? ORDER BY start {order} LIMIT ?",
            to_seconds(now),
            most,
        )

    def next_try(self) -> datetime | None:
        """Tell when the first of the waiting records may be tried."""
        [(when,)] = self._rows(
            "SELECT min(next_try) FROM outbox_records WHERE system = ? AND state = 'pending'",
            (self._system,),
        )
        return None if when is None else to_moment(when)

    def entries(self, *states: State) -> list[Entry]:
        """Give the records in these states, oldest first."""
        marks = ",".join("?" * len(states))
        return self._entries(f"state IN ({marks}) ORDER BY start", *states)

    def sent(self, entries: Iterable[Entry]) -> None:
        """Mark what PVOutput has taken, unless the record was built anew meanwhile."""
        self._update("state = 'sent', error = ''", entries)

    def bury(self, entry: Entry, error: str) -> None:
        """Set aside what PVOutput will never take, with its words."""
        self._update("state = 'dead', error = ?", [entry], error)

    def defer(self, entries: Iterable[Entry], error: str, until: datetime) -> None:
        """Let the records wait."""
        self._update("error = ?, next_try = ?", entries, error, until)

    def say(self, entries: Iterable[Entry], error: str) -> None:
        """Count an attempt that failed, and note the last words about what still waits."""
        change = "attempts = attempts + 1, error = iif(state = 'pending', ?, error)"
        self._update(change, entries, error)

    def send_alone(self, entries: Iterable[Entry]) -> None:
        """Keep records out of batches."""
        self._update("alone = 1", entries)

    def strip_energy(self, entries: Iterable[Entry]) -> None:
        """Leave the energy out of records from now on."""
        self._update("energy_wh = NULL, lifetime = 0", entries)

    def revive(self, entries: Iterable[Entry]) -> None:
        """Let dead records try again."""
        self._update("state = 'pending', attempts = 0, alone = 1, next_try = 0", entries)

    def drop(self, entries: Iterable[Entry]) -> None:
        """Forget records."""
        keys = [(self._system, to_seconds(entry.record.start)) for entry in entries]
        self.store.transact(
            lambda db: db.executemany(
                "DELETE FROM outbox_records WHERE system = ? AND start = ?", keys
            )
        )

    def tidy(self, now: datetime, expiry: datetime) -> tuple[int, int]:
        """Drop what is too old to be taken and what is too much; gives both counts."""
        recent = to_seconds(now - _KEPT)

        def work(db: sqlite3.Connection) -> tuple[int, int]:
            system = self._system
            db.execute(
                "DELETE FROM outbox_records WHERE system = ?"
                " AND state IN ('sent', 'skipped') AND start < ?",
                (system, recent),
            )
            db.execute(
                "DELETE FROM outbox_samples WHERE system = ? AND (built = 1 AND at < ? OR at < ?)",
                (system, recent, to_seconds(expiry)),
            )
            db.execute(_DROP_OLDEST.format(state="dead"), (system, system, _MOST_DEAD))
            expired = db.execute(
                "DELETE FROM outbox_records WHERE system = ? AND state = 'pending' AND start < ?",
                (system, to_seconds(expiry)),
            ).rowcount
            overflow = db.execute(
                _DROP_OLDEST.format(state="pending"), (system, system, self._most)
            ).rowcount
            return expired, overflow

        return self.store.transact(work)

    def counts(self) -> Counts:
        """Count what waits and what is dead."""
        [(pending, dead, oldest)] = self._rows(
            "SELECT count(*) FILTER (WHERE state = 'pending'),"
            " count(*) FILTER (WHERE state = 'dead'), min(start) FILTER (WHERE state = 'pending')"
            " FROM outbox_records WHERE system = ? AND state IN ('pending', 'dead')",
            (self._system,),
        )
        return Counts(
            pending=pending, dead=dead, oldest=None if oldest is None else to_moment(oldest)
        )

    def note(self, name: str) -> dict[str, object]:
        """Read back what was noted under a name; empty if nothing was."""
        rows = self._rows(
            "SELECT value FROM outbox_notes WHERE system = ? AND name = ?", (self._system, name)
        )
        value = json.loads(rows[0][0]) if rows else {}
        return value if isinstance(value, dict) else {}

    def write_note(self, name: str, value: Mapping[str, object]) -> None:
        """Note something that has to outlive the process."""
        row = (self._system, name, json.dumps(value))
        self.store.transact(
            lambda db: db.execute("INSERT OR REPLACE INTO outbox_notes VALUES (?, ?, ?)", row)
        )

    def _samples(self, where: str, *values: int) -> list[Sample]:
        rows = self._rows(
            f"SELECT {SAMPLE} FROM outbox_samples WHERE system = ? AND {where}",  # noqa: S608  ours
            (self._system, *values),
        )
        return [to_sample(row) for row in rows]

    def _entries(self, where: str, *values: int | str) -> list[Entry]:
        rows = self._rows(
            f"SELECT {ENTRY} FROM outbox_records WHERE system = ? AND {where}",  # noqa: S608  ours
            (self._system, *values),
        )
        return [to_entry(row) for row in rows]

    def _rows(self, query: str, values: tuple[int | str, ...]) -> list[Row]:
        return self.store.fetch(query, values)

    def _update(self, change: str, entries: Iterable[Entry], *values: str | datetime) -> None:
        new = [to_seconds(v) if isinstance(v, datetime) else v for v in values]
        rows = [(*new, self._system, to_seconds(e.record.start), e.change) for e in entries]
        query = f"UPDATE outbox_records SET {change} WHERE system = ? AND start = ? AND change = ?"  # noqa: S608  ours
        self.store.transact(lambda db: db.executemany(query, rows))
