"""The simulated ECU over real sockets."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime
from urllib.parse import urlencode, urlsplit

import pytest

from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings

NOON = datetime(2026, 6, 21, 12, 30)  # noqa: DTZ001  # local, as the setting wants it
TABLE = "/index.php/realtimedata"


@contextmanager
def _simulator(**settings: object) -> Iterator[Simulator]:
    defaults = {"start": NOON, "speed": 0.0}
    with Simulator(SimulatorSettings(**(defaults | settings))) as simulator:  # type: ignore[arg-type]  # by name
        yield simulator


def _ask(
    url: str, method: str = "GET", body: str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Ask for a page; status, headers and body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    with closing(connection):
        connection.request(method, parts.path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


@contextmanager
def _connect(simulator: Simulator, request: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=10) as connection:
        connection.sendall(request.encode())
        yield connection


def _read_all(connection: socket.socket) -> bytes:
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


def _until(simulator: Simulator, visits: int) -> None:
    """Wait for requests to have come in, at most ten seconds."""
    end = time.monotonic() + 10
    while len(simulator.visits) < visits:
        assert time.monotonic() < end
        threading.Event().wait(0.005)


def test_pages_come_over_http() -> None:
    """Table, home page and curve are served with the headers of the PHP generation."""
    with _simulator() as ecu:
        status, headers, table = _ask(ecu.url + TABLE)
        _, _, home = _ask(f"{ecu.url}/index.php/home?x=1")
        _, kind, curve = _ask(f"{ecu.url}/index.php/realtimedata/old_power_graph")
        shown = ecu.shown()

    assert status == 200
    assert headers["Content-type"] == kind["Content-type"] == "text/html"
    assert headers["Content-Length"] == str(len(table))
    assert headers["Connection"] == "close"
    assert parse_home(home).power_w == shown.info.power_w
    assert json.loads(curve)["power"][-1]["each_system_power"] == shown.info.power_w
    assert [each.serial for each in parse_table(table).inverters] == [
        each.serial for each in shown.inverters
    ]


def test_the_cgi_generation_sends_no_length() -> None:
    """A CGI answer ends where the connection ends."""
    with _simulator(family="cgi") as ecu:
        status, headers, page = _ask(f"{ecu.url}/cgi-bin/parameters")

    assert status == 200
    assert "Content-Length" not in headers
    assert len(parse_table(page).inverters) == 5


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/index.php/home"), ("HEAD", TABLE)],
)
def test_known_paths_answer(method: str, path: str) -> None:
    """GET and HEAD are answered; HEAD without a body."""
    with _simulator() as ecu:
        status, _, body = _ask(ecu.url + path, method)

    assert status == 200
    assert bool(body) == (method == "GET")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/cgi-bin/parameters"),
        ("GET", "/index.php/management"),
        ("POST", "/index.php/management/set_language"),
        ("POST", TABLE),
        ("DELETE", "/"),
    ],
)
def test_everything_else_is_the_frameworks_404(method: str, path: str) -> None:
    """Unknown paths and methods that would change something are not found."""
    with _simulator() as ecu:
        status, _, body = _ask(
            ecu.url + path, method, "language=chinese" if method == "POST" else None
        )

    assert status == 404
    assert b"404 Page Not Found" in body


def test_expect_is_refused() -> None:
    """The old lighttpd answers 417 to any Expect header."""
    with _simulator() as ecu:
        status, _, _ = _ask(ecu.url + TABLE, headers={"Expect": "100-continue"})

    assert status == 417


@pytest.mark.parametrize(
    "request_text",
    [
        "nonsense\r\n\r\n",
        "GET / HTTP/1.1 and more\r\n\r\n",
        "GET / SMTP/1.0\r\n\r\n",
        f"GET / HTTP/1.1\r\nX: {'y' * 40_000}\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 999999\r\n\r\n",
    ],
    ids=["one word", "four words", "no http", "long", "negative", "big body"],
)
def test_no_request_is_a_bad_request(request_text: str) -> None:
    """What is no request gets 400 and the server lives on."""
    with _simulator() as ecu, _connect(ecu, request_text) as connection:
        status_line = connection.recv(100)

        assert status_line.startswith(b"HTTP/1.1 400 ")
        assert _ask(f"{ecu.url}/")[0] == 200


def test_clients_that_leave_are_forgotten() -> None:
    """A connection closed without a word or in the middle of one harms nobody."""
    with _simulator() as ecu:
        for beginning in ("", "GET / HT"):
            with _connect(ecu, beginning):
                pass

        assert _ask(f"{ecu.url}/")[0] == 200


def test_requests_are_remembered() -> None:
    """Each request for a page is kept with method, path and headers; the control page's are not."""
    with _simulator() as ecu:
        _ask(ecu.url + TABLE, headers={"User-Agent": "test"})
        _ask(f"{ecu.url}/x", "HEAD")
        _ask(ecu.control_url)
        visits = ecu.visits

    assert [(visit.method, visit.path) for visit in visits] == [("GET", TABLE), ("HEAD", "/x")]
    assert visits[0].headers["user-agent"] == "test"
    assert visits[0].at <= visits[1].at


