"""What a scrape costs beyond the ECU's own time; memory, start, and many scrapers."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

__all__ = ["measure_clients", "measure_scrapes", "measure_start"]

TABLE, HOME = "/index.php/realtimedata", "/index.php/home"
MOST_BEYOND_ECU_MS = {20: 3.0, 200: 8.0}
MOST_RESIDENT_MIB = 50.0
MOST_GROWTH_MIB = 1.0
MOST_START_S = 0.4
PRACTICE = 5
SWEEPS = 5
POLL_ALWAYS = ("--max-age", "0")
POLL_ONCE = ("--max-age", "300")


def measure_scrapes(*, quick: bool, scrapes: int) -> Iterator[Row]:
    """Take turns between the ECU's pages alone, scrapes of them, and blackbox_exporter."""
    rounds = 10 if quick else 300
    for panels in (20,) if quick else (20, 200):
        with start_ecu("php", panels, 1) as ecu:
            with start_exporter(ecu, *POLL_ALWAYS) as exporter:
                yield from _scrape(panels, "same sweep", ecu, exporter, rounds)
            yield from _shared(panels, ecu, rounds)
            yield from _blackbox(panels, ecu, rounds)
        with (
            start_ecu("php", panels, SWEEPS) as ecu,
            start_exporter(ecu, *POLL_ALWAYS) as exporter,
        ):
            first_mib = exporter.resident_mib
            yield from _scrape(panels, "new sweep", ecu, exporter, rounds)
            yield from _memory(panels, exporter, first_mib, scrapes)


def measure_start(*, quick: bool) -> Iterator[Row]:
    """Start it several times; the median until a first scrape is answered."""
    took_s = []
    with start_ecu("php", 20, 1) as ecu:
        for _ in range(1 if quick else 11):
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


def _scrape(panels: int, news: str, ecu: int, exporter: Exporter, rounds: int) -> Iterator[Row]:
    """Scrape, with a poll of both pages each time."""
    with contextlib.closing(Client(exporter.port)) as scraper:
        used_s = exporter.cpu_s
        own, scrape = _times(rounds, partial(_both_pages, ecu), scraper.ask)
        cpu_ms = (exporter.cpu_s - used_s) / rounds * 1e3
    goal_ms = MOST_BEYOND_ECU_MS[panels]
    yield note(f"scrape, {panels} panels, {news} each time: all of it", scrape.median_ms, " ms")
    yield at_most("  beyond the ECU's own time", scrape.median_ms - own.median_ms, goal_ms, " ms")
    yield note("  the same, the fastest of each", scrape.least_ms - own.least_ms, " ms")
    yield note("  processor time", cpu_ms, " ms")


def _shared(panels: int, ecu: int, rounds: int) -> Iterator[Row]:
    """Scrape without a poll."""
    with (
        start_exporter(ecu, *POLL_ONCE) as exporter,
        contextlib.closing(Client(exporter.port)) as scraper,
    ):
        (scrape,) = _times(rounds, scraper.ask)
    yield note(f"scrape, {panels} panels, that shares a reading", scrape.median_ms, " ms")


def _blackbox(panels: int, ecu: int, rounds: int) -> Iterator[Row]:
    """Let blackbox_exporter fetch the table page; it parses nothing."""
    what = f"blackbox_exporter, {panels} panels, table page, not parsed"
    program = shutil.which("prometheus-blackbox-exporter")
    if program is None:
        yield Row(what=what, measured="not here")
        return
    with start_blackbox(program) as blackbox:
        target = quote(f"http://127.0.0.1:{ecu}{TABLE}", safe="")
        probe = Client(blackbox, f"/probe?module=http_2xx&target={target}")
        with contextlib.closing(probe):
            assert b"\nprobe_success 1\n" in probe.ask()
            own, probed = _times(rounds, lambda: get(ecu, TABLE), probe.ask)
    yield note(what, probed.median_ms, " ms")
    yield note("  beyond the ECU's own time", probed.median_ms - own.median_ms, " ms")
    yield note("  the same, the fastest of each", probed.least_ms - own.least_ms, " ms")


def _memory(panels: int, exporter: Exporter, first_mib: float, scrapes: int) -> Iterator[Row]:
    """Look at the resident memory after the first scrape, when warm, and after many more."""
    with contextlib.closing(Client(exporter.port)) as scraper:
        warm_mib = _resident_after(min(1000, scrapes // 4), scraper, exporter)
        last_mib = _resident_after(scrapes, scraper, exporter)
    what = f"memory, {panels} panels"
    yield at_most(f"{what}, after the first scrape", first_mib, MOST_RESIDENT_MIB, " MiB")
    yield at_most(f"{what}, after {scrapes:,} more", last_mib, MOST_RESIDENT_MIB, " MiB")
    yield at_most("  growth once warm", last_mib - warm_mib, MOST_GROWTH_MIB, " MiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """How long something took, again and again."""

    median_ms: float
    least_ms: float


def _times(rounds: int, *functions: Callable[[], object]) -> tuple[_Times, ...]:
    """Call all in turn, again and again, after a few times for practice."""
    took_s: list[list[float]] = [[] for _ in functions]
    for number in range(-PRACTICE, rounds):
        for function, seconds in zip(functions, took_s, strict=True):
            started = time.perf_counter()
            function()
            if number >= 0:
                seconds.append(time.perf_counter() - started)
    return tuple(
        _Times(median_ms=statistics.median(seconds) * 1e3, least_ms=min(seconds) * 1e3)
        for seconds in took_s
    )


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
