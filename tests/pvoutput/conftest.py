"""What the tests of PVOutput share: the fake server, a roof, and a day that passes in a moment."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for `tests.pvoutput.…`, however pytest began

from tests.pvoutput.day import Day
from tests.pvoutput.fake_pvoutput import Clock, FakePVOutput


@pytest.fixture
def clock() -> Clock:
    """Give a clock that only the test moves."""
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakePVOutput]:
    """Run the fake server."""
    with FakePVOutput(clock=clock) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one: a simulated month syncs a real disk too often."""
    memory = Path("/dev/shm")  # noqa: S108  a fresh folder in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as name:
        yield Path(name)


@pytest.fixture
def make_day(fake: FakePVOutput, clock: Clock, folder: Path) -> Iterator[Callable[..., Day]]:
    """Make days whose forwarders speak to the fake server, and close them all at the end."""
    days: list[Day] = []

    def make(**changes: object) -> Day:
        days.append(Day(url=fake.url, clock=clock, folder=folder, **changes))  # type: ignore[arg-type]  # each field checks itself
        return days[-1]

    yield make
    for day in days:
        day.kill()


@pytest.fixture
def day(make_day: Callable[..., Day]) -> Day:
    """Give an ordinary day."""
    return make_day()
