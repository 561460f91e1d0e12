"""A simulated ECU on loopback, read by page and over TCP by the real program's parts."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from aps_exporter.assembly import make_poller
from aps_exporter.config import Settings
from aps_exporter.deadline import Deadline
from aps_exporter.ecu.interfaces import EcuInterface, WebThenTcp
from aps_exporter.ecu.poller import Poller
from aps_exporter.ecu.tcp import dial
from aps_exporter.ecu.tcp_client import TcpClient
from aps_exporter.ecu.tcp_interface import TcpInterface
from aps_exporter.ecu.web_interface import WebInterface
from aps_exporter.errors import EcuError
from aps_exporter.model import Reading
from aps_exporter.pvoutput.client import Client
from aps_exporter.pvoutput.one_shot import send_once
from aps_exporter.pvoutput.policy import Account, Policy
from aps_exporter.pvoutput.site import Site
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings
from aps_exporter.summary import Roster
from tests.pvoutput.fake_pvoutput import KEY, SYSTEM_ID, Clock, FakePVOutput

NOON = datetime.fromisoformat("2026-06-21 12:00:00")
BRISBANE_NOON = datetime.fromisoformat("2026-03-01 12:00:00")
ZONE = "Europe/Amsterdam"


@dataclass
class Roof:
    """A simulated ECU whose clock we move, and with it that of what reads it."""

    ecu: Simulator
    elapsed_s: float = 0.0
    dialled: int = 0

    def wait(self, seconds: float) -> None:
        """Let time pass on both sides."""
        self.ecu.clock.advance(seconds)
        self.elapsed_s += seconds

    def monotonic(self) -> float:
        """Give the reader's clock."""
        return self.elapsed_s

    def connect(self, deadline: Deadline) -> socket.socket:
        """Connect to the TCP port, and count it."""
        self.dialled += 1
        return dial("127.0.0.1", self.ecu.tcp_port or 1)(deadline)

    def poller(self, interface: str = "auto", every_s: float = 60.0) -> Poller:
        """Make a poller that lives by this clock."""
        now = self.ecu.clock.now
        web = WebInterface(base_url=self.ecu.url, now=now)
        tcp = TcpInterface(
            source="tcp://ecu.test:8899",
            client=TcpClient(
                connect=self.connect, every_s=every_s, now=now, monotonic=self.monotonic
            ),
        )
        both = WebThenTcp(web=web, tcp=tcp, monotonic=self.monotonic)
        interfaces: dict[str, EcuInterface] = {"auto": both, "web": web, "tcp": tcp}
        return Poller(
            name="ecu.test",
            interface=interfaces[interface],
            max_age_s=0,
            now=now,
            monotonic=self.monotonic,
        )


MakeRoof = Callable[..., Roof]


@pytest.fixture
def make_roof() -> Iterator[MakeRoof]:
    """Make a function that starts simulated ECUs with both interfaces, at a summer's noon."""
    with ExitStack() as started:

        def start(**settings: object) -> Roof:
            chosen: dict[str, object] = {
                "family": "php-dc",
                "interface": "both",
                "inverters": 3,
                "speed": 0.0,
                "start": NOON,
                "timezone": ZONE,
                **settings,
            }
            simulator = Simulator(SimulatorSettings(**chosen))  # type: ignore[arg-type]  # by name
            return Roof(ecu=started.enter_context(simulator))

        yield start


def read(poller: Poller) -> Reading:
    """Read with patience."""
    return poller.read(Deadline.after(10))


def attempt(poller: Poller) -> Reading | EcuError:
    """Read, or give the error."""
    try:
        return read(poller)
    except EcuError as error:
        return error


def panels(reading: Reading) -> dict[str, float | None]:
    """Give the watts of each panel."""
    return {c.id: c.power_w for i in reading.inverters for c in i.channels}


@pytest.mark.parametrize("status", ["200", "404"])
@pytest.mark.parametrize("family", ["php-dc", "php-3phase"])
def test_an_ecu_whose_pages_vanish_is_followed_to_tcp_and_back(
    make_roof: MakeRoof, family: str, status: str
) -> None:
    """A day of polls each five minutes, pages gone for some hours of it: not one poll is lost.

    Panels keep their ids, what is produced goes on, and energy never falls.
    """
    roof = make_roof(family=family)
    poller = roof.poller()
    readings = []
    for sweep in range(72):
        if sweep == 24:
            roof.ecu.switch_on(f"page-gone={status}")
        if sweep == 48:
            roof.ecu.switch_off("page-gone")
        readings.append(read(poller))
        roof.wait(300)
    used = [reading.interface for reading in readings]
    lifetime = [r.ecu.energy_lifetime_wh for r in readings if r.ecu]
    back = used.index("php", 24)

    assert used == ["php"] * 24 + ["tcp"] * (back - 24) + ["php"] * (72 - back)
    assert 48 <= back <= 54
    assert all(all(power is not None for power in panels(r).values()) for r in readings)
    assert {tuple(panels(reading)) for reading in readings} == {tuple(panels(readings[0]))}
    assert None not in lifetime
    assert lifetime == sorted(lifetime, key=lambda wh: wh or 0)
    assert not any(readings[-1].glitches.values())
    assert poller.interfaces_up() == {"web": True, "tcp": True}


