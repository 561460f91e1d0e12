"""The fire drill: simulated ECU, our exporter, a real Prometheus, a real Alertmanager, a phone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

import yaml

from aps_exporter.simulator.drills import DRILLS, Place, by_day, steps
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings
from tests.e2e.conftest import Exporter, Program, ask
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
EXPECTED = {(name, DRILLS[name].alert) for name in DRILLED}
"""A roof for each drill: its name, which is the instance, and the alert."""

_Running = TypeVar("_Running", bound=Program)


class Phone:
    """What rings: a webhook that remembers which alerts fire and which have resolved."""

    def __init__(self) -> None:
        """Take no call yet; `url` is where to call."""
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                phone.called(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
                """Say nothing."""

        self._news = threading.Condition()
        self._states: dict[tuple[str, str], str] = {}
        self.summaries: dict[tuple[str, str], str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        """Wait for calls."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def called(self, message: dict[str, list[dict[str, dict[str, str]]]]) -> None:
        """Note what a call says."""
        with self._news:
            for alert in message["alerts"]:
                key = (alert["labels"]["instance"], alert["labels"]["alertname"])
                self._states[key] = str(alert["status"])
                self.summaries[key] = alert["annotations"]["summary"]
            self._news.notify_all()

    def heard(self) -> set[tuple[str, str]]:
        """Name who has rung at all: instance and alert."""
        with self._news:
            return set(self._states)

    def without(self, state: str) -> set[tuple[str, str]]:
        """Wait until the last word on all drills is `state`; return those on which it never was."""

        def others() -> set[tuple[str, str]]:
            return {key for key in EXPECTED if self._states.get(key) != state}

        with self._news:
            self._news.wait_for(lambda: not others(), PATIENCE_S)
            return others()


@contextmanager
def running(program: _Running) -> Iterator[_Running]:
    """Have a program end with the block."""
    try:
        yield program
    finally:
        program.end()


def address(program: Program) -> str:
    """Wait until a program of Prometheus's family listens, and say where."""
    return program.wait_for(r"address=(127\.0\.0\.1:[1-9]\d*)")[1]


def exporter(roof: Simulator, folder: Path, place: Place) -> Exporter:
    """Start an exporter that knows where its roof stands, and reads it on each scrape."""
    folder.mkdir()
    config = folder / "config.json"
    there = {"latitude": place.latitude, "longitude": place.longitude}
    config.write_text(json.dumps({"host": roof.host, "max_age": 0, **there}))
    return Exporter(roof.host, folder, "--config", str(config))


def alertmanager(program: str, folder: Path, phone: str) -> Program:
    """Start an Alertmanager with our example's inhibitions, which calls at once for everything."""
    example = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())
    route = {
        "receiver": "phone",
        "group_by": ["..."],
        "group_wait": "1s",
        "group_interval": "1s",
    }
    config = folder / "alertmanager.yml"
    config.write_text(
        json.dumps(
            {
                "route": route,
                "inhibit_rules": example["inhibit_rules"],
                "receivers": [{"name": "phone", "webhook_configs": [{"url": phone}]}],
            }
        )
    )
    return Program(
        program,
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    )


def prometheus(program: str, folder: Path, targets: dict[str, str], manager: str) -> Program:
    """Start a Prometheus with our rules at `SPEED`; targets are instance → address."""
    rules = folder / "rules"
    rules.mkdir()
    for file in (PROMETHEUS / "rules").glob("*.yaml"):
        (rules / file.name).write_text(sped_up(file, SPEED))
    scrapes = [
        {"targets": [target], "labels": {"instance": name}} for name, target in targets.items()
    ]
    config = folder / "prometheus.yml"
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                "rule_files": ["rules/*.yaml"],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
                "scrape_configs": [{"job_name": "aps", "static_configs": scrapes}],
            }
        )
    )
    return Program(
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        "--web.listen-address=127.0.0.1:0",
        "--query.lookback-delta=5s",
        "--rules.alert.resend-delay=1s",
    )


def sees_the_day(server: str) -> None:
    """Wait until Prometheus has seen each roof produce for longer than a window of the rules."""
    query = quote("count(instance:aps_siblings_produce:bool offset 20s == 1)")
    end = time.monotonic() + PATIENCE_S
    seen = "none"
    while seen != str(len(DRILLED)):
        assert time.monotonic() < end, f"of {len(DRILLED)} roofs, it has seen {seen} produce"
        time.sleep(0.2)  # until it has looked for long enough
        answer = ask(f"http://{server}/api/v1/query?query={query}")
        if answer.status == 200:
            seen = next((e["value"][1] for e in json.loads(answer.text)["data"]["result"]), "none")


def test_every_drilled_fault_rings_and_resolves(
    require: Callable[[str], str], tmp_path: Path
) -> None:
    """Each fault rings its own alert and no other, and that resolves when the fault is over."""
    programs = {name: require(name) for name in ("prometheus", "prometheus-alertmanager")}
    with ExitStack() as stack:
        phone = stack.enter_context(Phone())
        place = by_day(datetime.now(UTC))
        roofs, targets = {}, {}
        for name in DRILLED:
            settings = SimulatorSettings(
                timezone=place.timezone, latitude=place.latitude, longitude=place.longitude
            )
            roofs[name] = stack.enter_context(Simulator(settings))
            folder = tmp_path / name
            scraped = stack.enter_context(running(exporter(roofs[name], folder, place)))
            targets[name] = scraped.address
        manager = stack.enter_context(
            running(alertmanager(programs["prometheus-alertmanager"], tmp_path, phone.url))
        )
        server = stack.enter_context(
            running(prometheus(programs["prometheus"], tmp_path, targets, address(manager)))
        )
        sees_the_day(address(server))

        faults = {name: steps(DRILLS[name], roof.panel_groups())[0] for name, roof in roofs.items()}
        for name, roof in roofs.items():
            roof.switch_on(faults[name].fault)

        assert phone.without("firing") == set()

        for name, roof in roofs.items():
            roof.switch_off(faults[name].fault)

        assert phone.without("resolved") == set()
        assert phone.heard() == EXPECTED
        assert phone.summaries["inverter-missing", "ApsInverterMissing"] == (
            "inverter-missing: inverter 801000090005 is missing"
        )
