"""What is remembered through restarts, and what happens when the disk fails."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from aps_exporter.roster.members import Member
from aps_exporter.roster.memory import RETRY_S, Memory
from aps_exporter.roster.table import load, rename, retire, roster_file, save
from aps_exporter.state import FILE_NAME
from aps_exporter.summary import Roster
from tests.roster.roof import DAY, EAST, NOON, WEST, inverter, reading

ROOT = Path(__file__).parents[2]
MINUTE = timedelta(minutes=1)


@contextmanager
def exporter(folder: Path, ecu: str = "ecu") -> Iterator[Roster]:
    """Run an exporter's roster from its start to its orderly end."""
    roster = Roster(memory=Memory(ecu=ecu, file=roster_file(folder)))
    try:
        yield roster
    finally:
        roster.memory.close()


def stored(folder: Path, ecu: str = "ecu") -> set[str]:
    """Give the ids in the file."""
    return {member.id for member in load(roster_file(folder), ecu, patience_s=5).values()}


def test_who_died_before_a_restart_is_still_missed(tmp_path: Path) -> None:
    """An inverter whose rows are gone after a restart is missing, by name, with its panels."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90, 95), inverter(WEST, 80)))

    with exporter(tmp_path) as roster:
        summary = roster.summarize(reading(inverter(WEST, 80), at=NOON + MINUTE))

    assert summary.missing_ids == (f"{EAST}-1", f"{EAST}-2")
    assert summary.inverters[EAST] is None
    assert summary.inverter_states == {WEST: "expected", EAST: "missing"}


def test_who_was_never_contacted_is_remembered(tmp_path: Path) -> None:
    """An inverter that the ECU waits for is waited for after a restart, until it has its inputs."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST), inverter(WEST, 80)))

    with exporter(tmp_path) as roster:
        waiting = roster.summarize(reading(inverter(WEST, 80), at=NOON + MINUTE))
        there = roster.summarize(
            reading(inverter(EAST, 90, 95), inverter(WEST, 80), at=NOON + 2 * MINUTE)
        )

    assert waiting.inverter_states[EAST] == "never_contacted"
    assert waiting.missing_ids == ()
    assert (len(there.inverters), there.expected, there.missing) == (2, 3, 0)


def test_a_week_has_restarts(tmp_path: Path) -> None:
    """The days on which an input makes nothing are counted across restarts."""
    for day in range(7):
        with exporter(tmp_path) as roster:
            summary = roster.summarize(reading(inverter(EAST, 90, 0), at=NOON + day * DAY))

    assert summary.panel_states[f"{EAST}-2"] == "unused"


def test_each_ecu_has_its_own_roster(tmp_path: Path) -> None:
    """Two exporters with one state folder do not miss each other's inverters."""
    with exporter(tmp_path, "north") as north, exporter(tmp_path, "south") as south:
        north.summarize(reading(inverter(EAST, 90)))
        south.summarize(reading(inverter(WEST, 90)))
        summary = north.summarize(reading(inverter(EAST, 90), at=NOON + MINUTE))

    assert set(summary.inverters) == {EAST}
    assert stored(tmp_path, "south") == {WEST, f"{WEST}-1"}


def test_two_exporters_of_one_ecu_know_the_same(tmp_path: Path) -> None:
    """What a cron job's `read` sees, a running exporter misses from then on."""
    with exporter(tmp_path) as serve:
        serve.summarize(reading(inverter(EAST, 90)))
        with exporter(tmp_path) as read:
            read.summarize(reading(inverter(EAST, 90), inverter(WEST, 80)))
        summary = serve.summarize(reading(inverter(EAST, 90), at=NOON + MINUTE))

    assert summary.missing_ids == (f"{WEST}-1",)


def test_steady_readings_write_nothing(tmp_path: Path) -> None:
    """Readings without news leave the file alone; the last sight is noted now and then."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90)))
    written = (tmp_path / FILE_NAME).stat().st_mtime_ns

    with exporter(tmp_path) as roster:
        for minute in range(5):
            roster.summarize(reading(inverter(EAST, 90 + minute), at=NOON + minute * MINUTE))
    untouched = (tmp_path / FILE_NAME).stat().st_mtime_ns
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90), at=NOON + 5 * MINUTE))
    member = load(roster_file(tmp_path), "ecu", patience_s=5)["inverter", EAST]

    assert untouched == written
    assert member.last_seen == NOON + 5 * MINUTE


def test_a_clock_that_was_ahead_is_not_believed_for_ever(tmp_path: Path) -> None:
    """After the clock was set back, the last sight is the last one by the clock as it is now."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90), at=NOON + 300 * DAY))

    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90), at=NOON))

    assert load(roster_file(tmp_path), "ecu", patience_s=5)["inverter", EAST].last_seen == NOON