def test_two_requests_are_worked_on_at_a_time() -> None:
    """With two workers, three requests take twice the delay; all three were in flight."""
    with _simulator(answer_delay_s=0.2) as ecu, ThreadPoolExecutor(3) as pool:
        begin = time.monotonic()
        pages = list(pool.map(_ask, [ecu.url + TABLE] * 3))
        took = time.monotonic() - begin

    assert [status for status, _, _ in pages] == [200] * 3
    assert took >= 0.4
    assert ecu.most_in_flight == 3


def test_a_refusing_ecu_refuses_and_comes_back_on_its_port() -> None:
    """Connections are refused while the control page answers; then the port is the same."""
    with _simulator() as ecu:
        ecu.switch_on("refuse")
        with pytest.raises(ConnectionRefusedError):
            _ask(f"{ecu.url}/")
        status, _, _ = _ask(ecu.control_url)
        ecu.switch_on("refuse")
        ecu.switch_off("refuse")

        assert status == 200
        assert _ask(f"{ecu.url}/")[0] == 200


def test_refusing_can_be_a_fault_from_the_start() -> None:
    """An ECU that refuses from the start holds its port all the same."""
    with _simulator(faults=("refuse",)) as ecu:
        with pytest.raises(ConnectionRefusedError):
            _ask(f"{ecu.url}/")
        with pytest.raises(OSError, match="in use"), _simulator(port=ecu.port, control_port=None):
            pass
        ecu.switch_off("refuse")

        assert _ask(f"{ecu.url}/")[0] == 200


def test_reset_resets() -> None:
    """The request is read, and the connection reset in place of an answer."""
    with _simulator(faults=("reset",)) as ecu:
        with pytest.raises(ConnectionResetError):
            _ask(f"{ecu.url}/")

        assert len(ecu.visits) == 1


def test_hanging_requests_are_never_answered() -> None:
    """Nothing comes back, and closing the simulator doesn't wait for that."""
    with (
        _simulator(faults=("hang",)) as ecu,
        _connect(ecu, "GET / HTTP/1.1\r\n\r\n") as connection,
    ):
        _until(ecu, 1)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_dripping_answers_come_byte_by_byte() -> None:
    """A second after the first byte there is no second one; a quick drip tells the page whole."""
    with _simulator(faults=("drip=30",)) as ecu:
        with _connect(ecu, f"GET {TABLE} HTTP/1.1\r\n\r\n") as connection:
            first = connection.recv(100)
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        ecu.switch_on("drip=0")
        _, _, page = _ask(ecu.url + TABLE)

    assert first == b"H"
    assert len(parse_table(page).inverters) == 5


