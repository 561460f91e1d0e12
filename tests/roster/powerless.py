"""A process that keeps a roster in a folder where it may write nothing, even if started by root."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aps_exporter.roster.memory import Memory
from aps_exporter.roster.table import roster_file
from aps_exporter.summary import Roster, Summary
from tests.roster.roof import EAST, WEST, inverter, reading

NOBODY = 65534


def main(folder: str) -> None:
    """Lose an inverter, and tell who is missing."""
    with powerless():
        summary = lose_one(Path(folder))
    sys.stdout.write(f"missing: {' '.join(summary.missing_ids)}\n")


@contextmanager
def powerless() -> Iterator[None]:
    """Be nobody for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(user)


def lose_one(folder: Path) -> Summary:
    """See two inverters, and then one of them."""
    roster = Roster(memory=Memory(ecu="ecu", file=roster_file(folder)))
    roster.summarize(reading(inverter(EAST, 90), inverter(WEST, 80)))
    roster.memory.close()
    summary = roster.summarize(reading(inverter(WEST, 80)))
    roster.memory.close()
    return summary


if __name__ == "__main__":
    main(*sys.argv[1:])
