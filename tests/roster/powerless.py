"""A process that keeps a roster in a folder where it may write nothing, even if started by root."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aps_exporter.roster.memory import Memory
from aps_exporter.roster.table import roster_file
from aps_exporter.summary import Roster
from tests.roster.roof import EAST, WEST, inverter, reading

NOBODY = 65534


def main(folder: str) -> None:
    """Lose an inverter, and tell who is missing."""
    if os.getuid() == 0:
        os.setuid(NOBODY)
    roster = Roster(memory=Memory(ecu="ecu", file=roster_file(Path(folder))))
    roster.summarize(reading(inverter(EAST, 90), inverter(WEST, 80)))
    roster.memory.close()
    summary = roster.summarize(reading(inverter(WEST, 80)))
    roster.memory.close()
    sys.stdout.write(f"missing: {' '.join(summary.missing_ids)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
