"""A forwarder in a process of its own, to be killed: lives through a day whose clock is in a file.

It waits for a line on stdin, begins a life in a new process, tells its id, and when that life has
ended, how. A life that reaches the evening ends by itself.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.pvoutput.day import Day
from tests.pvoutput.fake_pvoutput import Clock


class FileClock(Clock):
    """A clock that several processes share, and that survives them."""

    def __init__(self, path: Path) -> None:
        """Map the file, of eight bytes."""
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    @property
    def now(self) -> datetime:
        """Tell the time."""
        return datetime.fromtimestamp(struct.unpack("d", self._map)[0], UTC)

    @now.setter
    def now(self, moment: datetime) -> None:
        self._map[:] = struct.pack("d", moment.timestamp())


def live(url: str, folder: Path, clock: FileClock, evening: datetime) -> None:
    """Live until the evening."""
    day = Day(url=url, clock=clock, folder=folder)
    day.run(evening)
    os._exit(0)


def main() -> None:
    """Begin lives for as long as somebody asks for them."""
    url, folder, clock_file, evening = sys.argv[1:]
    clock = FileClock(Path(clock_file))
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            live(url, Path(folder), clock, datetime.fromisoformat(evening))
        print(pid, flush=True)  # noqa: T201  how it speaks to the test
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201  as above


if __name__ == "__main__":
    main()
