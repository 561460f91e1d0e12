"""Names looked up once, checked, and connected to what was checked; all on loopback."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.addresses import Resolve, SocketAddress, connect, guarded, resolve
from aps_exporter.ecu.poller import Poller
from aps_exporter.ecu.web import make_fetch
from aps_exporter.ecu.web_interface import WebInterface
from aps_exporter.errors import EcuTimeoutError, EcuUnreachableError, TargetError
from aps_exporter.targets import TargetPolicy
from tests.ecu.loopback import OK, PAGE, Ecu, Talk, say

Serve = Callable[[Talk], Ecu]
METADATA = "169.254.169.254"


def at(ip: str, port: int = 80) -> SocketAddress:
    """Make the address that a resolver finds."""
    if ":" in ip:
        return SocketAddress(socket.AF_INET6, (ip, port, 0, 0))
    return SocketAddress(socket.AF_INET, (ip, port))


class NameServer:
    """Answers each question with the next answer, and the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.asked: list[str] = []
        self._answers = answers

    def __call__(self, host: str, port: int) -> Sequence[SocketAddress]:
        """Look a name up."""
        answer = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append(host)
        return [at(ip, port) for ip in answer]


def nobody(host: str, port: int) -> Sequence[SocketAddress]:
    """Fail, because nothing had to be looked up."""
    raise AssertionError(host, port)


def port_of(ecu: Ecu) -> int:
    """Give the port of a loopback server."""
    return int(ecu.url.split(":")[2].split("/")[0])


def strangers(ecu: Ecu, names: Resolve) -> Resolve:
    """Find targets as an exporter on loopback does that allows this server's port."""
    return guarded(TargetPolicy.of(allowed_ports=[port_of(ecu)], loopback=True), names)


@pytest.fixture
def closed_port() -> int:
    """Find a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("host", "family"), [("192.168.1.102", socket.AF_INET), ("fd00::102", socket.AF_INET6)]
)
def test_an_address_is_not_looked_up(host: str, family: int) -> None:
    """What is an address already is taken as it is, for an ECU of ours and for a stranger's."""
    for found in (resolve(host, 80, nobody), guarded(TargetPolicy.of(), nobody)(host, 80)):
        assert list(found) == [SocketAddress(family, (host, 80))]


@pytest.mark.parametrize("host", ["169.254.3.4", "8.8.8.8", "fe80::1", "127.0.0.1", "100.64.0.1"])
def test_an_address_of_the_configuration_is_good(host: str) -> None:
    """Who writes an address into the configuration knows why."""
    assert [str(address.ip) for address in resolve(host, 80, nobody)] == [host]


@pytest.mark.parametrize("ip", ["192.168.1.102", "127.0.0.1", "::1", "8.8.8.8", "fd00::1"])
def test_a_name_of_the_configuration_leads_where_ecus_can_be(ip: str) -> None:
    """An ECU of ours may be anywhere in the world."""
    assert [str(address.ip) for address in resolve("ecu.test", 80, NameServer([ip]))] == [ip]


@pytest.mark.parametrize(
    "answer",
    [
        *([METADATA], ["169.254.1.1"], ["fe80::1"], ["0.0.0.0"], ["224.0.0.1"], ["::"]),
        *(["::ffff:192.168.1.102"], ["192.168.1.102", METADATA], ["fd00:ec2::254", "fe80::1"]),
    ],
    ids="+".join,
)
def test_a_name_of_the_configuration_leads_nowhere_else(answer: Sequence[str]) -> None:
    """A name that somebody else controls can't send us to a metadata service."""
    with pytest.raises(
        EcuUnreachableError, match=r"^the ECU's name leads to [0-9a-f.:]+, which is"
    ):
        resolve("ecu.test", 80, NameServer(answer))


def test_a_link_local_address_beside_the_real_one_is_passed_over() -> None:
    """Machines announce both, and one can't connect to the other without its zone."""
    found = resolve("ecu.local", 80, NameServer(["fe80::1", "192.168.1.102"]))

    assert [str(address.ip) for address in found] == ["192.168.1.102"]


def test_a_name_is_looked_up_for_real() -> None:
    """The system's resolver knows this machine, and says so when there is no such name."""
    assert {str(address.ip) for address in resolve("localhost", 80)} <= {"127.0.0.1", "::1"}
    with pytest.raises(EcuUnreachableError, match="the ECU's name does not resolve"):
        resolve("a..b", 80)


