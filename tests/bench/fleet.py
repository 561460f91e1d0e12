"""Measure a fleet: ``python -m tests.bench.fleet --ecus 2000`` in the project's folder.

One exporter and one real Prometheus, which finds the ECUs at ``/sd`` and scrapes all of them; the
ECUs have loopback addresses of their own and think about each page.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.bench.fleet_ecus import ecu_address
from tests.bench.programs import (
    PATIENCE_S,
    Process,
    free_port,
    start_fleet_ecus,
    start_program,
)
from tests.bench.report import Row, at_most, note, table

PANELS = 20
PROMETHEUS = """
global: {{scrape_interval: {interval}s, scrape_timeout: {timeout}s}}
scrape_configs:
  - job_name: ecus
    http_sd_configs: [{{url: "http://{exporter}/sd", refresh_interval: 1h}}]
"""


def measure_fleet(*, ecus: int, interval_s: int, delay_s: float, minutes: float) -> Iterator[Row]:
    """Run everything for a while, and say how it went.

    The ECUs have news at every fifth scrape, as they do at one scrape a minute.
    """
    program = shutil.which("prometheus")
    assert program, "needs the program prometheus"
    with (
        tempfile.TemporaryDirectory() as name,
        start_fleet_ecus(PANELS, delay_s, 5 * interval_s) as (simulator, ecu_port),
    ):
        folder = Path(name)
        exporter_port, prometheus_port = free_port(), free_port()
        exporter_address = f"127.0.0.1:{exporter_port}"
        config = _exporter_config(folder, ecus, ecu_port, delay_s)
        prometheus_config = folder / "prometheus.yml"
        prometheus_config.write_text(
            PROMETHEUS.format(
                interval=interval_s, timeout=min(interval_s, 10), exporter=exporter_address
            )
        )
        began = time.monotonic()
        with start_program(
            "aps-exporter",
            "serve",
            "--config",
            str(config),
            "--listen",
            exporter_address,
            "--state-dir",
            str(folder / "state"),
            "--log-level",
            "error",
            log=folder / "exporter.log",
        ) as exporter:
            _wait(f"http://{exporter_address}/-/ready", exporter, folder / "exporter.log")
            yield note(f"{ecus} ECUs: start to ready", time.monotonic() - began, " s")
            yield note("resident memory before the first scrape", exporter.resident_mib, " MiB")
            with start_program(
                program,
                f"--config.file={prometheus_config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{prometheus_port}",
                "--log.level=error",
                log=folder / "prometheus.log",
            ) as prometheus:
                url = f"http://127.0.0.1:{prometheus_port}"
                _wait(f"{url}/-/ready", prometheus, folder / "prometheus.log")
                time.sleep(interval_s * 1.5)  # all targets found, and each scraped once
                processes = {"exporter": exporter, "Prometheus": prometheus, "ECUs": simulator}
                before = {who: each.cpu_s for who, each in processes.items()}
                started = time.monotonic()
                time.sleep(minutes * 60)
                elapsed_s = time.monotonic() - started
                window = f"{int(elapsed_s)}s"
                yield from _outcome(url, ecus, window)
                for who, each in processes.items():
                    share = 100 * (each.cpu_s - before[who]) / elapsed_s
                    yield note(f"processor time of the {who}", share, " % of a core")
                scrapes = ecus * elapsed_s / interval_s
                cost_ms = 1000 * (exporter.cpu_s - before["exporter"]) / scrapes
                yield note("the exporter's processor time per scrape", cost_ms, " ms")
                yield note("the exporter's threads", exporter.threads, "")
                yield note("the exporter's resident memory", exporter.resident_mib, " MiB")
                yield note("Prometheus's resident memory", prometheus.resident_mib, " MiB")


def _exporter_config(folder: Path, ecus: int, ecu_port: int, delay_s: float) -> Path:
    file = folder / "config.json"
    file.write_text(
        json.dumps(
            {
                "timeout": max(5.0, 4 * delay_s),
                "ecus": [
                    {
                        "name": f"roof-{number}",
                        "host": f"{ecu_address(number)}:{ecu_port}",
                        "labels": {"customer": f"customer-{number % 100}"},
                    }
                    for number in range(ecus)
                ],
            }
        )
    )
    return file


def _outcome(url: str, ecus: int, window: str) -> Iterator[Row]:
    good = _value(url, "count(up == 1)")
    yield note(f"targets found of {ecus}", _value(url, "count(up)"), "")
    yield note("targets whose last scrape succeeded", good, "")
    scrapes = _value(url, f"sum(count_over_time(up[{window}]))")
    failed = scrapes - _value(url, f"sum(sum_over_time(up[{window}]))")
    yield note(f"scrapes in {window}", scrapes, "")
    yield at_most("failed scrapes", failed, 0, "")
    readings = _value(url, f"sum(count_over_time(aps_up[{window}]))")
    unread = readings - _value(url, f"sum(sum_over_time(aps_up[{window}]))")
    yield at_most("scrapes whose ECU could not be read", unread, 0, "")
    for part in (0.5, 0.99, 1.0):
        duration = _value(
            url, f"quantile({part}, max_over_time(scrape_duration_seconds[{window}]))"
        )
        yield note(f"scrape duration, quantile {part:g} of the targets' longest", duration, " s")
    yield note("panels online", _value(url, "count(aps_panel_online == 1)"), "")


def _value(url: str, promql: str) -> float:
    with urllib.request.urlopen(f"{url}/api/v1/query?{urlencode({'query': promql})}") as answer:  # noqa: S310 - our own Prometheus
        result: list[Any] = json.load(answer)["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


def _wait(url: str, program: Process, log: Path) -> None:
    """Wait until a program answers."""
    end = time.monotonic() + 4 * PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(url).close()  # noqa: S310 - our own program
        except OSError:
            assert program.running, log.read_text()
            assert time.monotonic() < end, f"{url} does not answer"
            time.sleep(0.05)
        else:
            return


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fleet", description=__doc__)
    parser.add_argument("--ecus", type=int, default=2000)
    parser.add_argument("--interval", type=int, default=60, help="seconds between two scrapes")
    parser.add_argument("--delay", type=float, default=1.0, help="seconds an ECU thinks on a page")
    parser.add_argument("--minutes", type=float, default=3.0, help="how long to watch")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    for line in table(
        measure_fleet(
            ecus=given.ecus,
            interval_s=given.interval,
            delay_s=given.delay,
            minutes=given.minutes,
        )
    ):
        print(line, flush=True)