def test_slow_answers_come_later() -> None:
    """The fault adds to each answer's delay."""
    with _simulator(faults=("slow=0.3",)) as ecu:
        begin = time.monotonic()
        _ask(f"{ecu.url}/")

        assert time.monotonic() - begin >= 0.3


def test_bare_lf_headers() -> None:
    """HTTP/1.0, lines ended by LF, no length; a common client survives that."""
    with _simulator(faults=("lf-headers",)) as ecu:
        with _connect(ecu, f"GET {TABLE} HTTP/1.0\r\n\r\n") as connection:
            head, _, page = _read_all(connection).partition(b"\n\n")
        status, headers, body = _ask(ecu.url + TABLE)

    assert head.startswith(b"HTTP/1.0 200 OK\nContent-type: text/html\n")
    assert b"\r" not in head
    assert b"Content-Length" not in head
    assert (status, body) == (200, page)
    assert "Content-Length" not in headers


@pytest.mark.parametrize("status", [200, 404])
def test_gone_pages_say_404_with_either_status(status: int) -> None:
    """A firmware without pages has its framework's error page at every path."""
    with _simulator(faults=(f"page-gone={status}",)) as ecu:
        answers = [_ask(ecu.url + path) for path in ("/", TABLE, "/cgi-bin/home")]

    assert [answer[0] for answer in answers] == [status] * 3
    assert all(b"<h1>404 Page Not Found</h1>" in answer[2] for answer in answers)


def test_a_page_is_cut_where_it_was_asked_for() -> None:
    """The page ends after that share of its bytes, with no length that would tell."""
    with _simulator() as ecu:
        _, _, whole = _ask(ecu.url + TABLE)
        ecu.switch_on("page-cut=0.25")
        _, headers, cut = _ask(ecu.url + TABLE)

    assert cut == whole[: len(whole) // 4]
    assert "Content-Length" not in headers


def test_the_state_tells_the_truth() -> None:
    """What the roof does and what the pages show are told apart."""
    with _simulator(faults=("inverter-silent=801000090001",)) as ecu:
        _, headers, body = _ask(f"{ecu.control_url}/state")
        state = json.loads(body)

        assert state == json.loads(json.dumps(ecu.state()))
    assert headers["Content-Type"] == "application/json"
    assert state["faults"] == ["inverter-silent=801000090001"]
    assert state["wall"] == "2026-06-21T12:30:00"
    assert state["plant"]["inverters"][0]["online"]
    assert not state["shown"]["inverters"][0]["online"]
    assert state["shown"]["inverters_online"] == 4


def test_a_person_can_click() -> None:
    """The forms of the control page switch faults on and off, and move the clock."""
    with _simulator() as ecu:
        control = ecu.control_url
        for form in (
            {"fault": "over-voltage", "argument": "", "on": "1"},
            {"fault": "hang"},
            {"fault": "hot-inverter", "argument": "801000090003", "on": "1"},
            {"fault": "hang", "on": "0"},
        ):
            status, headers, _ = _ask(f"{control}/faults", "POST", urlencode(form))
            assert (status, headers["Location"]) == (303, "/simulator")
        _ask(f"{control}/clock", "POST", urlencode({"at": "2026-06-21T15:00", "speed": ""}))
        _, _, page = _ask(control)
        _ask(f"{control}/clock", "POST", urlencode({"at": "", "speed": "60"}))
        state = ecu.state()

    html = page.decode()

    assert state["faults"] == ["over-voltage=A", "hot-inverter=801000090003"]
    assert state["speed"] == 60.0
    assert "2026-06-21 15:00:00 (Europe/Amsterdam), 0 times real time" in html
    assert 'value="hot-inverter=801000090003"><button name="on" value="0">' in html
    assert html.count('<tr class="on">') == 2
    assert "<td>801000090001-1</td><td>east</td>" in html


def test_faults_of_the_control_page_reach_the_port() -> None:
    """Refusing can be switched on at the ECU's own port and off at the control port."""
    with _simulator() as ecu:
        _ask(f"{ecu.url}/simulator/faults", "POST", "fault=refuse")
        with pytest.raises(ConnectionRefusedError):
            _ask(f"{ecu.url}/")
        _ask(f"{ecu.control_url}/faults", "POST", "fault=refuse&on=0")

        assert _ask(f"{ecu.url}/")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "/faults", "fault=meteor", 400, "'meteor' is not a fault"),
        ("POST", "/faults", "fault=inverter-silent=801000000000", 400, "there is no such"),
        ("POST", "/clock", "at=noon", 400, "noon"),
        ("POST", "/clock", "speed=-1", 400, "speed: must be 0 (stopped) or more"),
        ("POST", "/clock", "speed=inf", 400, "speed: must be 0 (stopped) or more"),
        ("POST", "/state", "", 405, "only GET here"),
        ("GET", "/nowhere", None, 404, "there are /simulator and /simulator/state"),
    ],
)
def test_the_control_page_says_what_is_wrong(
    method: str, path: str, body: str | None, status: int, said: str
) -> None:
    """A form that can't be obeyed changes nothing and says why."""
    with _simulator() as ecu:
        before = ecu.state()
        answer = _ask(ecu.control_url + path, method, body)

        assert ecu.state() == before
    assert answer[0] == status
    assert said in answer[2].decode()


