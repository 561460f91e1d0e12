"""The state file, as features see it that open and close it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aps_exporter.state import StateFile, is_busy

FIRST = "CREATE TABLE notes_lines (line TEXT)"
SECOND = "ALTER TABLE notes_lines ADD COLUMN page INTEGER; CREATE TABLE notes_pages (page INTEGER)"


def notes(folder: Path, *scripts: str) -> StateFile:
    """Make the part of a feature that keeps notes."""
    return StateFile(folder=folder, part="notes", scripts=scripts or (FIRST,))


def add(line: str) -> Callable[[sqlite3.Connection], object]:
    """Make the work that writes a line."""
    return lambda db: db.execute("INSERT INTO notes_lines (line) VALUES (?)", (line,))


def lines(db: sqlite3.Connection) -> list[str]:
    """Read all lines."""
    return [row[0] for row in db.execute("SELECT line FROM notes_lines")]


def age(file: StateFile, seconds: int = 60) -> None:
    """Make all look as if it were written a while ago."""
    for path in file.folder.iterdir():
        os.utime(path, ns=(0, path.stat().st_mtime_ns - seconds * 10**9))


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    """The folder, the file and the tables are made when first needed."""
    file = notes(tmp_path / "a" / "b")
    before = file.read(lines, patience_s=0)
    file.write(add("one"))

    assert before is None
    assert file.read(lines, patience_s=0) == ["one"]


def test_a_write_is_whole_or_nothing(tmp_path: Path) -> None:
    """Work that fails half-way leaves nothing behind."""
    file = notes(tmp_path)
    file.write(add("one"))

    def work(db: sqlite3.Connection) -> None:
        add("two")(db)
        raise KeyError

    with pytest.raises(KeyError):
        file.write(work)

    assert file.read(lines, patience_s=0) == ["one"]


def test_tables_grow_with_the_version(tmp_path: Path) -> None:
    """A newer exporter brings the tables of an older one up to date, and their rows stay."""
    notes(tmp_path).write(add("one"))
    newer = notes(tmp_path, FIRST, SECOND)

    newer.write(lambda db: db.execute("INSERT INTO notes_lines VALUES ('two', 7)"))

    assert newer.read(lines, patience_s=0) == ["one", "two"]


def test_the_signature_tells_that_a_file_changed(tmp_path: Path) -> None:
    """An old file has a signature; another content, another file and none have others."""
    file = notes(tmp_path)
    absent = file.signature()
    file.write(add("one"))
    young = file.signature()
    age(file)
    old, same = file.signature(), file.signature()
    file.write(add("two"))
    age(file, 40)
    changed = file.signature()
    file.path.unlink()

    assert young is None
    assert old == same
    assert len({absent, old, changed}) == 3
    assert file.signature() == absent


def test_a_damaged_file_is_set_aside_by_a_write(tmp_path: Path) -> None:
    """Who writes to a damaged file writes to a new one."""
    file = notes(tmp_path)
    file.path.write_bytes(b"damaged" * 1000)

    file.write(add("one"))

    assert file.read(lines, patience_s=0) == ["one"]
    assert len([*tmp_path.glob("*.corrupt-*")]) == 1


def test_a_file_that_somebody_replaced_is_not_set_aside(tmp_path: Path) -> None:
    """Who finds a file damaged leaves the good one alone that is in its place by now."""
    file, other = notes(tmp_path), notes(tmp_path / "other")
    file.write(add("damaged"))
    other.write(add("from somebody else"))

    def work(_: sqlite3.Connection) -> None:
        other.path.replace(file.path)
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    assert file.read(work, patience_s=0) is None
    assert file.read(lines, patience_s=0) == ["from somebody else"]


def test_a_busy_file_is_told_from_a_broken_one(tmp_path: Path) -> None:
    """Others at work are no reason to worry; all else is."""
    file = notes(tmp_path)
    file.write(add("one"))
    with closing(sqlite3.connect(file.path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as busy:
            file.read(lines, patience_s=0)

    assert is_busy(busy.value)
    assert not is_busy(sqlite3.DatabaseError("damaged"))
    assert not is_busy(OSError())
