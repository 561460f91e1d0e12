"""The file `state.sqlite3`: opened, kept whole, replaced by memory while the disk fails."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from aps_exporter.errors import ConfigError

__all__ = ["FILE_NAME", "Row", "Store"]

log = logging.getLogger(__name__)

T = TypeVar("T")
Row = tuple[Any, ...]
"""A row as sqlite3 gives it: it knows the columns' types, not we."""

FILE_NAME: Final = "state.sqlite3"
_RETRY_S: Final = 60.0
_BUSY_MS: Final = 5000
_BROKEN: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NO_DISK: Final = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}


class Store:
    """One connection, whose every use is a transaction.

    Each feature that keeps something in the file names its own part, with a version, in the table
    `schema_parts`; here a part is given as its name and the scripts that bring it from each
    version to the next.
    """

    def __init__(
        self,
        folder: Path,
        part: str,
        scripts: tuple[str, ...],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        connect: Callable[[str], sqlite3.Connection] = lambda name: sqlite3.connect(
            name, isolation_level=None, check_same_thread=False
        ),
    ) -> None:
        """Open the file; one that is broken is set aside, without a disk memory serves."""
        self.set_aside = 0
        """How many broken files were set aside, by whatever part of us found them broken."""
        self._aside: set[str] = set()
        self.in_memory = False
        """The disk fails: what is kept would not survive the process."""
        self._folder = folder
        self._path = folder / FILE_NAME
        self._part = part
        self._scripts = scripts
        self._now = now
        self._connect = connect
        self._lock = threading.RLock()
        self._retry_at = 0.0
        self._inode = 0
        self._claim: sqlite3.Connection | None = None
        self._connection = _in_memory()  # until the file is open
        try:
            self._use(self._open_file())
        except sqlite3.DatabaseError as error:
            self._use(self._recovered(error))

    def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do the work wholly or not at all; after a failure of the disk, once more in memory."""
        return self._attempt(lambda db: _transaction(db, work))

    def fetch(self, query: str, values: tuple[int | str, ...]) -> list[Row]:
        """Look something up; a single query needs no transaction."""
        return self._attempt(lambda db: db.execute(query, values).fetchall())

    def claim(self, what: str) -> bool:
        """Become the one process that does something; false while another one does it.

        The claim is a lock of the operating system on a file beside ours: it ends with the
        process, however that ends.
        """
        with self._lock:
            if self._claim is None:
                self._claim = self._locked(self._folder / f"{what}.lock")
            return self._claim is not None

    def _locked(self, path: Path) -> sqlite3.Connection | None:
        try:
            lock = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError:
            return _in_memory()  # no folder, so nothing that another process could share
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            if _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                lock.close()
                return None
        return lock

    def close(self) -> None:
        """Close the file and give up the claim."""
        with self._lock:
            self._connection.close()
            if self._claim is not None:
                self._claim.close()
                self._claim = None

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            if self.in_memory:
                self._return_to_disk()
            elif self._inode != _inode(self._path):
                self._follow()
            try:
                return work(self._connection)
            except sqlite3.DatabaseError as error:
                self._use(self._recovered(error))
                return work(self._connection)

    def _use(self, connection: sqlite3.Connection) -> None:
        self._connection.close()
        self._connection = connection
        self._inode = _inode(self._path)
        with suppress(OSError):  # a folder that can't be listed has been complained about
            self._aside |= {path.name for path in self._folder.glob(f"{FILE_NAME}.corrupt-*")}
        self.set_aside = len(self._aside)

    def _follow(self) -> None:
        """Go on in the file that is there now: somebody set ours aside, or deleted it."""
        log.warning("%s was replaced: carrying on in the new one", self._path)
        try:
            self._use(self._open_file(self._connection))
        except sqlite3.DatabaseError as error:
            self._use(self._recovered(error))

    def _open_file(self, source: sqlite3.Connection | None = None) -> sqlite3.Connection:
        """Open the file; what `source` holds of our part replaces what is in it."""
        with suppress(OSError):  # sqlite will say that it can't open the file
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = self._prepared(self._connect(str(self._path)))
        try:
            if source is not None:
                _transaction(connection, lambda to: _copy(source, to, self._part))
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepared(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        try:
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            _transaction(connection, self._migrate)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_parts"
            " (part TEXT PRIMARY KEY, version INTEGER NOT NULL)"
        )
        row = connection.execute(
            "SELECT version FROM schema_parts WHERE part = ?", (self._part,)
        ).fetchone()
        version = row[0] if row else 0
        if version > len(self._scripts):
            message = f"{self._path}: written by a newer aps-exporter; give it another state_dir"
            raise ConfigError(message)
        for script in self._scripts[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        if version < len(self._scripts):
            connection.execute(
                "INSERT OR REPLACE INTO schema_parts VALUES (?, ?)",
                (self._part, len(self._scripts)),
            )

    def _recovered(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        """Answer a failure with a new file or with memory; raise what is neither's fault."""
        code = _code(error)
        if code in _BROKEN and not self.in_memory:
            try:
                return self._fresh_file()
            except (sqlite3.DatabaseError, OSError) as second:
                return self._memory(second)
        if code in _NO_DISK and not self.in_memory:
            return self._memory(error)
        raise error

    def _fresh_file(self) -> sqlite3.Connection:
        """Set the broken file aside under a name with the time, and begin a new one."""
        self._connection.close()
        stamp = f"{self._now():%Y%m%dT%H%M%SZ}"
        aside = self._path.with_name(f"{FILE_NAME}.corrupt-{stamp}")
        if self._inode in {0, _inode(self._path)}:  # else somebody else has done it already
            self._path.replace(aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
            log.error("%s is damaged: set aside as %s, a new one is begun", self._path, aside.name)
        return self._open_file()

    def _memory(self, error: Exception) -> sqlite3.Connection:
        """Carry on in memory, with what can still be read from the file."""
        log.error("%s can't be written (%s): carrying on in memory", self._path, error)
        memory = _in_memory()
        with suppress(sqlite3.Error):  # unreadable, or never opened: begin empty
            self._connection.backup(memory)
        self._retry_at = self._now().timestamp() + _RETRY_S
        self.in_memory = True
        return self._prepared(memory)

    def _return_to_disk(self) -> None:
        """Put our part back into the file now and then; while that fails, stay in memory."""
        now = self._now().timestamp()
        if now < self._retry_at:
            return
        self._retry_at = now + _RETRY_S
        try:
            self._use(self._open_file(self._connection))
        except sqlite3.DatabaseError:
            log.debug("%s still can't be written", self._path, exc_info=True)
            return
        self.in_memory = False
        log.warning("%s can be written again", self._path)


def _in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def _transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have rolled back already
            connection.execute("ROLLBACK")
        raise
    return result


def _copy(source: sqlite3.Connection, to: sqlite3.Connection, part: str) -> None:
    """Replace the rows of a part's tables; their names are ours."""
    tables = source.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, ?) = ?",
        (len(part) + 1, f"{part}_"),
    ).fetchall()
    for (table,) in tables:
        rows = source.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  a name of ours
        to.execute(f"DELETE FROM {table}")  # noqa: S608  as above
        if rows:
            marks = ",".join("?" * len(rows[0]))
            to.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608  as above


def _inode(path: Path) -> int:
    """Tell one file from another of the same name; 0 if there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _code(error: sqlite3.Error) -> int:
    """Give the primary result code; the extended ones hold it in their low byte."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
