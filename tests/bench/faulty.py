"""Measure what faulty ECUs leave behind: ``python -m tests.bench.faulty`` in our folder."""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench.programs import Process, free_port, start_program
from tests.bench.report import Row, at_most, note, table
from tests.web.conftest import Client
from tests.web.faults import broken_ecus, slug

SCRAPERS = 32
HEADERS = {"X-Prometheus-Scrape-Timeout-Seconds": "1"}
SETTLED_S = 7.0
"""After this long the polls of the last scrapes have ended, and their threads, too."""
WARM_UP = 2000
"""After so many scrapes every thread has been through the largest pages."""


def measure_faulty(scrapes: int) -> Iterator[Row]:
    """Scrape ECUs with all faults in turn, and compare the exporter after with before."""
    with tempfile.TemporaryDirectory() as name, broken_ecus() as hosts:
        folder, port = Path(name), free_port()
        ecus = [{"name": slug(fault), "host": host} for fault, host in hosts.items()]
        config = folder / "config.json"
        config.write_text(
            json.dumps({"interface": "web", "timeout": 0.5, "max_age": 0, "ecus": ecus})
        )
        options = ("--config", str(config), "--listen", f"127.0.0.1:{port}")
        with start_program(
            "aps-exporter", "serve", *options, "--state-dir", name, log=folder / "log"
        ) as exporter:
            client = Client(port=port)
            _ready(client)
            paths = [f"/probe?target={slug(fault)}" for fault in hosts]
            _scrape(client, paths, min(WARM_UP, scrapes))
            before = _state(exporter)
            started = time.monotonic()
            slowest = _scrape(client, paths, scrapes)
            yield note(f"{scrapes} faulty scrapes took", time.monotonic() - started, " s")
            yield at_most("the slowest of them", slowest, 1, " s")
            after = _state(exporter)
    for what, unit in (("threads", ""), ("open files", "")):
        yield at_most(f"{what} more than before", after[what] - before[what], 0, unit)
    grown = after["memory"] - before["memory"]
    yield note("resident memory before", before["memory"], " MiB")
    yield at_most("resident memory more than before", grown, 5, " MiB")


def _scrape(client: Client, paths: list[str], count: int) -> float:
    """Scrape so often, several at a time, and give how long the slowest took."""

    def one(path: str) -> float:
        started = time.monotonic()
        answer = client.fetch(path, headers=HEADERS)
        assert (answer.status, answer.sample("aps_up")) == (200, 0.0), answer.text
        return time.monotonic() - started

    with ThreadPoolExecutor(SCRAPERS) as scrapers:
        return max(scrapers.map(one, itertools.islice(itertools.cycle(paths), count)))


def _state(exporter: Process) -> dict[str, float]:
    time.sleep(SETTLED_S)
    files = len([*Path(f"/proc/{exporter.pid}/fd").iterdir()])
    return {
        "threads": exporter.threads,
        "open files": files,
        "memory": exporter.resident_mib,
    }


def _ready(client: Client) -> None:
    while True:
        try:
            client.fetch("/-/ready")
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.faulty", description=__doc__)
    parser.add_argument("--scrapes", type=int, default=10_000)
    for line in table(measure_faulty(parser.parse_args().scrapes)):
        print(line, flush=True)
