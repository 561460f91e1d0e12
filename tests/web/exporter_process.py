"""An exporter of an invented ECU as a process of its own, for what only a process can show.

Prints a line for each thing that happens. Its ECU answers when a line comes on stdin. Arguments:
``files=64`` limits the open files, others are fields of `Limits`.
"""

from __future__ import annotations

import resource
import sys
from datetime import UTC, datetime

from aps_exporter.config import Settings
from aps_exporter.deadline import Deadline
from aps_exporter.model import Channel, Inverter, Reading
from aps_exporter.station import Station
from aps_exporter.summary import Roster
from aps_exporter.web.app import Wiring, create_app
from aps_exporter.web.connections import Limits
from aps_exporter.web.server import serve
from tests.web.conftest import fleet_of


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


settings = {name: int(value) for name, _, value in (a.partition("=") for a in sys.argv[1:])}
files = settings.pop("files", 1024)
resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
station = Station(
    settings=Settings(host="127.0.0.1", timeout=60), poll=read, hold=Roster().summarize
)
serve(
    create_app(Wiring(fleet=fleet_of(station))),
    ["127.0.0.1:0"],
    ready=lambda urls: say(urls[0]),
    limits=Limits(**settings),
)
say("ended")
