"""Many simulated ECUs in one process."""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime

import pytest

from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.simulator.fleet import FleetServer
from aps_exporter.simulator.settings import FAMILIES, SimulatorSettings

NOON = datetime(2026, 6, 21, 12, 30)  # noqa: DTZ001  # local, as the setting wants it
TABLE = "/index.php/realtimedata"


@contextmanager
def _fleet(count: int, **settings: object) -> Iterator[FleetServer]:
    defaults = {"start": NOON, "speed": 0.0}
    with FleetServer(SimulatorSettings(**(defaults | settings)), count) as fleet:  # type: ignore[arg-type]  # by name
        yield fleet


def _ask(host: str, path: str = TABLE, method: str = "GET") -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(host, timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()


@contextmanager
def _connect(host: str, request: bytes) -> Iterator[socket.socket]:
    address, _, port = host.partition(":")
    with socket.create_connection((address, int(port)), timeout=10) as connection:
        connection.sendall(request)
        yield connection


def _is_sent_away(host: str, request: bytes) -> bool:
    try:
        with _connect(host, request) as connection:
            return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("family", FAMILIES)
def test_each_ecu_shows_a_roof_under_its_own_names(family: str) -> None:
    """The pages are a gateway's but for ids, which are of twelve digits and each ECU's own."""
    paths = (
        ("/cgi-bin/parameters", "/cgi-bin/home") if family == "cgi" else (TABLE, "/index.php/home")
    )
    serials: set[str] = set()
    with _fleet(260, family=family) as fleet:
        for number in (0, 8, 259):
            table, home = (_ask(fleet.members[number].host, path)[1] for path in paths)
            shown, read = fleet.gateway(number).shown(), parse_table(table)
            mine = {inverter.serial for inverter in read.inverters}

            assert read.unreadable == ()
            assert [c.power_w for i in read.inverters for c in i.channels] == [
                c.power_w for i in shown.inverters for c in i.channels
            ]
            assert parse_home(home).power_w == shown.info.power_w
            assert (parse_home(home).ecu_id or "").endswith(f"{number:05d}")
            assert all(re.fullmatch(rf"\d{{4}}{number:05d}00\d", serial) for serial in mine)
            serials |= mine

    assert len(serials) == 15


def test_ecus_have_names_and_loopback_addresses() -> None:
    """Both are different for each, and the addresses are whole ones that a host may have."""
    with _fleet(1000) as fleet:
        members = fleet.members

    assert len({member.name for member in members}) == 1000
    assert members[0].host == f"127.1.0.1:{fleet.port}"
    assert members[999].host == f"127.1.3.250:{fleet.port}"


@pytest.mark.parametrize(
    ("path", "method"), [("/", "HEAD"), (TABLE, "POST"), ("/index.php/management", "GET")]
)
def test_everything_else_is_not_found(path: str, method: str) -> None:
    """Only GET of the pages is answered with one."""
    with _fleet(1) as fleet:
        assert _ask(fleet.members[0].host, path, method)[0] == 404


def test_nobody_is_at_other_addresses() -> None:
    """A connection to an address that is no ECU's is closed without a word."""
    with _fleet(1) as fleet:
        for address in ("127.0.0.1", "127.1.0.2", "127.1.0.251"):
            assert _is_sent_away(f"{address}:{fleet.port}", b"GET / HTTP/1.1\r\n\r\n")


def test_many_are_slow_at_the_same_time() -> None:
    """Forty ECUs that think for 0.3 seconds take little more than that together."""
    with _fleet(40, answer_delay_s=0.3) as fleet, ThreadPoolExecutor(40) as pool:
        begin = time.monotonic()
        pages = list(pool.map(_ask, [member.host for member in fleet.members]))
        took = time.monotonic() - begin

    assert {status for status, _ in pages} == {200}
    assert 0.3 <= took < 3
    assert fleet.requests == 40
    assert fleet.most_visitors > 10


def test_some_can_fall_silent() -> None:
    """They take the request and never answer; the others do, and closing waits for nobody."""
    with _fleet(2) as fleet:
        fleet.silent.add(0)
        with _connect(fleet.members[0].host, b"GET / HTTP/1.1\r\n\r\n") as connection:
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(1)

            assert _ask(fleet.members[1].host)[0] == 200


def test_a_request_may_come_in_pieces_or_leave() -> None:
    """Half a request waits for its other half; one without an end, or an end, is let go."""
    with _fleet(1, answer_delay_s=0.05) as fleet:
        host = fleet.members[0].host
        with _connect(host, b"GET / HT") as connection:
            connection.sendall(b"TP/1.1\r\n\r\n")
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")

            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        with _connect(host, b"GET / HTTP/1.1\r\n\r\n"):
            pass

        assert _is_sent_away(host, b"x" * 20_000)
        assert _ask(host)[0] == 200


def test_the_pages_follow_the_clock() -> None:
    """What was written for one sweep isn't shown in the next."""
    with _fleet(1) as fleet:
        gateway = fleet.gateway(0)
        before = fleet.answer(0, TABLE, 0.0)
        same = fleet.answer(0, TABLE, 0.9)
        gateway.clock.advance(300)
        after = fleet.answer(0, TABLE, 1.1)

    assert before == same
    assert after != before


@pytest.mark.parametrize(
    ("count", "settings", "said"),
    [
        (0, {}, "ecus: must be 1 to 50000"),
        (50_001, {}, "ecus: must be 1 to 50000"),
        (1, {"faults": ("drip",)}, "faults: there are none in a fleet"),
        (1, {"interface": "tcp"}, "interface: a fleet has pages alone"),
        (1, {"inverters": 1000}, "inverters: must be 1 to 999 in a fleet"),
    ],
)
def test_a_fleet_that_cant_be_says_so(count: int, settings: dict[str, object], said: str) -> None:
    """The problem is named with its field."""
    with pytest.raises(ValueError, match=f"^{said}$"), _fleet(count, **settings):
        pass


def test_a_taken_port_is_an_error() -> None:
    """It is another program's."""
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(OSError, match="in use"),
        _fleet(1, port=other.getsockname()[1]),
    ):
        pass
