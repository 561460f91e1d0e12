"""An invented ECU behind a real server on loopback."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette

from aps_exporter.config import Settings
from aps_exporter.config_entries import EcuSettings
from aps_exporter.config_fleet import Configuration
from aps_exporter.deadline import Deadline
from aps_exporter.fleet import Fleet
from aps_exporter.model import Channel, EcuInfo, Inverter, PhaseVoltage, Reading
from aps_exporter.posts import Post, Terms
from aps_exporter.roster.memory import Memory
from aps_exporter.station import Station
from aps_exporter.summary import Roster
from aps_exporter.web.app import Wiring, create_app
from aps_exporter.web.connections import Limits
from aps_exporter.web.server import ServerThread

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def sample(self, name: str) -> float | None:
        """Value of a sample, by all that stands before its value."""
        found = [line for line in self.text.splitlines() if line.startswith(f"{name} ")]
        return float(found[0].rpartition(" ")[2]) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Asks one server, with a connection per request."""

    port: int
    host: str = "127.0.0.1"

    def fetch(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> Answer:
        """Ask for one page."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return Answer(status=answer.status, headers=answer.headers, body=answer.read())


@dataclass(slots=True)
class Ecu:
    """An ECU that counts its polls, and answers or fails as it is told."""

    answer: Callable[[Deadline], Reading]
    deadlines: list[float] = field(default_factory=list)

    def read(self, deadline: Deadline) -> Reading:
        """Answer one poll."""
        self.deadlines.append(deadline.remaining())
        return self.answer(deadline)

    @property
    def polls(self) -> int:
        """Count the polls."""
        return len(self.deadlines)


@pytest.fixture(scope="session")
def reading() -> Reading:
    """One inverter with one panel online and one offline."""
    return Reading(
        source="http://127.0.0.1/cgi-bin/parameters",
        interface="cgi",
        read_at=datetime(2026, 6, 1, 10, 5, 3, tzinfo=UTC),
        inverters=(
            Inverter(
                serial="408000012345",
                channels=(
                    Channel(id="408000012345-A", name="A", power_w=120.0),
                    Channel(id="408000012345-B", name="B", power_w=None),
                ),
                grid_voltages=(PhaseVoltage(phase="", voltage_v=234.0),),
                grid_frequency_hz=50.01,
                temperature_c=31.0,
                reported_at=datetime(2026, 6, 1, 12, 4, 0),  # noqa: DTZ001 as the page prints it
            ),
        ),
        ecu=EcuInfo(ecu_id="216000012345", energy_lifetime_wh=1000.0),
        timezone="Europe/Berlin",
    )


@pytest.fixture(scope="session")
def _shared_ecu(reading: Reading) -> Ecu:
    return Ecu(lambda _deadline: reading)


@pytest.fixture
def ecu(_shared_ecu: Ecu) -> Ecu:
    """Make an ECU that answers at once."""
    _shared_ecu.deadlines.clear()
    return _shared_ecu


@pytest.fixture(scope="session")
def client(_shared_ecu: Ecu) -> Iterator[Client]:
    """Serve that ECU, to all tests, because a server takes its time to end."""
    with ServerThread(_app(_shared_ecu), ["127.0.0.1:0"]) as server:
        yield Client(port=server.port)


Start = Callable[..., Client]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers that end with the test."""
    with contextlib.ExitStack() as servers:

        def start(
            ecu: Ecu,
            *,
            timeout_s: float = 5.0,
            limits: Limits | None = None,
            address: str = "127.0.0.1:0",
        ) -> Client:
            app = _app(ecu, timeout_s=timeout_s)
            return Client(port=servers.enter_context(ServerThread(app, [address], limits)).port)

        yield start


def _app(ecu: Ecu, timeout_s: float = 5.0) -> Starlette:
    settings = Settings(host="127.0.0.1", timeout=timeout_s)
    station = Station(settings=settings, poll=ecu.read, hold=Roster().summarize)
    return create_app(Wiring(fleet=fleet_of(station)))


def fleet_of(*stations: Station, strangers: Iterable[Station] = (), **keys: object) -> Fleet:
    """Serve stations that are there already: one as the only one, others as a list.

    `strangers` are there too, but only for who probes them.
    """
    by_name = {station.name: station for station in (*stations, *strangers)}
    if len(stations) == 1 and not keys:
        configuration = Configuration.of(stations[0].settings)
    else:
        ecus = tuple(EcuSettings(name=s.name, host=s.settings.host) for s in stations)
        configuration = Configuration(ecus=ecus, single=False, **keys)  # type: ignore[arg-type]  # by name

    def open_post(settings: EcuSettings, terms: Terms) -> Post:
        return Post(
            settings=settings,
            station=by_name[settings.name],
            terms=terms,
            memory=Memory(),
            shared=lambda: 0,
            close=lambda: None,
        )

    return Fleet(configuration, open_post)
