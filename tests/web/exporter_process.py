"""An exporter of an invented ECU as a process of its own, for what only a process can show.

Prints a line for each thing that happens. Its ECU answers when a line comes on stdin. An argument
is the limit of open files, a second one the seconds that it may take to stop.
"""

from __future__ import annotations

import resource
import sys
from datetime import UTC, datetime

from aps_exporter.deadline import Deadline
from aps_exporter.model import Channel, Inverter, Reading
from aps_exporter.summary import Roster
from aps_exporter.web.app import Wiring, create_app
from aps_exporter.web.connections import Limits
from aps_exporter.web.server import serve


def say(text: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def read(_deadline: Deadline) -> Reading:
    """Answer when told to."""
    say("polling")
    sys.stdin.readline()
    panel = Channel(id="408000012345-A", name="A", power_w=120.0)
    return Reading(
        source="http://127.0.0.1/",
        interface="cgi",
        read_at=datetime.now(UTC),
        inverters=(Inverter(serial="408000012345", channels=(panel,)),),
    )


if len(sys.argv) > 1:
    files = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
serve(
    create_app(Wiring(read=read, summarize=Roster().summarize, timeout_s=60)),
    ["127.0.0.1:0"],
    ready=lambda urls: say(urls[0]),
    limits=Limits(stop_s=int(sys.argv[2])) if len(sys.argv) > 2 else None,
)
say("ended")