def test_retiring_takes_effect_while_the_exporter_runs(tmp_path: Path) -> None:
    """What is retired is no longer missed from the next reading on, until that is undone."""
    file = roster_file(tmp_path)
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90, 95), inverter(WEST, 80)))
        roster.memory.close()
        retire(file, "ecu", EAST, NOON)
        retired = roster.summarize(reading(inverter(WEST, 80), at=NOON + MINUTE))
        retire(file, "ecu", EAST, None)
        undone = roster.summarize(reading(inverter(WEST, 80), at=NOON + 2 * MINUTE))

    assert (retired.missing, retired.expected, set(retired.inverters)) == (0, 1, {WEST})
    assert retired.inverter_states[EAST] == "retired"
    assert undone.missing_ids == (f"{EAST}-1", f"{EAST}-2")


def test_one_panel_can_be_retired(tmp_path: Path) -> None:
    """A retired panel is left out, and its inverter with the other panels stays."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90, 0)))
        roster.memory.close()
        retire(roster_file(tmp_path), "ecu", f"{EAST}-2", NOON)
        summary = roster.summarize(reading(inverter(EAST, 90, 0), at=NOON + MINUTE))

    assert [panel.id for panel in summary.panels] == [f"{EAST}-1"]
    assert summary.inverter_states == {EAST: "expected"}


def test_what_is_retired_and_makes_power_counts(tmp_path: Path) -> None:
    """The power of a panel is in the total, whatever its owner retired."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90), inverter(WEST, 80)))
        roster.memory.close()
        retire(roster_file(tmp_path), "ecu", EAST, NOON)
        summary = roster.summarize(reading(inverter(EAST, 90), inverter(WEST, 80), at=NOON))

    assert (summary.power_w, summary.received, summary.expected) == (170, 2, 2)
    assert (summary.inverters_online, len(summary.inverters)) == (2, 2)


def test_what_others_stored_is_not_overwritten(tmp_path: Path) -> None:
    """Who stores what it saw leaves what its owner said meanwhile, and joins what others saw."""
    file = roster_file(tmp_path)
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 0)))
    before = load(file, "ecu", patience_s=5)
    retire(file, "ecu", f"{EAST}-1", NOON)
    rename(file, "ecu", EAST, "Garage")
    save(file, "ecu", [replace(before["panel", f"{EAST}-1"], first_watt=NOON)])

    save(file, "ecu", [replace(member, last_seen=NOON + DAY) for member in before.values()])

    after = load(file, "ecu", patience_s=5)
    assert after["panel", f"{EAST}-1"] == replace(
        before["panel", f"{EAST}-1"], first_watt=NOON, retired_at=NOON, last_seen=NOON + DAY
    )
    assert after["inverter", EAST].name == "Garage"


def test_what_is_not_stored_yet_is_not_forgotten() -> None:
    """What only we saw stays when the file is read again; of two first times the earlier counts."""
    ours = Member(kind="panel", id=f"{EAST}-1", inverter=EAST, first_seen=NOON, first_watt=NOON)
    theirs = replace(ours, first_seen=NOON - DAY, first_watt=None, idle_days=3)

    assert ours.merged(theirs) == replace(theirs, first_watt=NOON)
    assert theirs.merged(ours) == replace(theirs, first_watt=NOON)


def test_new_names_are_used_at_once(tmp_path: Path) -> None:
    """An inverter's name names its panels; a panel's own name beats it."""
    file = roster_file(tmp_path)
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90, 95)))
        roster.memory.close()
        rename(file, "ecu", EAST, "Garage")
        rename(file, "ecu", f"{EAST}-2", "Dormer")
        summary = roster.summarize(reading(inverter(EAST, 90, 95), at=NOON + MINUTE))

    assert [panel.name for panel in summary.panels] == ["Garage 1", "Dormer"]


