"""The file `state.sqlite3`, for features that open it, do one thing and close it again."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, TypeVar

__all__ = ["FILE_NAME", "NewerStateError", "Signature", "StateFile", "is_busy"]

log = logging.getLogger(__name__)

FILE_NAME: Final = "state.sqlite3"

T = TypeVar("T")
Signature = tuple[tuple[int, int, int], ...]

_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PATIENCE_S: Final = 5.0
_CLOCK_TICK_S: Final = 1.0
"""File times are coarse: in a file this young, a second change may not show."""


class NewerStateError(sqlite3.DatabaseError):
    """A newer aps-exporter wrote the file, in a way that this one doesn't know."""


class _DamagedError(Exception):
    """The file was damaged, and is set aside now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFile:
    """One feature's part of the file.

    The parts know nothing of each other. Each has tables that begin with its name, and its version
    in the table `schema_parts`. As nothing stays open, a file that another part or process sets
    aside, deletes or replaces is not written by mistake.
    """

    folder: Path
    part: str
    scripts: tuple[str, ...]
    """Each brings the tables of the part from one version to the next."""

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.folder / FILE_NAME

    def signature(self) -> Signature | None:
        """Give something that differs once the file has changed; ``None`` can't tell."""
        files = []
        for path in (self.path, self.path.with_name(f"{FILE_NAME}-wal")):
            try:
                stat = path.stat()
            except OSError:  # it isn't there, or it isn't ours to see
                files.append((0, 0, 0))
                continue
            if abs(time.time() - stat.st_mtime) < _CLOCK_TICK_S:
                return None
            files.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return tuple(files)

    def read(self, work: Callable[[sqlite3.Connection], T], *, patience_s: float) -> T | None:
        """Look something up; ``None`` if there is nothing yet.

        Writers don't keep readers waiting, except the last one when it leaves. Raises
        `sqlite3.Error` or `OSError`; a damaged file is set aside, and so there is nothing.
        """
        if not self.path.exists():
            return None
        try:
            return self._use("rw", patience_s, lambda db: work(db) if self._version(db) else None)
        except _DamagedError:
            return None

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do the work wholly or not at all, waiting for other writers some seconds.

        Raises `sqlite3.Error` or `OSError`; a damaged file is set aside, and a new one begun.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

        def transact(db: sqlite3.Connection) -> T:
            db.execute("PRAGMA journal_mode = WAL")
            with db:
                db.execute("BEGIN IMMEDIATE")
                self._migrate(db)
                return work(db)

        try:
            return self._use("rwc", _PATIENCE_S, transact)
        except _DamagedError:
            return self._use("rwc", _PATIENCE_S, transact)

    def _use(
        self,
        mode: Literal["rw", "rwc"],
        patience_s: float,
        work: Callable[[sqlite3.Connection], T],
    ) -> T:
        inode = self._inode()
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        try:
            with closing(
                sqlite3.connect(address, timeout=patience_s, isolation_level=None, uri=True)
            ) as db:
                return work(db)
        except sqlite3.DatabaseError as error:
            if _code(error) not in _DAMAGED:
                raise
            self._set_aside(inode)
            raise _DamagedError from error

    def _version(self, db: sqlite3.Connection) -> int:
        """Give the version of our part, 0 if it isn't there yet."""
        row = None
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_parts'").fetchone():
            row = db.execute(
                "SELECT version FROM schema_parts WHERE part = ?", (self.part,)
            ).fetchone()
        version = int(row[0]) if row else 0
        if version > len(self.scripts):
            raise NewerStateError("written by a newer aps-exporter")
        return version

    def _migrate(self, db: sqlite3.Connection) -> None:
        version = self._version(db)
        if version == len(self.scripts):
            return
        db.execute(
            "CREATE TABLE IF NOT EXISTS schema_parts"
            " (part TEXT PRIMARY KEY, version INTEGER NOT NULL)"
        )
        for script in self.scripts[version:]:
            for statement in script.split(";"):
                db.execute(statement)
        db.execute(
            "INSERT OR REPLACE INTO schema_parts VALUES (?, ?)", (self.part, len(self.scripts))
        )

    def _inode(self) -> int:
        try:
            return self.path.stat().st_ino
        except OSError:
            return 0

    def _set_aside(self, inode: int) -> None:
        """Give the damaged file a name with the time, unless somebody else already did."""
        if self._inode() != inode:
            return
        aside = self.path.with_name(f"{FILE_NAME}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        self.path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
        log.error("%s is damaged: set aside as %s, a new one is begun", self.path, aside.name)


def is_busy(error: Exception) -> bool:
    """Say whether the file is only in use by others just now."""
    return isinstance(error, sqlite3.Error) and _code(error) in _BUSY


def _code(error: sqlite3.Error) -> int:
    """Give the primary result code; the extended ones hold it in their low byte."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
