"""Clients that are slow, silent or many, and the end of the server."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from aps_exporter.errors import ConfigError
from aps_exporter.web.connections import Limits, connection_limit
from aps_exporter.web.server import ServerThread, serve
from tests.web.conftest import TIMEOUT_S, Answer, Client, Ecu, Start

GET = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
SHORT_S = 0.15


@contextlib.contextmanager
def connect(client: Client) -> Iterator[socket.socket]:
    """Open a connection."""
    with socket.create_connection((client.host, client.port), timeout=TIMEOUT_S) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes the connection, politely or not."""
    chunks = []
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    return b"".join(chunks)


def ask(connection: socket.socket) -> bool:
    """Ask for the health on an open connection; say whether the answer came."""
    connection.sendall(GET)
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
        if answer.endswith(b"\r\n\r\naps-exporter is healthy.\n"):
            return True
    return False


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what is to come soon."""
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end
        os.sched_yield()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n",
        GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 100\r\n\r\nshort"),
        GET + b"GET /metr",
    ],
    ids=["nothing", "half a header", "half a body", "half a second request"],
)
def test_request_that_does_not_arrive_closes_the_connection(
    ecu: Ecu, start: Start, begun: bytes
) -> None:
    """Whoever begins a request has to end it in time."""
    client = start(ecu, limits=Limits(request_s=SHORT_S))
    with connect(client) as connection:
        connection.sendall(begun)
        began = time.monotonic()
        read_all(connection)

    assert SHORT_S * 0.5 < time.monotonic() - began < TIMEOUT_S / 2


def test_dripping_a_header_does_not_help(ecu: Ecu, start: Start) -> None:
    """The time counts from the first byte: more bytes don't win more time."""
    client = start(ecu, limits=Limits(request_s=SHORT_S))
    began = time.monotonic()
    with connect(client) as connection, contextlib.suppress(OSError):
        connection.settimeout(0.01)
        for byte in b"GET /-/healthy HTTP/1.1\r\n" + b"X: y\r\n" * 1000:
            connection.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1):
                    break

    assert time.monotonic() - began < TIMEOUT_S / 2


def test_connection_serves_many_requests(ecu: Ecu, start: Start) -> None:
    """A connection whose requests are whole lives longer than the limit for one request."""
    client = start(ecu, limits=Limits(request_s=SHORT_S))
    with connect(client) as connection:
        began = time.monotonic()
        answers = 0
        while time.monotonic() - began < 2 * SHORT_S:
            answers += ask(connection)

    assert answers > 2


def test_idle_connection_is_closed_in_the_end(ecu: Ecu, start: Start) -> None:
    """A connection that is not used again is closed."""
    client = start(ecu, limits=Limits(idle_s=0))
    with connect(client) as connection:
        connection.sendall(GET)

        assert read_all(connection).endswith(b"aps-exporter is healthy.\n")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70000 + b"\r\n\r\n",
        b"GET /" + b"y" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    ],
    ids=["nonsense", "no host", "HTTP/2", "TLS", "large header", "large URL", "no colon"],
)
def test_what_is_no_request_is_refused(client: Client, request_bytes: bytes) -> None:
    """What isn't HTTP, or is too long for it, is refused, and the connection closed."""
    with connect(client) as connection:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(request_bytes)
        answer = read_all(connection)

    assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert client.fetch("/-/healthy").status == 200


def test_server_names_itself(client: Client) -> None:
    """The answers tell who we are, not what we are made of."""
    headers = client.fetch("/-/healthy").headers

    assert headers.get_all("server") == [f"aps-exporter/{_version()}"]
    assert headers["x-content-type-options"] == "nosniff"


def _version() -> str:
    from aps_exporter import __version__  # noqa: PLC0415 one name for one test

    return __version__


