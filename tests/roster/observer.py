"""A process that keeps a roster: sees one more inverter with each reading, and is killed for it.

Arguments: the state folder, the first inverter's number, how many there are. Prints the number of
each inverter when it is stored.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aps_exporter.roster.memory import Memory
from aps_exporter.roster.table import roster_file
from tests.roster.roof import inverter, reading


def main(folder: str, first: str, count: str) -> None:
    """Observe, store and tell, until killed or done."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    memory = Memory(ecu="ecu", file=roster_file(Path(folder)))
    for number in range(int(first), int(first) + int(count)):
        memory.observe(reading(inverter(f"{number:012d}", 100, 100)))
        memory.close()
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