def test_a_broken_file_is_set_aside_and_rebuilt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is no database costs one log line, and the next one is whole."""
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all" * 500)

    with exporter(tmp_path) as roster:
        summary = roster.summarize(reading(inverter(EAST, 90)))

    assert summary.received == 1
    assert stored(tmp_path) == {EAST, f"{EAST}-1"}
    assert [path.name[:22] for path in tmp_path.glob("*.corrupt-*")] == ["state.sqlite3.corrupt-"]
    assert len(caplog.records) == 1


def test_a_file_that_breaks_while_in_use_is_rebuilt_from_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whom the page lacks by then is in the new file too."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90), inverter(WEST, 80)))
        roster.memory.close()
        (tmp_path / FILE_NAME).write_bytes(os.urandom(8192))
        summary = roster.summarize(reading(inverter(WEST, 80), at=NOON + MINUTE))

    assert summary.missing_ids == (f"{EAST}-1",)
    assert stored(tmp_path) == {EAST, f"{EAST}-1", WEST, f"{WEST}-1"}
    assert len(caplog.records) == 1


def test_damaged_pages_are_noticed(tmp_path: Path) -> None:
    """A file whose head is right and whose tables are not is set aside as well."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(*(inverter(f"{n:012d}", 9, 9) for n in range(200))))
    content = bytearray((tmp_path / FILE_NAME).read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    (tmp_path / FILE_NAME).write_bytes(content)

    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90)))

    assert stored(tmp_path) == {EAST, f"{EAST}-1"}
    assert len([*tmp_path.glob("*.corrupt-*")]) == 1


def test_a_deleted_file_is_written_again(tmp_path: Path) -> None:
    """Who deletes the file of a running exporter has not deleted its memory."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90), inverter(WEST, 80)))
        roster.memory.close()
        (tmp_path / FILE_NAME).unlink()
        roster.summarize(reading(inverter(WEST, 80), at=NOON + MINUTE))

    assert EAST in stored(tmp_path)


def test_other_parts_of_the_file_are_left_alone(tmp_path: Path) -> None:
    """A file that another feature began gets the roster's tables and keeps the others."""
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db, db:
        db.execute("CREATE TABLE outbox_records (start INTEGER)")
        db.execute("INSERT INTO outbox_records VALUES (42)")

    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90)))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        rows = db.execute("SELECT * FROM outbox_records").fetchall()

    assert rows == [(42,)]
    assert EAST in stored(tmp_path)


