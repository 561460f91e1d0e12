"""The fire drill: simulated ECU, our exporter, a real Prometheus, a real Alertmanager, a phone."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from aps_exporter.simulator.drills import DRILLS, by_day, steps
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings
from tests.e2e.sped_up import sped_up

PROMETHEUS = Path(__file__).parents[2] / "prometheus"
SPEED = 60
PATIENCE_S = 70.0
DRILLED = (
    "inverter-missing",
    "panel-dead",
    "ecu-unreachable",
    "page-gone",
    "over-voltage",
    "hot-inverter",
)


class Phone:
    """What rings: a webhook that remembers which alerts fire and which have resolved."""

    def __init__(self) -> None:
        """Take no call yet; `url` is where to call."""
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                phone.called(json.loads(body)["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name it has
                """Say nothing."""

        self._news = threading.Condition()
        self._states: dict[tuple[str, str], list[str]] = {}
        self.summaries: dict[tuple[str, str], str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Phone:
        """Wait for calls."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def called(self, alerts: list[dict[str, dict[str, str] | str]]) -> None:
        """Note what a call says."""
        with self._news:
            for alert in alerts:
                labels, notes = alert["labels"], alert["annotations"]
                assert isinstance(labels, dict)
                assert isinstance(notes, dict)
                key = (labels["instance"], labels["alertname"])
                self._states.setdefault(key, []).append(str(alert["status"]))
                self.summaries[key] = notes["summary"]
            self._news.notify_all()

    def heard(self) -> set[tuple[str, str]]:
        """Name who has rung at all: instance and alert."""
        with self._news:
            return set(self._states)

    def waits_for(self, state: str, keys: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Wait until the last word on each is `state`; return those on which it is not."""

        def missing() -> set[tuple[str, str]]:
            return {key for key in keys if self._states.get(key, [""])[-1] != state}

        with self._news:
            self._news.wait_for(lambda: not missing(), PATIENCE_S)
            return missing()


def free_port() -> int:
    """Find a port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str, program: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a program answers; fail with its log if it has ended or doesn't in time."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and program.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)  # until its port is open
    pytest.fail(f"{program.args!r} doesn't answer:\n{log.read_text()}")


@contextmanager
def running(log: Path, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program to the end of the block."""
    with log.open("wb") as output:
        program = subprocess.Popen([*map(str, command)], stdout=output, stderr=output)
        try:
            yield program
        finally:
            program.terminate()
            try:
                program.wait(15)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


def prometheus_config(targets: dict[str, str], alertmanager: str) -> str:
    """Scrape each exporter once a second, under its drill's name."""
    return json.dumps(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "rule_files": ["rules/*.yaml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
            "scrape_configs": [
                {
                    "job_name": "aps",
                    "static_configs": [
                        {"targets": [target], "labels": {"instance": name}}
                        for name, target in targets.items()
                    ],
                }
            ],
        }
    )


def alertmanager_config(phone: str) -> str:
    """Take our example's inhibitions, and call the phone at once for everything."""
    config = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())
    return json.dumps(
        {
            "route": {
                "receiver": "phone",
                "group_by": ["..."],
                "group_wait": "1s",
                "group_interval": "1s",
            },
            "inhibit_rules": config["inhibit_rules"],
            "receivers": [{"name": "phone", "webhook_configs": [{"url": phone}]}],
        }
    )


def test_every_drilled_fault_rings_and_resolves(
    require: Callable[[str], str], tmp_path: Path
) -> None:
    """Each fault rings its own alert and no other, and resolves when it is over."""
    programs = [require(name) for name in ("aps-exporter", "prometheus", "prometheus-alertmanager")]
    exporter, prometheus, alertmanager = programs
    place = by_day(datetime.now(UTC))
    with ExitStack() as stack:
        phone = stack.enter_context(Phone())
        roofs, targets = {}, {}
        for name in DRILLED:
            settings = SimulatorSettings(
                timezone=place.timezone, latitude=place.latitude, longitude=place.longitude
            )
            roofs[name] = stack.enter_context(Simulator(settings))
            targets[name] = f"127.0.0.1:{free_port()}"
            config = tmp_path / f"{name}.json"
            config.write_text(
                json.dumps(
                    {
                        "host": roofs[name].host,
                        "max_age": 0,
                        "latitude": place.latitude,
                        "longitude": place.longitude,
                        "state_dir": str(tmp_path / name),
                    }
                )
            )
            log = tmp_path / f"{name}.log"
            command = (exporter, "serve", "--config", config, "--listen", targets[name])
            program = stack.enter_context(running(log, *command))
            wait_for(f"http://{targets[name]}/-/ready", program, log)

        rules = tmp_path / "rules"
        rules.mkdir()
        for file in (PROMETHEUS / "rules").glob("*.yaml"):
            (rules / file.name).write_text(sped_up(file, SPEED))
        manager = f"127.0.0.1:{free_port()}"
        (tmp_path / "alertmanager.yml").write_text(alertmanager_config(phone.url))
        (tmp_path / "prometheus.yml").write_text(prometheus_config(targets, manager))
        log = tmp_path / "alertmanager.log"
        command = (
            alertmanager,
            f"--config.file={tmp_path}/alertmanager.yml",
            f"--storage.path={tmp_path}/alertmanager",
            f"--web.listen-address={manager}",
            "--cluster.listen-address=",
        )
        wait_for(f"http://{manager}/-/ready", stack.enter_context(running(log, *command)), log)
        log = tmp_path / "prometheus.log"
        server = f"127.0.0.1:{free_port()}"
        command = (
            prometheus,
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/prometheus",
            f"--web.listen-address={server}",
            "--query.lookback-delta=5s",
            "--rules.alert.resend-delay=1s",
        )
        wait_for(f"http://{server}/-/ready", stack.enter_context(running(log, *command)), log)
        sees_the_day(server)

        faults = {name: steps(DRILLS[name], roof.panel_groups())[0] for name, roof in roofs.items()}
        for name, roof in roofs.items():
            roof.switch_on(faults[name].fault)
        expected = {(name, DRILLS[name].alert) for name in DRILLED}
        silent = phone.waits_for("firing", expected)

        assert not silent, f"did not ring; rang: {phone.heard()}"

        for name, roof in roofs.items():
            roof.switch_off(faults[name].fault)
        unresolved = phone.waits_for("resolved", expected)

        assert not unresolved
        assert phone.heard() == expected
        assert phone.summaries["inverter-missing", "ApsInverterMissing"] == (
            "inverter-missing: inverter 801000090005 is missing"
        )


def sees_the_day(server: str) -> None:
    """Wait until Prometheus has seen each roof produce for a window of the rules."""
    query = "count(instance:aps_siblings_produce:bool offset 20s == 1)"
    deadline = time.monotonic() + PATIENCE_S
    seen = "nothing"
    while time.monotonic() < deadline:
        url = f"http://{server}/api/v1/query?query={urllib.request.quote(query)}"
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  our own
            result = json.load(answer)["data"]["result"]
        seen = result[0]["value"][1] if result else "nothing"
        if seen == str(len(DRILLED)):
            return
        time.sleep(0.5)  # until it has looked for long enough
    pytest.fail(f"of {len(DRILLED)} roofs, Prometheus sees {seen} produce")
