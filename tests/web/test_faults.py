"""Whatever an ECU does, a scrape is answered in time, and says what was wrong."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from aps_exporter.web.scrapes import Scrapes
from tests.web.conftest import Answer, Client
from tests.web.faults import FAULTS, broken_ecus, serving, several, single, slug

SCRAPE_TIMEOUT_S = 2.5
"""As Prometheus announces it; a poll gets half a second less."""
HEADERS = {"X-Prometheus-Scrape-Timeout-Seconds": str(SCRAPE_TIMEOUT_S)}
HUNG = 200

Answers = Mapping[tuple[str, str], tuple[Answer, float]]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Scrape an ECU for each fault over each route, all at the same time."""
    found: dict[tuple[str, str], tuple[Answer, float]] = {}

    def scrape(route: str, fault: str, client: Client, path: str) -> None:
        started = time.monotonic()
        answer = client.fetch(path, headers=HEADERS)
        found[route, fault] = answer, time.monotonic() - started

    with (
        broken_ecus() as hosts,
        broken_ecus() as others,
        serving(several(hosts, tmp_path_factory.mktemp("fleet"))) as fleet,
        ExitStack() as alone,
    ):
        work = [("/probe", name, fleet, f"/probe?target={slug(name)}") for name in hosts]
        for name, host in others.items():
            folder = tmp_path_factory.mktemp("alone")
            client = alone.enter_context(serving(single(host, folder)))
            work.append(("/metrics", name, client, "/metrics"))
        with ThreadPoolExecutor(len(work)) as scrapers:
            for _ in scrapers.map(lambda each: scrape(*each), work):
                pass
    return found


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("route", ["/metrics", "/probe"])
def test_a_fault_is_a_good_scrape_in_time(answers: Answers, route: str, fault: str) -> None:
    """A scrape of an ECU with a fault is HTTP 200 within its timeout, and names the fault."""
    answer, took = answers[route, fault]

    assert answer.status == 200
    assert took < SCRAPE_TIMEOUT_S
    assert answer.sample("aps_up") == 0
    assert answer.sample(f'aps_ecu_status{{status="{FAULTS[fault].status}"}}') == 1
    assert answer.sample("aps_power_watts") is None


def resources() -> tuple[int, int]:
    """Count threads and open files."""
    return threading.active_count(), len([*Path("/proc/self/fd").iterdir()])


def test_faults_leave_nothing_behind(tmp_path: Path) -> None:
    """After hundreds of faulty scrapes there are as many threads and open files as before."""
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": "0.6"}
    quick = {name for name, fault in FAULTS.items() if fault.status != "timeout"}
    # A bomb and ten megabytes take their time to arrive.
    quick -= {"bomb", "ten megabytes"}
    with broken_ecus() as hosts, serving(several(hosts, tmp_path, timeout=0.5)) as client:
        work = [slug(name) for name in hosts] + [slug(name) for name in quick] * 30
        fetch = [f"/probe?target={name}" for name in work]
        _settled(client, fetch[: len(hosts)], headers)
        before = resources()
        _settled(client, fetch, headers)

        assert len(fetch) > 300
        assert _down_to(before)


def _settled(client: Client, paths: list[str], headers: dict[str, str]) -> None:
    with ThreadPoolExecutor(8) as scrapers:
        statuses = [*scrapers.map(lambda path: client.fetch(path, headers=headers).status, paths)]
    assert set(statuses) == {200}


def _down_to(before: tuple[int, int]) -> bool:
    """Wait for the polls whose scrapers have left."""
    end = time.monotonic() + 10
    while any(now > then for now, then in zip(resources(), before, strict=True)):
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.02)
    return True


@pytest.fixture
def silent() -> Iterator[dict[str, str]]:
    """Have ECUs that take a connection and never say a word."""
    with ExitStack() as stack:
        hosts = {}
        for number in range(HUNG):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            hosts[f"ecu-{number}"] = f"127.0.0.1:{listener.getsockname()[1]}"
        yield hosts


def test_health_answers_at_once_while_ecus_hang(silent: dict[str, str], tmp_path: Path) -> None:
    """With 200 hung ECUs being probed health takes less than 50 ms, and a good ECU its own time."""
    scrapes = Scrapes()
    with (
        serving(several(silent, tmp_path, timeout=3), scrapes) as client,
        ThreadPoolExecutor(HUNG) as scrapers,
    ):
        hung = [scrapers.submit(client.fetch, f"/probe?target={name}") for name in silent]
        while scrapes.in_flight < HUNG:
            threading.Event().wait(0.01)
        took = []
        for _ in range(40):
            started = time.monotonic()
            answer = client.fetch("/-/healthy")
            took.append(time.monotonic() - started)
            assert answer.status == 200
        still = sum(not scrape.done() for scrape in hung)
        statuses = {scrape.result().sample("aps_up") for scrape in hung}

    assert still == HUNG
    assert sorted(took)[len(took) // 2] < 0.05
    assert statuses == {0.0}