def test_without_a_folder_the_memory_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no folder can be made, the roster works until the end, and says so once."""
    (tmp_path / "file").touch()

    with exporter(tmp_path / "file" / "folder") as roster:
        roster.summarize(reading(inverter(EAST, 90), inverter(WEST, 80)))
        roster.memory.close()
        for minute in range(10):
            summary = roster.summarize(reading(inverter(WEST, 80), at=NOON + minute * MINUTE))

    assert summary.missing_ids == (f"{EAST}-1",)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_read_only_folder_is_no_trouble() -> None:
    """Where nothing may be written, the roster works until the end, and says so once."""
    with tempfile.TemporaryDirectory() as folder:  # unlike tmp_path it may be seen by all
        Path(folder).chmod(0o555)
        run = subprocess.run(
            [sys.executable, "-m", "tests.roster.powerless", folder],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )

    assert run.stdout == f"missing: {EAST}-1\n"
    assert len(run.stderr.splitlines()) == 1
    assert "the roster can't be stored" in run.stderr


def test_a_full_disk_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the disk is full the memory serves; when there is room again, all is stored."""
    clock = [0.0]
    memory = Memory(ecu="ecu", file=roster_file(tmp_path), monotonic=lambda: clock[0])
    memory.observe(reading(inverter(EAST, 90)))
    memory.close()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        for minute in range(3):
            members = memory.observe(reading(inverter(WEST, 80), at=NOON + minute * MINUTE))
            memory.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    while_full = stored(tmp_path)
    clock[0] += RETRY_S
    memory.observe(reading(inverter(WEST, 80), at=NOON + 3 * MINUTE))
    memory.close()

    assert ("inverter", WEST) in members
    assert WEST not in while_full
    assert WEST in stored(tmp_path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_locked_file_keeps_no_reading_waiting(tmp_path: Path) -> None:
    """While another process writes, readings go on; what they saw is stored afterwards."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90)))
        roster.memory.close()
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            started = time.monotonic()
            for minute in range(20):
                roster.summarize(reading(inverter(WEST, 80), at=NOON + minute * MINUTE))
            elapsed_s = time.monotonic() - started
            other.execute("COMMIT")

    assert elapsed_s < 1
    assert WEST in stored(tmp_path)


def test_a_file_in_exclusive_use_is_read_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that nobody else may read just now is nothing to warn of."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90)))
        roster.memory.close()
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            summary = roster.summarize(reading(inverter(EAST, 90), at=NOON + MINUTE))
            other.execute("COMMIT")

    assert summary.received == 1
    assert caplog.records == []


def test_a_file_of_a_newer_version_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What a newer exporter wrote is not touched; the memory serves, which is said once."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90)))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db, db:
        db.execute("UPDATE schema_parts SET version = 99")

    with exporter(tmp_path) as roster:
        for minute in range(5):
            roster.summarize(reading(inverter(WEST, 80), at=NOON + minute * MINUTE))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        ids = {row[0] for row in db.execute("SELECT id FROM roster_members")}

    assert ids == {EAST, f"{EAST}-1"}
    assert ["newer aps-exporter" in record.message for record in caplog.records] == [True]


def test_rows_that_make_no_sense_fail_no_reading(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A row that somebody wrote by hand is said once, and the memory serves."""
    with exporter(tmp_path) as roster:
        roster.summarize(reading(inverter(EAST, 90)))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db, db:
        db.execute("UPDATE roster_members SET first_seen = 'yesterday'")

    with exporter(tmp_path) as roster:
        for minute in range(5):
            summary = roster.summarize(reading(inverter(WEST, 80), at=NOON + minute * MINUTE))

    assert summary.received == 1
    assert ["makes no sense" in record.message for record in caplog.records] == [True]


def test_nobody_else_can_read_the_folder(tmp_path: Path) -> None:
    """A folder that the exporter makes is its own."""
    with exporter(tmp_path / "state") as roster:
        roster.summarize(reading(inverter(EAST, 90)))

    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_many_scrapes_at_once(tmp_path: Path) -> None:
    """Threads that observe different readings lose nobody, in memory and on disk."""
    memory = Memory(ecu="ecu", file=roster_file(tmp_path))

    def scrape(first: int) -> None:
        for number in range(first, first + 20):
            memory.observe(reading(inverter(f"{number:012d}", 100)))

    threads = [threading.Thread(target=scrape, args=(20 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    memory.close()
    inverters = {f"{number:012d}" for number in range(160)}

    assert stored(tmp_path) == inverters | {f"{serial}-1" for serial in inverters}


def observer(folder: Path, first: int, count: int) -> subprocess.Popen[str]:
    """Start a process that sees one more inverter with each reading."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.roster.observer", str(folder), str(first), str(count)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(*processes: subprocess.Popen[str]) -> None:
    """Let the observers begin."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def test_two_processes_share_the_file(tmp_path: Path) -> None:
    """Two exporters that store at the same time lose nobody."""
    with observer(tmp_path, 0, 40) as one, observer(tmp_path, 100, 40) as two:
        go(one, two)
        outputs = [process.communicate(timeout=30)[0] for process in (one, two)]
    inverters = {f"{number:012d}" for number in (*range(40), *range(100, 140))}

    assert [len(output.splitlines()) for output in outputs] == [40, 40]
    assert inverters <= stored(tmp_path)


@pytest.mark.parametrize("after", [0, 7, 20])
def test_a_kill_loses_nobody_who_was_stored(tmp_path: Path, after: int) -> None:
    """After kill -9 the file is whole, and all are in it who were stored."""
    with observer(tmp_path, 0, 100_000) as process:
        go(process)
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(after + 1)]
        process.send_signal(signal.SIGKILL)
        whole_lines, _, _ = process.stdout.read().rpartition("\n")
        told += map(int, whole_lines.split())
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        check = db.execute("PRAGMA integrity_check").fetchone()

    assert check == ("ok",)
    assert {f"{number:012d}" for number in told} <= stored(tmp_path)


def test_a_folder_that_cannot_be_written_shows_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says so before anything was read, with the system's own reason."""
    (tmp_path / "file").write_text("in the way")
    memory = Memory(ecu="roof", file=roster_file(tmp_path / "file"))
    memory.prepare()

    assert [record.getMessage() for record in caplog.records] == [
        (
            f"{tmp_path}/file/state.sqlite3: File exists: the roster can't be stored, and lasts "
            "until the exporter ends"
        )
    ]
