"""The whole way: a simulated ECU, the real program before it, a real Prometheus before that."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings

PATIENCE_S = 30.0
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("APS_EXPORTER_")
}
UNTRACED = {
    name: value for name, value in ENVIRONMENT.items() if not name.startswith("COVERAGE_PROCESS")
}
"""Without coverage, which keeps something for every thread that ever was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered to one GET."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    def sample(self, series: str) -> float | None:
        """Give a sample's value, by all that stands before it on its line."""
        found = re.search(rf"^{re.escape(series)} (\S+)$", self.text, re.MULTILINE)
        return float(found[1]) if found else None

    def samples(self, name: str) -> dict[str, float]:
        """Give the samples of a metric, by their labels as they stand there."""
        found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", self.text, re.MULTILINE)
        return {labels: float(value) for labels, value in found}

    @property
    def ecu_status(self) -> list[str]:
        """Name the statuses that are 1."""
        statuses = self.samples("aps_ecu_status")
        return [labels.split('"')[1] for labels, value in statuses.items() if value]


def ask(url: str, headers: dict[str, str] | None = None) -> Answer:
    """GET a URL on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request("GET", target, headers=headers or {})
        answer = connection.getresponse()
        return Answer(
            status=answer.status, headers=answer.headers, text=answer.read().decode("utf-8")
        )


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes are about to do."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class Program:
    """A program that runs beside the test, and what it has logged so far."""

    def __init__(self, *command: str, env: dict[str, str] = ENVIRONMENT) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._told_to_end = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def log(self) -> list[str]:
        """Give the lines so far."""
        with self._changed:
            return list(self._lines)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait for a line; fails with the log when the program ends without it."""

        def found() -> re.Match[str] | None:
            return next((m for line in self._lines if (m := re.search(pattern, line))), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._ended, PATIENCE_S)
            match = found()
            assert match, "\n".join(self._lines)
            return match

    def terminate(self) -> None:
        """Ask it to end, once."""
        if not self._told_to_end:
            self._told_to_end = True
            self._process.terminate()

    def end(self) -> int:
        """Have it end, and give its exit code."""
        self.terminate()
        try:
            return self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Exporter(Program):
    """`aps-exporter serve`, of one ECU."""

    def __init__(
        self, host: str, state_dir: Path, *options: str, env: dict[str, str] = ENVIRONMENT
    ) -> None:
        """Start it, and wait until it serves."""
        where = ("--host", host, "--listen", "127.0.0.1:0", "--state-dir", str(state_dir))
        super().__init__(sys.executable, "-m", "aps_exporter", "serve", *where, *options, env=env)
        try:
            self.url = self.wait_for(r"listening on (http://\S+)")[1]
        except BaseException:
            # Whatever it was, the process must not outlive it.
            self.end()
            raise

    @property
    def address(self) -> str:
        """Host and port, as Prometheus's configuration takes them."""
        return self.url.removeprefix("http://")

    def scrape(self, **headers: str) -> Answer:
        """Ask for the metrics; headers by name, with ``_`` for ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(f"{self.url}/metrics", named)

    def messages(self) -> list[str]:
        """Give the log without its times."""
        return [line.split(" ", 2)[2] for line in self.log()]


Serve = Callable[..., Exporter]
Simulate = Callable[..., Simulator]


def at_hour(hour: int) -> dict[str, object]:
    """Put a roof on the equator, in the zone where it is this hour of the day right now.

    Its clock is right, so that the exporter, which has none but the real one, can judge it.
    """
    offset = (hour - datetime.now(UTC).hour + 12) % 24 - 12
    return {"timezone": f"Etc/GMT{-offset:+d}", "longitude": 15.0 * offset, "latitude": 0.0}


@contextlib.contextmanager
def fault(ecu: Simulator, text: str) -> Iterator[None]:
    """Have a fault on for a while."""
    ecu.switch_on(text)
    try:
        yield
    finally:
        ecu.switch_off(text)


@pytest.fixture(scope="session")
def simulate() -> Iterator[Simulate]:
    """Make a function that starts simulated ECUs, at noon on a stopped clock if not said otherwise.

    They end with the session: who uses one leaves it without faults.
    """
    with contextlib.ExitStack() as started:

        def start(*, hour: int = 12, **settings: object) -> Simulator:
            chosen: dict[str, object] = {"inverters": 3, "speed": 0.0, **at_hour(hour), **settings}
            simulator = Simulator(SimulatorSettings(**chosen))  # type: ignore[arg-type]  # by name
            return started.enter_context(simulator)

        yield start


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Make a function that starts exporters; all of them have to end well."""
    running: list[Exporter] = []

    def start(ecu: Simulator, *options: str, env: dict[str, str] = ENVIRONMENT) -> Exporter:
        folder = tmp_path_factory.mktemp("state")
        running.append(Exporter(ecu.host, folder, "--max-age", "0", *options, env=env))
        return running[-1]

    yield start
    for exporter in running:
        exporter.terminate()
    codes = [exporter.end() for exporter in running]
    logs = "\n".join(line for exporter in running for line in exporter.log())

    assert not any(codes), logs
    assert "Traceback" not in logs
