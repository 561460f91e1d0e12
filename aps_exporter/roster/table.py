"""The roster's table in the state file: members in and out, and what their owner says of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from aps_exporter.roster.members import Member, Members
from aps_exporter.state import StateFile

__all__ = ["load", "rename", "retire", "roster_file", "save"]

SCRIPTS: Final = (
    """
    CREATE TABLE roster_members (
        ecu TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        inverter TEXT NOT NULL,
        first_seen INTEGER NOT NULL,
        last_seen INTEGER,
        first_watt INTEGER,
        idle_days INTEGER NOT NULL,
        idle_since INTEGER,
        idle_date TEXT,
        retired_at INTEGER,
        name TEXT NOT NULL,
        PRIMARY KEY (ecu, kind, id)
    ) WITHOUT ROWID
    """,
)
"""Times are seconds since 1970, UTC."""

_SELECT: Final = "SELECT * FROM roster_members WHERE ecu = ?"
_SAVE: Final = (
    "INSERT OR REPLACE INTO roster_members VALUES (:ecu, :kind, :id, :inverter, :first_seen,"
    " :last_seen, :first_watt, :idle_days, :idle_since, :idle_date, :retired_at, :name)"
)
_RETIRE: Final = "UPDATE roster_members SET retired_at = ? WHERE ecu = ? AND id = ?"
_RENAME: Final = "UPDATE roster_members SET name = ? WHERE ecu = ? AND id = ?"


def roster_file(folder: Path) -> StateFile:
    """Name the roster's part of the state file in a folder."""
    return StateFile(folder=folder, part="roster", scripts=SCRIPTS)


def load(file: StateFile, ecu: str, *, patience_s: float) -> Members:
    """Give all that is stored of an ECU's roof."""
    return file.read(lambda db: _select(db, ecu), patience_s=patience_s) or {}


def save(file: StateFile, ecu: str, members: Iterable[Member]) -> None:
    """Store members, joined with what others may have stored of them in the meantime."""

    def work(db: sqlite3.Connection) -> None:
        stored = _select(db, ecu)
        joined = (m.merged(stored[m.key]) if m.key in stored else m for m in members)
        db.executemany(_SAVE, [{"ecu": ecu, **_values(member)} for member in joined])

    file.write(work)


def retire(file: StateFile, ecu: str, member_id: str, at: datetime | None) -> int:
    """Mark as retired, or no longer, and say how many members have the id."""
    return file.write(lambda db: db.execute(_RETIRE, (_seconds(at), ecu, member_id)).rowcount)


def rename(file: StateFile, ecu: str, member_id: str, name: str) -> int:
    """Give a name, or take it with an empty one, and say how many members have the id."""
    return file.write(lambda db: db.execute(_RENAME, (name, ecu, member_id)).rowcount)


def _select(db: sqlite3.Connection, ecu: str) -> Members:
    db.row_factory = sqlite3.Row
    try:
        members = [_member(row) for row in db.execute(_SELECT, (ecu,))]
    except (TypeError, ValueError, OverflowError) as error:  # written by others than us
        message = f"a row of {ecu} makes no sense: {error}"
        raise sqlite3.DataError(message) from error
    return {member.key: member for member in members}


def _member(row: sqlite3.Row) -> Member:
    return Member(
        kind=row["kind"],
        id=row["id"],
        inverter=row["inverter"],
        first_seen=datetime.fromtimestamp(row["first_seen"], UTC),
        last_seen=_moment(row["last_seen"]),
        first_watt=_moment(row["first_watt"]),
        idle_days=row["idle_days"],
        idle_since=_moment(row["idle_since"]),
        idle_date=None if row["idle_date"] is None else date.fromisoformat(row["idle_date"]),
        retired_at=_moment(row["retired_at"]),
        name=row["name"],
    )


def _values(member: Member) -> dict[str, str | int | None]:
    return {
        "kind": member.kind,
        "id": member.id,
        "inverter": member.inverter,
        "first_seen": _seconds(member.first_seen),
        "last_seen": _seconds(member.last_seen),
        "first_watt": _seconds(member.first_watt),
        "idle_days": member.idle_days,
        "idle_since": _seconds(member.idle_since),
        "idle_date": None if member.idle_date is None else member.idle_date.isoformat(),
        "retired_at": _seconds(member.retired_at),
        "name": member.name,
    }


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