@pytest.mark.parametrize(
    "answer",
    [
        *(
            [METADATA],
            ["127.0.0.1"],
            ["::1"],
            ["8.8.8.8"],
            ["fe80::1"],
            ["0.0.0.0"],
            ["100.64.0.1"],
        ),
        *(["::ffff:192.168.1.102"], ["64:ff9b::c0a8:166"], ["224.0.0.251"], ["fd00:ec2::254"]),
        *(["192.168.1.102", METADATA], ["192.168.1.102", "8.8.8.8"], ["fe80::1", "192.168.1.102"]),
        *(["fd00::102", "::1"], ["192.168.1.102", "192.168.1.103", "::ffff:127.0.0.1"]),
    ],
    ids="+".join,
)
def test_one_address_that_is_not_allowed_refuses_a_strangers_name(answer: Sequence[str]) -> None:
    """A name must lead to allowed addresses and to nothing else."""
    with pytest.raises(TargetError) as caught:
        guarded(TargetPolicy.of(), NameServer(answer))("evil.example", 80)

    assert caught.value.http_status == 403


@pytest.mark.parametrize("host", [METADATA, "127.0.0.1", "::1", "8.8.8.8", "fd00:ec2::254"])
def test_a_strangers_address_is_checked(host: str) -> None:
    """Not only the route that parsed the target looks at it."""
    with pytest.raises(TargetError):
        guarded(TargetPolicy.of(), nobody)(host, 80)


def test_a_strangers_port_is_checked() -> None:
    """Nothing is looked up for a port that isn't allowed."""
    with pytest.raises(TargetError, match="its port isn't"):
        guarded(TargetPolicy.of(), nobody)("ecu.example", 22)


def test_a_name_that_can_not_be_allowed_is_not_looked_up() -> None:
    """Where only names are allowed, others give name servers nothing to do."""
    with pytest.raises(TargetError, match="allowed_targets lacks it"):
        guarded(TargetPolicy.of(["*.solar.example"]), nobody)("evil.example", 80)


def test_the_address_that_was_checked_is_connected_to(serve: Serve) -> None:
    """A name that leads elsewhere the second time never gets us there."""
    ecu = serve(say(OK, b"\r\n", PAGE))
    names = NameServer(["127.0.0.1"], [METADATA])
    fetch = make_fetch(strangers(ecu, names))
    url = f"http://rebind.example:{port_of(ecu)}/page?x=1"

    assert fetch(url, Deadline.after(5)) == PAGE
    assert names.asked == ["rebind.example"]
    with pytest.raises(TargetError):
        fetch(url, Deadline.after(5))
    assert len(ecu.requests) == 1


def test_the_request_still_calls_the_ecu_by_its_name(serve: Serve) -> None:
    """The Host header says what the URL says."""
    ecu = serve(say(OK, b"\r\n", PAGE))
    url = f"http://ECU.example:{port_of(ecu)}/page?x=1"
    make_fetch(strangers(ecu, NameServer(["127.0.0.1"])))(url, Deadline.after(5))
    lines = ecu.requests[0].decode().split("\r\n")

    assert lines[0] == "GET /page?x=1 HTTP/1.1"
    assert f"Host: ecu.example:{port_of(ecu)}" in lines


def test_a_connection_that_breaks_is_not_made_again(serve: Serve) -> None:
    """No second connection, whose address nobody checked, takes the place of the first."""
    ecu = serve(lambda *_: None)
    names = NameServer(["127.0.0.1"])
    with pytest.raises(EcuUnreachableError):
        make_fetch(strangers(ecu, names))(f"http://ecu.example:{port_of(ecu)}/", Deadline.after(5))

    assert len(names.asked) == len(ecu.requests) == 1


def test_a_redirect_to_a_metadata_service_is_not_followed(serve: Serve) -> None:
    """An ECU of a stranger's can't send us anywhere."""
    ecu = serve(say(f"HTTP/1.1 302 Found\r\nLocation: http://{METADATA}/\r\n\r\n".encode()))
    names = NameServer(["127.0.0.1"])
    with pytest.raises(Exception, match="answers with status 302"):
        make_fetch(strangers(ecu, names))(f"http://ecu.example:{port_of(ecu)}/", Deadline.after(5))

    assert names.asked == ["ecu.example"]


