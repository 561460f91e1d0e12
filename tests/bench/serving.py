"""What a scrape costs beyond the ECU's own time; memory, start, and many scrapers."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import quote

from tests.bench.programs import (
    Client,
    Exporter,
    get,
    start_blackbox,
    start_ecu,
    start_exporter,
)
from tests.bench.report import Row, at_least, at_most, note

__all__ = ["measure_clients", "measure_memory", "measure_scrapes", "measure_start"]

TABLE, HOME = "/index.php/realtimedata", "/index.php/home"
MOST_BEYOND_ECU_MS = {20: 3.0, 200: 8.0}
MOST_RESIDENT_MIB = 50.0
MOST_START_S = 0.4
SWEEPS = 5
POLL_ALWAYS = ("--max-age", "0")
POLL_ONCE = ("--max-age", "300")


def measure_scrapes(*, quick: bool) -> Iterator[Row]:
    """Take turns between the ECU's pages alone, a scrape of them, and blackbox_exporter."""
    rounds = 10 if quick else 300
    for panels, goal_ms in MOST_BEYOND_ECU_MS.items():
        for sweeps, news in ((1, "same sweep"), (SWEEPS, "new sweep")):
            with (
                start_ecu("php", panels, sweeps) as ecu,
                start_exporter(ecu, *POLL_ALWAYS) as exporter,
                contextlib.closing(Client(exporter.port)) as scraper,
            ):
                used_s = exporter.cpu_s
                own_ms, scrape_ms = _medians_ms(rounds, partial(_both_pages, ecu), scraper.ask)
                cpu_ms = (exporter.cpu_s - used_s) / rounds * 1e3
            what = f"scrape, {panels} panels, {news} each time"
            yield note(f"{what}: all of it", scrape_ms, " ms")
            yield at_most("  beyond the ECU's own time", scrape_ms - own_ms, goal_ms, " ms")
            yield note("  processor time", cpu_ms, " ms")
        yield from _blackbox(panels, rounds)
        yield from _shared(panels, rounds)


def measure_memory(*, scrapes: int) -> Iterator[Row]:
    """Look at the resident memory after the first scrapes, and after many more."""
    for panels in (20, 200):
        with (
            start_ecu("php", panels, SWEEPS) as ecu,
            start_exporter(ecu, *POLL_ALWAYS) as exporter,
            contextlib.closing(Client(exporter.port)) as scraper,
        ):
            first_mib = _resident_after(10, scraper, exporter)
            warm_mib = _resident_after(min(1000, scrapes // 4), scraper, exporter)
            last_mib = _resident_after(scrapes, scraper, exporter)
        what = f"memory, {panels} panels"
        yield at_most(f"{what}, after 10 scrapes", first_mib, MOST_RESIDENT_MIB, " MiB")
        yield at_most(f"{what}, after {scrapes:,} more", last_mib, MOST_RESIDENT_MIB, " MiB")
        yield at_most("  growth once warm", last_mib - warm_mib, 1.0, " MiB")


def measure_start(*, quick: bool) -> Iterator[Row]:
    """Start it several times; the median until a first scrape is answered."""
    took_s = []
    with start_ecu("php", 20, 1) as ecu:
        for _ in range(2 if quick else 11):
            with start_exporter(ecu) as exporter:
                took_s.append(exporter.started_s)
    yield at_most("start to first scrape answered", statistics.median(took_s), MOST_START_S, " s")
    yield note("  the fastest start", min(took_s), " s")


def measure_clients(*, quick: bool) -> Iterator[Row]:
    """Count scrapes per second of one client and of eight, polling and not."""
    seconds = 0.3 if quick else 4.0
    for options, how in ((POLL_ALWAYS, "polling"), (POLL_ONCE, "sharing a reading")):
        with start_ecu("php", 20, 1) as ecu, start_exporter(ecu, *options) as exporter:
            one, eight = (_scrapes_per_s(exporter, clients, seconds) for clients in (1, 8))
        yield note(f"scrapes per second, {how}, 1 client", one, "/s")
        yield note(f"scrapes per second, {how}, 8 clients", eight, "/s")
        yield at_least("  8 clients to 1", eight / one, 1.0, "×")


def _both_pages(ecu: int) -> None:
    get(ecu, TABLE)
    get(ecu, HOME)


def _blackbox(panels: int, rounds: int) -> Iterator[Row]:
    """Let blackbox_exporter fetch the table page; it parses nothing."""
    program = shutil.which("prometheus-blackbox-exporter")
    if program is None:
        yield Row(what="  blackbox_exporter, the table page, not parsed", measured="not here")
        return
    with start_ecu("php", panels, 1) as ecu, start_blackbox(program) as blackbox:
        target = quote(f"http://127.0.0.1:{ecu}{TABLE}", safe="")
        probe = Client(blackbox, f"/probe?module=http_2xx&target={target}")
        with contextlib.closing(probe):
            assert b"\nprobe_success 1\n" in probe.ask()
            own_ms, probe_ms = _medians_ms(rounds, lambda: get(ecu, TABLE), probe.ask)
    what = f"blackbox_exporter, {panels} panels, table page, not parsed"
    yield note(f"{what}: all", probe_ms, " ms")
    yield note("  beyond the ECU's own time", probe_ms - own_ms, " ms")


def _shared(panels: int, rounds: int) -> Iterator[Row]:
    """Scrape without a poll."""
    with (
        start_ecu("php", panels, 1) as ecu,
        start_exporter(ecu, *POLL_ONCE) as exporter,
        contextlib.closing(Client(exporter.port)) as scraper,
    ):
        (scrape_ms,) = _medians_ms(rounds, scraper.ask)
    yield note(f"scrape, {panels} panels, that shares a reading", scrape_ms, " ms")


def _medians_ms(rounds: int, *functions: Callable[[], object]) -> tuple[float, ...]:
    """Call all in turn, again and again, after a few times for practice."""
    took: list[list[float]] = [[] for _ in functions]
    for number in range(rounds + 5):
        for function, times in zip(functions, took, strict=True):
            started = time.perf_counter()
            function()
            if number >= 5:
                times.append(time.perf_counter() - started)
    return tuple(statistics.median(times) * 1e3 for times in took)


def _resident_after(scrapes: int, scraper: Client, exporter: Exporter) -> float:
    for _ in range(scrapes):
        scraper.ask()
    return exporter.resident_mib


def _scrapes_per_s(exporter: Exporter, clients: int, seconds: float) -> float:
    """Have clients scrape as often as they can."""
    counts = [0] * clients
    end = time.perf_counter() + seconds

    def scrape(number: int) -> None:
        with contextlib.closing(Client(exporter.port)) as client:
            while time.perf_counter() < end:
                client.ask()
                counts[number] += 1

    threads = [threading.Thread(target=scrape, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds
