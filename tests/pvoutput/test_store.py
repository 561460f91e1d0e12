"""What happens to the outbox when its disk, its file or its neighbours misbehave."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aps_exporter.errors import ConfigError
from aps_exporter.pvoutput.outbox import Outbox
from aps_exporter.pvoutput.records import Record
from aps_exporter.pvoutput.rows import SCRIPTS
from aps_exporter.pvoutput.store import FILE_NAME, Store
from tests.pvoutput.day import Day
from tests.pvoutput.fake_pvoutput import SYSTEM_ID, Clock, FakePVOutput

NOON = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


def record(minute: int = 0, power_w: int = 1000) -> Record:
    """Make a record of the hour after noon."""
    return Record(start=NOON + timedelta(minutes=minute), power_w=power_w)


class Disk:
    """A disk that can be full: SQLite's own limit of pages makes it so."""

    def __init__(self) -> None:
        """Begin with room."""
        self.full = False
        self.files: list[sqlite3.Connection] = []

    def connect(self, name: str) -> sqlite3.Connection:
        """Open a file on it."""
        connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
        self.files.append(connection)
        self._limit(connection)
        return connection

    def fill(self, *, full: bool) -> None:
        """Fill it up, or make room."""
        self.full = full
        for connection in self.files:
            try:
                self._limit(connection)
            except sqlite3.ProgrammingError:  # closed
                continue

    def _limit(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA max_page_count = {1 if self.full else 1_000_000}")


@pytest.fixture
def disk() -> Disk:
    """Give a disk."""
    return Disk()


@pytest.fixture
def make_store(folder: Path, disk: Disk, clock: Clock) -> Iterator[Callable[..., Store]]:
    """Make stores on the disk, and close them."""
    stores: list[Store] = []

    def make(scripts: tuple[str, ...] = SCRIPTS) -> Store:
        stores.append(Store(folder, "outbox", scripts, now=clock, connect=disk.connect))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def fill_up(outbox: Outbox, disk: Disk) -> None:
    """Fill the disk, and store until it is noticed."""
    disk.fill(full=True)
    for minute in range(1, 2000):
        outbox.put(record(minute * 5), state="pending")
        if outbox.store.in_memory:
            return
    pytest.fail("the disk was never full")


def test_full_disk(
    make_store: Callable[..., Store], disk: Disk, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """On a full disk memory serves, with one line in the log; room brings everything back."""
    store = make_store()
    outbox = Outbox(store, SYSTEM_ID)
    outbox.put(record(0, 7), state="pending")
    fill_up(outbox, disk)
    waiting = outbox.entries("pending")
    clock.forward(minutes=2)
    outbox.put(record(-5), state="pending")

    assert waiting[0].record.power_w == 7
    assert store.in_memory
    assert sum("carrying on in memory" in r.message for r in caplog.records) == 1

    disk.fill(full=False)
    clock.forward(minutes=2)
    outbox.put(record(-10), state="pending")
    store.close()
    again = Outbox(make_store(), SYSTEM_ID)

    assert not store.in_memory
    assert len(again.entries("pending")) == len(waiting) + 2


def test_no_folder(tmp_path: Path, clock: Clock) -> None:
    """Where no file can be, memory serves."""
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file", "outbox", SCRIPTS, now=clock)
    outbox = Outbox(store, SYSTEM_ID)
    outbox.put(record(), state="pending")

    assert store.in_memory
    assert outbox.claim()
    assert outbox.counts().pending == 1
    store.close()


@pytest.mark.parametrize(
    "content", [b"not a database " * 100, b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_damaged_file_at_start(
    folder: Path, make_store: Callable[..., Store], caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """A damaged file is set aside under a name with the time, and a new one is begun."""
    (folder / FILE_NAME).write_bytes(content)
    store = make_store()
    Outbox(store, SYSTEM_ID).put(record(), state="pending")

    aside = [path for path in folder.iterdir() if ".corrupt-" in path.name]
    assert [path.read_bytes() for path in aside] == [content]
    assert "corrupt-20260228T190000Z" in aside[0].name
    assert store.set_aside == 1
    assert not store.in_memory
    assert sum("is damaged" in r.message for r in caplog.records) == 1


def test_damaged_file_while_running(folder: Path, make_store: Callable[..., Store]) -> None:
    """A file that is damaged under our hands is set aside, and the work goes on."""
    store = make_store()
    outbox = Outbox(store, SYSTEM_ID)
    for minute in range(0, 20_000, 5):
        outbox.put(record(minute), state="pending")
    with sqlite3.connect(folder / FILE_NAME) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    with (folder / FILE_NAME).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 40 * 4096)
    store.fetch("PRAGMA shrink_memory", ())
    outbox.put(record(-5), state="pending")
    outbox.entries("pending")

    assert store.set_aside == 1
    assert outbox.put(record(-10), state="pending")


def test_replaced_file(folder: Path, make_store: Callable[..., Store]) -> None:
    """A file that somebody set aside or deleted is not written any more; a new one has it all."""
    store = make_store()
    outbox = Outbox(store, SYSTEM_ID)
    outbox.put(record(), state="pending")
    (folder / FILE_NAME).rename(folder / "elsewhere")
    (folder / f"{FILE_NAME}-wal").unlink()
    (folder / f"{FILE_NAME}-shm").unlink()
    outbox.put(record(5), state="pending")
    store.close()

    assert len(Outbox(make_store(), SYSTEM_ID).entries("pending")) == 2


def test_other_parts_are_left_alone(
    folder: Path, make_store: Callable[..., Store], clock: Clock
) -> None:
    """Another feature's tables and version stand beside ours, each with its own."""
    make_store()
    roster = Store(folder, "roster", ("CREATE TABLE roster_panels (id TEXT)",), now=clock)
    roster.transact(lambda db: db.execute("INSERT INTO roster_panels VALUES ('x')"))
    rows = make_store().fetch("SELECT part, version FROM schema_parts ORDER BY part", ())
    roster.close()

    assert rows == [("outbox", len(SCRIPTS)), ("roster", 1)]


def test_newer_file(make_store: Callable[..., Store]) -> None:
    """A file of a newer version is refused, not damaged."""
    make_store((*SCRIPTS, "CREATE TABLE outbox_more (x)"))

    with pytest.raises(ConfigError, match="newer"):
        make_store()


def test_schema_grows(make_store: Callable[..., Store]) -> None:
    """An older file is brought to the newer version with all that is in it."""
    Outbox(make_store(), SYSTEM_ID).put(record(), state="pending")
    newer = make_store((*SCRIPTS, "CREATE TABLE outbox_more (x)"))

    assert Outbox(newer, SYSTEM_ID).counts().pending == 1
    assert newer.fetch("SELECT * FROM outbox_more", ()) == []


def test_two_processes_on_one_outbox(
    day: Day, fake: FakePVOutput, caplog: pytest.LogCaptureFixture
) -> None:
    """The second process stands by; when the first is gone, however it went, it takes over."""
    script = (
        "import sqlite3, sys\n"
        "lock = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "lock.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(day.folder / f"outbox-{SYSTEM_ID}.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        first.stdout.readline()
        day.until("2026-03-01 08:00")

        assert fake.requests == []
        assert not day.alive.snapshot().active
        assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == [
            "another process forwards from this outbox: standing by"
        ]
        first.kill()
    day.swept.clear()
    day.until("2026-03-01 09:00")

    assert day.expected().items() <= fake.stored("v2").items()
    assert day.alive.snapshot().active


def test_too_many_waiting(make_store: Callable[..., Store]) -> None:
    """Beyond its bound the outbox drops the oldest, and says how many."""
    outbox = Outbox(make_store(), SYSTEM_ID, most=10)
    for minute in range(0, 60, 5):
        outbox.put(record(minute), state="pending")
    dropped = outbox.tidy(NOON, NOON - timedelta(days=13))

    assert dropped == (0, 2)
    assert [e.record.start.minute for e in outbox.entries("pending")][:2] == [10, 15]


def test_late_answer_for_an_older_version(make_store: Callable[..., Store]) -> None:
    """A record that is built anew while it is on its way still has to be sent."""
    outbox = Outbox(make_store(), SYSTEM_ID)
    outbox.put(record(), state="pending")
    on_its_way = outbox.entries("pending")
    outbox.put(record(power_w=1100), state="pending")
    outbox.sent(on_its_way)

    assert [e.record.power_w for e in outbox.entries("pending")] == [1100]


def test_ecu_curve_never_covers_our_own(make_store: Callable[..., Store]) -> None:
    """What we measured stays; what the ECU remembered gives way to what we measured."""
    outbox = Outbox(make_store(), SYSTEM_ID)
    ecu = Record(start=NOON, power_w=5, source="ecu")

    assert outbox.put(ecu, state="pending")
    assert outbox.put(record(), state="pending")
    assert not outbox.put(ecu, state="pending")
    assert [e.record.source for e in outbox.entries("pending")] == ["own"]


def test_files_that_others_set_aside_count(folder: Path, make_store: Callable[..., Store]) -> None:
    """A damaged file counts whoever set it aside, and still does when it has been deleted."""
    first = folder / f"{FILE_NAME}.corrupt-20260101T000000Z"
    first.write_text("")
    store = make_store()
    outbox = Outbox(store, SYSTEM_ID)
    at_start = store.set_aside
    first.unlink()
    (folder / FILE_NAME).rename(folder / f"{FILE_NAME}.corrupt-20260102T000000Z")
    outbox.put(record(), state="pending")

    assert (at_start, store.set_aside) == (1, 2)