def test_without_a_control_port_the_page_is_on_the_ecus() -> None:
    """Many simulated ECUs need no port each for control."""
    with _simulator(control_port=None) as ecu:
        assert ecu.control_url == f"{ecu.url}/simulator"
        assert _ask(ecu.control_url)[0] == 200


def test_ipv6_addresses_are_written_with_brackets() -> None:
    """The loopback's IPv6 address serves, and its URLs are right."""
    with _simulator(host="::1") as ecu:
        assert ecu.host == f"[::1]:{ecu.port}"
        assert ecu.control_url.startswith("http://[::1]:")
        assert _ask(ecu.url + TABLE)[0] == 200


@pytest.mark.parametrize("which", ["port", "control_port"])
def test_a_port_in_use_is_an_error(which: str) -> None:
    """The error of the system comes through, and nothing is left open."""
    with (
        _simulator() as ecu,
        pytest.raises(OSError, match="in use"),
        _simulator(**{which: ecu.port}),
    ):
        pass


def test_a_simulator_that_isnt_running_says_so() -> None:
    """Switching a fault needs a running simulator."""
    with pytest.raises(RuntimeError, match="isn't running"):
        Simulator(SimulatorSettings()).switch_on("hang")


def test_panels_lie_on_sides_of_the_roof() -> None:
    """Panel ids are known with their group, for a configuration that names them."""
    with _simulator(inverters=3) as ecu:
        groups = ecu.panel_groups()

    assert len(groups) == 12
    assert groups["801000090002-4"] == "south"


def test_stopping_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Connections that are open, idle or amid an answer, end without a word in the log."""
    with _simulator(faults=("drip=30",)) as ecu:
        idle = socket.create_connection(("127.0.0.1", ecu.port), timeout=10)
        amid = socket.create_connection(("127.0.0.1", ecu.port), timeout=10)
        amid.sendall(b"GET / HTTP/1.1\r\n\r\n")
        _until(ecu, 1)

    with idle, amid:
        assert caplog.records == []


def test_sigterm_ends_a_blocking_run() -> None:
    """`run` says when it is ready, serves, and returns on SIGTERM with open connections."""
    script = (
        "from aps_exporter.simulator.server import Simulator\n"
        "from aps_exporter.simulator.settings import SimulatorSettings\n"
        "ecu = Simulator(SimulatorSettings(faults=('hang',)))\n"
        "ecu.run(lambda: print(ecu.port, flush=True))\n"
        "print('bye')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=10)

    assert (process.returncode, rest) == (0, "bye\n")
