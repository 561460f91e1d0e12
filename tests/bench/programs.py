"""The programs that are measured, as processes of their own, and a client that costs little."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "PATIENCE_S",
    "Client",
    "Exporter",
    "Process",
    "free_port",
    "get",
    "start_blackbox",
    "start_ecu",
    "start_exporter",
    "start_fleet_ecus",
    "start_program",
]

PATIENCE_S = 30.0
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    # Without its byte code no program starts fast, and coverage isn't what a user runs.
    if not name.startswith(("APS_EXPORTER_", "COVERAGE_")) and name != "PYTHONDONTWRITEBYTECODE"
}


class Client:
    """A connection that is kept, to ask for the same thing again and again."""

    def __init__(self, port: int, path: str = "/metrics") -> None:
        """Connect."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()

    def ask(self) -> bytes:
        """Give the body of one answer."""
        self._socket.sendall(self._request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._receive()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = re.search(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
        if length is None:
            return self._chunked(body)
        while len(body) < int(length[1]):
            body += self._receive()
        return body

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()

    def _chunked(self, body: bytes) -> bytes:
        """Receive to the last chunk; what marks the chunks stays in the body."""
        while not body.endswith(b"\r\n0\r\n\r\n"):
            body += self._receive()
        return body

    def _receive(self) -> bytes:
        received = self._socket.recv(1 << 18)
        assert received, "the connection was closed"
        return received


def get(port: int, path: str) -> bytes:
    """GET a page from a server that closes the connection, as an ECU does."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        chunks = []
        while chunk := connection.recv(1 << 18):
            chunks.append(chunk)
    answer = b"".join(chunks)
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:80]
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A program that runs."""

    pid: int

    @property
    def running(self) -> bool:
        """Say whether it hasn't ended."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"

    @property
    def resident_mib(self) -> float:
        """The memory that it has now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024

    @property
    def threads(self) -> int:
        """How many threads it has now."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    @property
    def cpu_s(self) -> float:
        """The processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter(Process):
    """An exporter that has answered a first scrape."""

    port: int
    started_s: float
    """From the start of the process to that answer."""


@contextlib.contextmanager
def start_program(program: str, *options: str, log: Path) -> Iterator[Process]:
    """Run a program that writes its log to a file; `aps-exporter` is ours."""
    ours = [sys.executable, "-m", "aps_exporter"]
    command = [*(ours if program == "aps-exporter" else [program]), *options]
    with log.open("w") as stderr, _process(command, stderr=stderr.fileno()) as process:
        yield Process(pid=process.pid)


@contextlib.contextmanager
def start_fleet_ecus(panels: int, delay_s: float, sweep_s: float) -> Iterator[tuple[Process, int]]:
    """Run `fleet_ecus`; give the process and the port of all its ECUs."""
    options = [str(number) for number in (panels, delay_s, sweep_s)]
    command = [sys.executable, "-m", "tests.bench.fleet_ecus", *options]
    with _process(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield Process(pid=process.pid), int(process.stdout.readline())


@contextlib.contextmanager
def start_ecu(family: str, panels: int, sweeps: int) -> Iterator[int]:
    """Run `static_ecu`; give its port."""
    command = [sys.executable, "-m", "tests.bench.static_ecu", family, str(panels), str(sweeps)]
    with _process(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


@contextlib.contextmanager
def start_exporter(ecu_port: int, *options: str) -> Iterator[Exporter]:
    """Run `aps-exporter serve`, and time how long it takes to a first good scrape."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        listen = ("--listen", f"127.0.0.1:{port}", "--log-level", "error", "--state-dir", folder)
        host = ("--host", f"127.0.0.1:{ecu_port}")
        command = [sys.executable, "-m", "aps_exporter", "serve", *host, *listen, *options]
        started = time.perf_counter()
        with _process(command) as process:
            client = _connect(port, process)
            body = client.ask()
            started_s = time.perf_counter() - started
            client.close()
            assert b"\naps_up 1.0\n" in body
            yield Exporter(pid=process.pid, port=port, started_s=started_s)


@contextlib.contextmanager
def start_blackbox(program: str) -> Iterator[int]:
    """Run Debian's blackbox_exporter with its plain HTTP probe; give its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "blackbox.yml"
        config.write_text("modules: {http_2xx: {prober: http}}\n")
        command = [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
        with _process(command, stderr=subprocess.DEVNULL) as process:
            _connect(port, process).close()
            yield port


@contextlib.contextmanager
def _process(
    command: list[str], *, stdout: int | None = None, stderr: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command, stdout=stdout, stderr=stderr, text=True, env=_ENVIRONMENT
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            finally:
                process.kill()


def free_port() -> int:
    """Find a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _connect(port: int, process: subprocess.Popen[str]) -> Client:
    """Connect as soon as somebody listens."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return Client(port)
        except ConnectionRefusedError:
            assert process.poll() is None, "it ended instead of listening"
            assert time.monotonic() < end
            time.sleep(0.001)
