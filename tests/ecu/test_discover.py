"""Looking for ECUs among other things that listen; all on loopback."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.discover import Found, Knocker, addresses_of, local_networks, sweep
from aps_exporter.errors import ConfigError, EcuPageError
from aps_exporter.model import EcuInfo

HOME = b"""<table><tr><th>ECU ID</th><td>216200001234</td></tr>
<tr><th>Last System Power</th><td>355 W</td></tr><tr><th>Number of Inverters</th><td>2</td></tr>
<tr><th>Current Software Version</th><td>2.0.9</td></tr></table>"""
TABLE = (Path(__file__).parent / "pages" / "cgi.html").read_bytes()
OTHER_VENDOR = b"""<table><tr><td>Lifetime generation</td><td>4.2 MWh</td></tr>
<tr><td>Last connection to website</td><td>now</td></tr><tr><td>Database Size</td><td>3</td></tr>
<tr><td>Current Software Version</td><td>R3.9</td></tr></table>"""


class Site(http.server.BaseHTTPRequestHandler):
    """Serves a few pages, and writes down what it was asked."""

    pages: dict[str, bytes]
    asked: list[str]

    def do_GET(self) -> None:
        """Answer with the page, or with 404."""
        self.asked.append(f"{self.command} {self.path}")
        page = self.pages.get(self.path)
        self.send_response(404 if page is None else 200)
        self.end_headers()
        self.wfile.write(page or b"404 Page Not Found")

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


class Street:
    """Loopback addresses with the same port, behind each another site."""

    def __init__(self, houses: dict[str, dict[str, bytes]]) -> None:
        self.asked: dict[str, list[str]] = {}
        self.port = 0
        self._servers: list[http.server.ThreadingHTTPServer] = []
        for address, pages in houses.items():
            asked: list[str] = []
            self.asked[address] = asked
            handler = type("House", (Site,), {"pages": pages, "asked": asked})
            server = http.server.ThreadingHTTPServer((address, self.port), handler)
            self.port = server.server_port
            threading.Thread(target=partial(server.serve_forever, 0.05)).start()
            self._servers.append(server)

    def close(self) -> None:
        """Shut all doors."""
        for server in self._servers:
            server.shutdown()
            server.server_close()


@pytest.fixture(scope="module")
def street() -> Iterator[Street]:
    """Build a network with a php ECU, a cgi one without a home page, and other people's boxes."""
    with contextlib.closing(
        Street(
            {
                "127.7.0.1": {"/index.php/home": HOME},
                "127.7.0.2": {"/cgi-bin/parameters": TABLE},
                "127.7.0.3": {"/index.php/home": OTHER_VENDOR, "/cgi-bin/home": OTHER_VENDOR},
                "127.7.0.4": {},
            }
        )
    ) as built:
        yield built


def nobody(_address: str, _port: int, _deadline: Deadline) -> EcuInfo:
    """Be something else that listens."""
    raise EcuPageError("the answer is not an ECU's", "page_unrecognised")


def ecu_b(_address: str, _port: int, _deadline: Deadline) -> EcuInfo:
    """Greet as an ECU-B does, which has no pages."""
    return EcuInfo(ecu_id="216300004321", firmware="1.2.19", inverters=4)


def look_around(street: Street) -> dict[str, Found]:
    """Look at the whole street, where nothing listens on the TCP port."""
    knocker = Knocker(ask_tcp=nobody, web_port=street.port, tcp_port=9)
    found = sweep(addresses_of(["127.7.0.0/29"]), knocker.look)
    return {ecu.address: ecu for ecu in found if ecu is not None}


def test_ecus_are_found_by_their_pages(street: Street) -> None:
    """Each family of pages gives its ECU away, with the home page or without it."""
    found = look_around(street)

    assert {address: ecu.interfaces for address, ecu in found.items()} == {
        "127.7.0.1": ("php",),
        "127.7.0.2": ("cgi",),
    }


def test_a_find_is_one_line(street: Street) -> None:
    """A line says where it is, who it is, its firmware, how it can be read and how large it is."""
    line = str(look_around(street)["127.7.0.1"])

    assert line == "127.7.0.1  ECU 216200001234  firmware 2.0.9  interface php  2 inverters"