def test_slow_reader_is_let_go() -> None:
    """A client that doesn't take its answer is closed, and the answer forgotten."""
    ended = threading.Event()

    async def flood(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        ended.set()

    with (
        ServerThread(flood, ["127.0.0.1:0"], Limits(send_s=SHORT_S)) as server,
        connect(Client(port=server.port)) as connection,
    ):
        connection.sendall(GET)

        assert ended.wait(TIMEOUT_S)
        assert len(read_all(connection)) < 64_000_000


def test_reader_that_takes_its_answer_gets_it_whole() -> None:
    """The limit for slow readers doesn't touch large answers."""

    async def flood(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 20_000_000})

    with ServerThread(flood, ["127.0.0.1:0"]) as server:
        assert len(Client(port=server.port).fetch("/").body) == 20_000_000


def test_oldest_idle_connection_makes_room(ecu: Ecu, start: Start) -> None:
    """With all connections in use, the one that was silent longest is closed for a new one."""
    client = start(ecu, limits=Limits(connections=3))
    with contextlib.ExitStack() as connections:
        first, second, third = (connections.enter_context(connect(client)) for _ in range(3))
        for connection in (first, second, third, first):
            assert ask(connection)
        newcomer = connections.enter_context(connect(client))

        assert ask(newcomer)
        assert read_all(second) == b""
        assert ask(first)
        assert ask(third)


def test_running_scrapes_are_not_closed_for_newcomers(start: Start, ecu: Ecu) -> None:
    """A connection that waits for its answer keeps its place."""
    polling, release = threading.Event(), threading.Event()

    def wait(deadline: object) -> object:
        polling.set()
        release.wait(TIMEOUT_S)
        return ecu.answer(deadline)  # type: ignore[arg-type]  # a Deadline, as it came

    client = start(Ecu(wait), limits=Limits(connections=1))  # type: ignore[arg-type]  # a Reading
    with connect(client) as scraper:
        scraper.sendall(GET.replace(b"/-/healthy", b"/metrics"))
        assert polling.wait(TIMEOUT_S)
        with connect(client) as newcomer:
            assert read_all(newcomer) == b""
        release.set()

        assert scraper.recv(65536).startswith(b"HTTP/1.1 200")


def test_serving_ends_with_a_signal_and_puts_the_handlers_back() -> None:
    """SIGINT, as ^C sends it, ends `serve` without an exception."""
    before = signal.getsignal(signal.SIGINT)
    urls: list[str] = []

    def interrupt(bound: list[str]) -> None:
        urls.extend(bound)
        os.kill(os.getpid(), signal.SIGINT)

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        """Answer nobody."""

    serve(app, ["127.0.0.1:0", "127.0.0.1:0"], ready=interrupt)

    assert len(set(urls)) == 2
    assert signal.getsignal(signal.SIGINT) is before


def test_port_in_use_is_an_error_before_anything_starts(client: Client) -> None:
    """Nothing is served where another program listens."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        """Answer nobody."""

    with pytest.raises(ConfigError, match="another program uses this port"):
        serve(app, [f"127.0.0.1:{client.port}"])


class Process:
    """`exporter_process.py`, running."""

    def __init__(self, *arguments: str) -> None:
        """Start it, and wait until it serves."""
        script = Path(__file__).with_name("exporter_process.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.client = Client(port=int(self.line().rpartition(":")[2]))
        self.answers: list[Answer] = []

    def line(self) -> str:
        """Read what it says next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def let_the_ecu_answer(self) -> None:
        """Answer one poll."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def begin_scrape(self) -> threading.Thread:
        """Scrape in a thread, and wait until the ECU is asked."""
        scraper = threading.Thread(
            target=lambda: self.answers.append(self.client.fetch("/metrics"))
        )
        scraper.start()
        assert self.line() == "polling"
        return scraper

    def refuses(self) -> bool:
        """Say whether nobody listens any more."""
        try:
            with socket.create_connection(("127.0.0.1", self.client.port), timeout=TIMEOUT_S):
                return False
        except OSError:
            return True

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; give exit code, and what was still said on both outputs."""
        out, err = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, out, err


@pytest.fixture
def process() -> Iterator[Callable[..., Process]]:
    """Start processes that end with the test."""
    with contextlib.ExitStack() as started:

        def start(*arguments: str) -> Process:
            process = Process(*arguments)
            started.enter_context(process.process)
            started.callback(process.process.kill)
            return process

        yield start