def test_an_ecu_that_loses_everything_is_found_by_what_returns_first(make_roof: MakeRoof) -> None:
    """Pages gone, then TCP too: the poll after the pages' return is answered by them."""
    roof = make_roof()
    poller = roof.poller()
    read(poller)
    roof.ecu.switch_on("page-gone")
    assert read(poller).interface == "tcp"
    roof.ecu.switch_on("tcp-refuse")
    roof.wait(61)
    assert isinstance(attempt(poller), EcuError)
    assert poller.interfaces_up() == {"web": False, "tcp": False}
    roof.ecu.switch_off("page-gone")

    assert read(poller).interface == "php"


@pytest.mark.parametrize("kind", ["ds3", "ds3d", "yc600", "qs1", "yc1000", "qt2"])
def test_both_interfaces_tell_the_same(make_roof: MakeRoof, kind: str) -> None:
    """One sweep, read by page and over TCP: the same inverters, but for what either lacks."""
    roof = make_roof(family="php-3phase" if kind in ("yc1000", "qt2") else "php-dc", kinds=(kind,))
    by_page, over_tcp = read(roof.poller("web")), read(roof.poller("tcp"))

    assert panels(over_tcp) == panels(by_page)
    for page, tcp in zip(by_page.inverters, over_tcp.inverters, strict=True):
        assert tcp.grid_frequency_hz == page.grid_frequency_hz
        assert tcp.temperature_c == page.temperature_c
        assert tcp.reported_at == page.reported_at
        assert sorted(v.voltage_v for v in tcp.grid_voltages) == sorted(
            v.voltage_v for v in page.grid_voltages
        )
        assert tcp.signal_ratio is not None
    assert by_page.ecu
    assert over_tcp.ecu
    assert over_tcp.ecu.power_w == by_page.ecu.power_w
    assert over_tcp.ecu.energy_today_wh == pytest.approx(by_page.ecu.energy_today_wh, abs=10)
    assert over_tcp.ecu.energy_lifetime_wh == pytest.approx(by_page.ecu.energy_lifetime_wh, abs=100)
    assert over_tcp.timezone == by_page.timezone == ZONE


def test_pvoutput_gets_the_same_over_either_interface(make_roof: MakeRoof) -> None:
    """A status made of what came over TCP is that of the page, energy of the day included."""
    roof = make_roof(
        timezone="Australia/Brisbane", start=BRISBANE_NOON, latitude=-27.5, longitude=153
    )
    now = roof.ecu.clock.now()
    policy = Policy(energy="daily")
    sent = []
    for interface in ("web", "tcp"):
        with FakePVOutput(clock=Clock(now=now)) as fake:
            account = Account(base_url=fake.url, system_id=SYSTEM_ID, api_key=SecretStr(KEY))
            summary = Roster().summarize(read(roof.poller(interface)))
            site = Site(policy, {}, ZoneInfo("UTC"))
            assert send_once(summary, Client(account), policy, site) == "OK 200: Added Status"
            sent.append(fake.requests[0].fields)
    by_page, over_tcp = sent

    assert over_tcp == by_page
    assert by_page.keys() >= {"d", "t", "v1", "v2", "v5", "v6"}


def settings(roof: Roof, interface: str) -> Settings:
    """Make the settings of a user with this ECU."""
    given = {"host": roof.ecu.host, "tcp_port": roof.ecu.tcp_port, "interface": interface}
    return Settings.model_validate({**given, "max_age": 0})


@pytest.mark.parametrize("interface", ["auto", "tcp"])
def test_an_ecu_without_pages_is_read_over_tcp(make_roof: MakeRoof, interface: str) -> None:
    """An ECU-R has nothing but its TCP port, and that is enough."""
    roof = make_roof(interface="tcp")
    reading = read(make_poller(settings(roof, interface), roof.ecu.clock.now))

    assert reading.interface == "tcp"
    assert reading.source == f"tcp://127.0.0.1:{roof.ecu.tcp_port}"
    assert len(reading.inverters) == 3
    assert all(inverter.online for inverter in reading.inverters)
    assert reading.ecu
    assert reading.ecu.ecu_id


