"""Kills the forwarder's process at random points of a day, and looks what became of the day."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from aps_exporter.pvoutput.outbox import Outbox
from aps_exporter.pvoutput.rows import SCRIPTS
from aps_exporter.pvoutput.store import Store
from tests.pvoutput.crash_child import FileClock
from tests.pvoutput.day import Roof
from tests.pvoutput.fake_pvoutput import START, SYSTEM_ID, FakePVOutput, Fault

EVENING = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)  # 19:00 on the roof


def test_killed_many_times(folder: Path) -> None:
    """Killed dozens of times in a day, each slot is at PVOutput once, and nothing waits."""
    clock_file = folder / "clock"
    clock_file.write_bytes(bytes(8))
    clock = FileClock(clock_file)
    clock.now = START
    luck = random.Random(7)  # noqa: S311  reproducible luck
    state = folder / "state"
    script = Path(__file__).with_name("crash_child.py")
    with FakePVOutput(clock=clock) as fake:
        command = [sys.executable, str(script), fake.url, str(state), str(clock_file)]
        with subprocess.Popen(
            [*command, EVENING.isoformat()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as nursery:
            assert nursery.stdin is not None
            assert nursery.stdout is not None
            kills = 0
            code = -1
            while code != 0:
                nursery.stdin.write("live\n")
                nursery.stdin.flush()
                pid = int(nursery.stdout.readline())
                if luck.random() < 0.2:
                    fake.faults.append(Fault("drop_after"))
                die_at = clock() + timedelta(minutes=luck.uniform(0, 18))
                if die_at < EVENING:
                    while clock() < die_at:
                        time.sleep(0.0005)
                    time.sleep(luck.uniform(0, 0.004))
                    with suppress(ProcessLookupError):  # it reached the evening just now
                        os.kill(pid, signal.SIGKILL)
                code = int(nursery.stdout.readline())
                assert code in {0, -signal.SIGKILL}
                kills += code != 0
            nursery.stdin.close()
        stored = fake.stored("v2")
        touched = {
            slot: len(s.requests)
            for slot, s in zip(stored, fake.world.statuses.values(), strict=True)
        }

    store = Store(state, "outbox", SCRIPTS)
    outbox = Outbox(store, SYSTEM_ID)
    waiting, dead = outbox.counts().pending, outbox.counts().dead
    store.close()
    print(  # noqa: T201  the numbers are the point
        f"{kills} kills, {len(stored)} slots, {sum(n > 1 for n in touched.values())} sent again"
    )

    assert kills >= 50
    assert stored == sweeps(Roof(), START, EVENING)
    assert (waiting, dead) == (0, 0)


def sweeps(roof: Roof, start: datetime, end: datetime) -> dict[str, tuple[str]]:
    """Give the slots in which the sun was on the roof, with their power."""
    slots = {}
    at = roof.sweep_before(start)
    while at < end:
        wall = at.astimezone(ZoneInfo(roof.zone))
        floor = wall - timedelta(minutes=wall.minute % 5)
        if roof.power(at):
            slots[f"{floor:%Y%m%d %H:%M}"] = (str(round(roof.power(at))),)
        at += timedelta(minutes=5)
    return slots