def test_a_refused_target_sees_no_connection(serve: Serve) -> None:
    """An exporter that others can reach doesn't even open a connection to itself."""
    ecu = serve(say(OK, b"\r\n", PAGE))
    fetch = make_fetch(guarded(TargetPolicy.of(allowed_ports=[port_of(ecu)]), nobody))
    with pytest.raises(TargetError):
        fetch(ecu.url, Deadline.after(5))

    assert ecu.requests == []


def test_the_refusal_reaches_the_reader_of_a_poll(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """A name that turns bad between two pages ends the poll, and is no failure of an ECU."""
    caplog.set_level(logging.DEBUG, "aps_exporter")
    ecu = serve(say(OK, b"\r\n", PAGE))
    names = NameServer(["127.0.0.1"], [METADATA])
    web = WebInterface(
        base_url=f"http://evil.example:{port_of(ecu)}",
        now=lambda: datetime.now(UTC),
        fetch=make_fetch(strangers(ecu, names)),
    )
    poller = Poller(name="evil.example", interface=web)
    with pytest.raises(TargetError) as caught:
        poller.read(Deadline.after(5))

    assert caught.value.http_status == 403
    assert len(ecu.requests) == 1
    assert caplog.messages == []


def test_the_next_address_is_tried_when_one_refuses(serve: Serve) -> None:
    """A name with an address that is out of date still finds its ECU."""
    ecu = serve(say(OK, b"\r\n", PAGE))
    names = NameServer(["127.9.9.9", "127.0.0.1"])
    fetch = make_fetch(strangers(ecu, names))

    assert fetch(f"http://ecu.example:{port_of(ecu)}/", Deadline.after(5)) == PAGE


def test_an_address_that_hangs_leaves_time_for_the_next(
    serve: Serve, full: tuple[str, int]
) -> None:
    """Of two addresses the first gets half the time and no more."""
    ecu = serve(say(OK, b"\r\n", PAGE))
    began = time.monotonic()
    with connect((at(*full), at("127.0.0.1", port_of(ecu))), Deadline.after(0.6)) as sock:
        assert sock.getpeername()[1] == port_of(ecu)
    assert 0.2 < time.monotonic() - began < 0.6


def test_the_last_failure_is_told(full: tuple[str, int], closed_port: int) -> None:
    """When nobody answers, the error is that of the address that was tried last."""
    with pytest.raises(ConnectionRefusedError):
        connect((at(*full), at("127.0.0.1", closed_port)), Deadline.after(0.2))
    with pytest.raises(TimeoutError):
        connect((at("127.0.0.1", closed_port), at(*full)), Deadline.after(0.2))


def test_a_deadline_that_passed_while_looking_up_is_a_timeout(serve: Serve) -> None:
    """A slow name server leaves no time, and then nobody is connected to."""
    ecu = serve(say(OK, b"\r\n", PAGE))
    with pytest.raises(EcuTimeoutError):
        make_fetch(strangers(ecu, NameServer(["127.0.0.1"])))(
            f"http://ecu.example:{port_of(ecu)}/", Deadline.after(0)
        )

    assert ecu.requests == []


def test_a_machine_without_ipv6_tries_the_ipv4_address(serve: Serve) -> None:
    """An address of a kind that this machine doesn't have is one that can't be reached."""
    ecu = serve(say(OK, b"\r\n", PAGE))
    unknown = SocketAddress(socket.AF_UNSPEC, ("fd00::102", 80, 0, 0))
    with connect((unknown, at("127.0.0.1", port_of(ecu))), Deadline.after(5)) as sock:
        assert sock.getpeername()[1] == port_of(ecu)


def test_what_the_system_says_of_an_address_is_told() -> None:
    """An error without a meaning of its own is handed on in the system's words."""
    unknown = SocketAddress(socket.AF_UNSPEC, ("fd00::102", 80, 0, 0))
    fetch = make_fetch(lambda _host, _port: [unknown])
    with pytest.raises(EcuUnreachableError, match="can't be reached: Address family not supported"):
        fetch("http://ecu.example/", Deadline.after(5))