def test_interface_tcp_never_asks_for_a_page(make_roof: MakeRoof) -> None:
    """With `interface: tcp` port 80 is not touched, nor any command sent that isn't for reading."""
    roof = make_roof()
    poller = make_poller(settings(roof, "tcp"), roof.ecu.clock.now)
    read(poller)
    roof.ecu.switch_on("tcp-refuse")
    attempt(make_poller(settings(roof, "tcp"), roof.ecu.clock.now))

    assert roof.ecu.visits == ()
    assert len(roof.ecu.tcp_visits) == 3
    assert roof.ecu.forbidden_commands == ()


@pytest.mark.parametrize("interface", ["web", "auto"])
def test_a_working_page_never_leads_to_tcp(make_roof: MakeRoof, interface: str) -> None:
    """With `interface: web`, or as long as the pages work, port 8899 is not touched."""
    roof = make_roof()
    poller = make_poller(settings(roof, interface), roof.ecu.clock.now)
    read(poller)
    read(poller)
    if interface == "web":
        roof.ecu.switch_on("page-gone")
        assert isinstance(attempt(poller), EcuError)

    assert roof.ecu.tcp_visits == ()
    assert roof.ecu.most_tcp_connections == 0


def test_the_nights_maintenance_is_no_alarm(
    make_roof: MakeRoof, caplog: pytest.LogCaptureFixture
) -> None:
    """From 02:45 to 03:15 the port is closed: nobody is warned, and it is back soon after."""
    caplog.set_level(logging.INFO)
    roof = make_roof(start=datetime.fromisoformat("2026-06-21 20:00:00"))
    poller = roof.poller("tcp")
    read(poller)
    roof.wait(6 * 3600)
    lost = []
    for minute in range(2 * 60, 4 * 60):
        if minute == 2 * 60 + 45:
            roof.ecu.switch_on("tcp-refuse")
        if minute == 3 * 60 + 15:
            roof.ecu.switch_off("tcp-refuse")
        if isinstance(attempt(poller), EcuError):
            lost.append(minute)
        roof.wait(60)
    gone = [record for record in caplog.records if "is gone" in record.getMessage()]

    assert 2 * 60 + 45 <= lost[0] <= 2 * 60 + 46
    assert 3 * 60 + 14 <= lost[-1] <= 3 * 60 + 16
    assert [record.levelname for record in gone] == ["INFO"]


def test_a_port_that_refuses_is_left_alone(make_roof: MakeRoof) -> None:
    """Two hours of polls each ten seconds knock at a closed port a dozen times, not 720."""
    roof = make_roof(interface="tcp")
    poller = roof.poller("tcp")
    read(poller)
    roof.ecu.switch_on("tcp-refuse")
    roof.wait(60)
    roof.dialled = 0
    for _ in range(720):
        error = attempt(poller)
        assert isinstance(error, EcuError)
        assert error.status == "unreachable"
        roof.wait(10)
    knocks = roof.dialled
    roof.ecu.switch_off("tcp-refuse")
    roof.wait(900)

    assert 8 <= knocks <= 16
    assert read(poller).interface == "tcp"


@pytest.mark.parametrize("interface", ["web", "tcp"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("lifetime-zero", "lifetime_zero"),
        ("today-falls=0.5", "today_drop"),
        ("temperature-zeroed=801000090001", "temperature"),
        ("impossible-volts=801000090001", "voltage"),
    ],
)
def test_glitches_are_held_back_over_either_interface(
    make_roof: MakeRoof, interface: str, fault: str, kind: str
) -> None:
    """What firmware invents is absent and counted, whichever way it comes."""
    roof = make_roof()
    poller = roof.poller(interface)
    read(poller)
    roof.ecu.switch_on(fault)
    roof.wait(300)
    reading = read(poller)
    assert reading.ecu
    first = reading.inverters[0]
    held = {
        "lifetime_zero": reading.ecu.energy_lifetime_wh,
        "today_drop": reading.ecu.energy_today_wh,
        "temperature": first.temperature_c,
        "voltage": first.grid_voltages or None,
    }

    assert {name for name, value in held.items() if value is None} == {kind}
    assert {name: count for name, count in reading.glitches.items() if count} == {kind: 1}


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"APS1100990001" + b"\xff" * 200,
        b"APS119999000" + b"1" * 20_000,
        b"APS1100150001" + b"00",
        b"APS11-0150001END\n",
        b"APS1100130001END",
        bytes(range(256)) * 40,
    ],
    ids=lambda junk: repr(junk[:16]),
)
def test_whatever_answers_at_the_port_is_told_from_an_ecu(junk: bytes) -> None:
    """Another program's bytes at the TCP port are an error that says so, and hang nothing."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(100)
                connection.sendall(junk)

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    given = {"host": "127.0.0.1:9", "interface": "tcp", "tcp_port": port, "timeout": 1}
    try:
        error = attempt(make_poller(Settings.model_validate(given)))
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)

    assert isinstance(error, EcuError)
    assert str(error).isprintable()
    assert len(str(error)) < 300