def test_sigterm_answers_the_running_scrape(process: Callable[..., Process]) -> None:
    """On SIGTERM nobody new is accepted, idle connections close, who waits is answered; exit 0."""
    exporter = process()
    with connect(exporter.client) as idle:
        scraper = exporter.begin_scrape()
        exporter.process.send_signal(signal.SIGTERM)

        assert read_all(idle) == b""
    wait_until(exporter.refuses)
    exporter.let_the_ecu_answer()
    scraper.join(TIMEOUT_S)

    assert [answer.sample("aps_power_watts") for answer in exporter.answers] == [120.0]
    assert exporter.end() == (0, "ended\n", "")


def test_sigterm_does_not_wait_for_ever(process: Callable[..., Process]) -> None:
    """An ECU that is slower than the limit doesn't keep us: the scrape is told so; exit 0."""
    exporter = process("stop_s=1")
    scraper = exporter.begin_scrape()
    exporter.process.send_signal(signal.SIGTERM)
    scraper.join(TIMEOUT_S)
    code, out, err = exporter.end()

    assert [(a.status, a.text) for a in exporter.answers] == [(503, "aps-exporter is stopping.\n")]
    assert (code, out) == (0, "ended\n")
    assert "Traceback" not in err


def test_second_interrupt_ends_at_once(process: Callable[..., Process]) -> None:
    """Who presses ^C twice doesn't want to wait for an ECU."""
    exporter = process("stop_s=60")
    with connect(exporter.client) as scraper:
        scraper.sendall(GET.replace(b"/-/healthy", b"/metrics"))
        assert exporter.line() == "polling"
        exporter.process.send_signal(signal.SIGINT)
        wait_until(exporter.refuses)
        exporter.process.send_signal(signal.SIGINT)

        assert exporter.end()[0] == 0


@pytest.mark.parametrize("files", [4096, 300, 128])
def test_idle_connections_never_stop_us(process: Callable[..., Process], files: int) -> None:
    """1,000 open idle connections stop neither scrapes nor health, even with few files to open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1500:
        if hard != resource.RLIM_INFINITY and hard < 1500:
            pytest.skip("the test itself may not open 1,000 connections")
        resource.setrlimit(resource.RLIMIT_NOFILE, (1500, hard))
    exporter = process(f"files={files}")
    with contextlib.ExitStack() as idle:
        connections = [idle.enter_context(connect(exporter.client)) for _ in range(1000)]
        health = exporter.client.fetch("/-/healthy").status
        exporter.let_the_ecu_answer()
        scrape = exporter.client.fetch("/metrics").sample("aps_power_watts")
        for connection in connections:
            connection.setblocking(False)  # noqa: FBT003 the standard library's way
        still_open = sum(_is_open(connection) for connection in connections)

    assert (health, scrape) == (200, 120.0)
    assert (still_open == 1000) == (files == 4096)
    assert "Traceback" not in _stopped(exporter)


def test_running_out_of_files_closes_idle_connections(process: Callable[..., Process]) -> None:
    """When the system refuses more files than we counted with, idle clients pay, not scrapes."""
    exporter = process("files=64", "connections=1000000")
    with contextlib.ExitStack() as idle:
        for _ in range(100):
            idle.enter_context(connect(exporter.client))
        exporter.let_the_ecu_answer()

        assert exporter.client.fetch("/metrics").sample("aps_power_watts") == 120.0
    assert "can't accept connections (Too many open files); closing idle ones" in _stopped(exporter)


def _is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def _stopped(exporter: Process) -> str:
    exporter.process.send_signal(signal.SIGTERM)
    code, _, err = exporter.end()

    assert code == 0
    return err


def test_file_limit_is_raised_as_far_as_allowed() -> None:
    """A low soft limit of open files is raised; the number of connections leaves files to us."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[0]), before[1]))
        connections = connection_limit()
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert soft == (min(4096, before[1]) if before[1] != resource.RLIM_INFINITY else 4096)
    assert 0 < connections < soft