def test_other_vendors_boxes_are_left_alone(street: Street) -> None:
    """What shares some labels with an ECU isn't one, and gets no more than four requests."""
    look_around(street)

    assert set(street.asked["127.7.0.3"]) == {
        "GET /index.php/home",
        "GET /cgi-bin/home",
        "GET /index.php/realtimedata",
        "GET /cgi-bin/parameters",
    }


def test_an_ecu_without_pages_is_found_by_its_greeting(street: Street) -> None:
    """An ECU-B has nothing but the TCP interface."""
    knocker = Knocker(ask_tcp=ecu_b, web_port=9, tcp_port=street.port)

    found = knocker.look("127.7.0.4")

    assert found is not None
    assert (found.interfaces, found.ecu.ecu_id) == (("tcp",), "216300004321")


def test_both_interfaces_are_told(street: Street) -> None:
    """Where both answer, both are named."""
    knocker = Knocker(ask_tcp=ecu_b, web_port=street.port, tcp_port=street.port)

    found = knocker.look("127.7.0.1")

    assert found is not None
    assert found.interfaces == ("php", "tcp")


def test_what_listens_on_the_port_and_is_no_ecu_is_nothing(street: Street) -> None:
    """Loggers of other makes listen on 8899 too."""
    knocker = Knocker(ask_tcp=nobody, web_port=9, tcp_port=street.port)

    assert knocker.look("127.7.0.4") is None


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        ("192.168.1.0/33", "must be a network"),
        ("fe80::/64", "must be a network"),
        ("home", "must be a network"),
        ("8.8.8.0/24", "is not private"),
        ("0.0.0.0/0", "is not private"),
        ("172.32.0.0/24", "is not private"),
        ("169.254.0.0/24", "is not private"),
        ("10.0.0.0/8", "has 16777216 addresses"),
        ("192.168.0.0/21", "has 2048 addresses"),
    ],
)
def test_only_small_private_networks_are_searched(network: str, problem: str) -> None:
    """Other people's networks, and those that would take hours, are refused with the reason."""
    with pytest.raises(ConfigError, match=problem):
        addresses_of([network])


def test_all_networks_together_are_small() -> None:
    """The limit holds for the sum, in which an address that is named twice counts once."""
    four = [f"192.168.{n}.0/24" for n in range(4)]

    assert len(addresses_of([*four, *four, "192.168.0.0/22"])) == 1022
    with pytest.raises(ConfigError, match=r"--network 10\.0\.0\.0/24: makes 1270 addresses"):
        addresses_of([*four, "10.0.0.0/24"])


def test_hosts_are_asked_once_each() -> None:
    """A network's own address and its broadcast are nobody's; networks may overlap."""
    assert addresses_of(["192.168.1.7/30", "192.168.1.4/30"]) == ("192.168.1.5", "192.168.1.6")


ROUTES = """Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0101A8C0 0003 0 0 0 00000000 0 0 0
eth0 0001A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0
tun0 0000000A 00000000 0001 0 0 0 000000FF 0 0 0
wan0 00000008 00000000 0001 0 0 0 00FFFFFF 0 0 0
down 0002A8C0 00000000 0000 0 0 0 00FFFFFF 0 0 0
torn 0003A8C0
"""


def test_this_machines_networks_are_the_default(tmp_path: Path) -> None:
    """Connected private networks count, large ones only around our own address."""
    routes = tmp_path / "route"
    routes.write_text(ROUTES)

    networks = local_networks(routes)

    assert {"192.168.1.0/24", "10.0.0.0/24"} <= set(networks)
    assert not {"8.0.0.0/24", "192.168.2.0/24"} & set(networks)


def test_a_machine_in_many_networks_looks_in_the_first(tmp_path: Path) -> None:
    """Bridges of containers are networks too: what is looked through by itself stays small."""
    routes = tmp_path / "route"
    rows = "".join(f"br{n} 00{n:02X}A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n" for n in range(9))
    routes.write_text(ROUTES.partition("\n")[0] + "\n" + rows)

    networks = local_networks(routes)

    assert len(networks) == 4
    assert addresses_of(networks)
