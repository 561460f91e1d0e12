"""The real program before an ECU that behaves as badly as real ones do."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from aps_exporter.simulator.odd_cells import scatter
from aps_exporter.simulator.server import Simulator
from tests.e2e.conftest import (
    ENVIRONMENT,
    UNTRACED,
    Answer,
    Exporter,
    Serve,
    Simulate,
    fault,
    wait_until,
)

TABLES = ("/cgi-bin/parameters", "/index.php/realtimedata")
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """An ECU at noon, and the exporter before it."""

    ecu: Simulator
    exporter: Exporter


@pytest.fixture(scope="module")
def roof(simulate: Simulate, serve: Serve) -> Roof:
    """Share a roof; who breaks it mends it again."""
    ecu = simulate()
    return Roof(ecu=ecu, exporter=serve(ecu))


def read_once(ecu: Simulator) -> subprocess.CompletedProcess[str]:
    """Run `aps-exporter read`."""
    return subprocess.run(
        [sys.executable, "-m", "aps_exporter", "read", "--host", ecu.host],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )


def panel_powers(ecu: Simulator) -> dict[str, float]:
    """Give what the ECU's page says, as labels and values of samples."""
    return {
        f'channel="{channel.name}",inverter="{inverter.serial}"': channel.power_w
        for inverter in ecu.shown().inverters
        for channel in inverter.channels
        if channel.power_w is not None
    }


def in_background(scrape: Callable[[], Answer]) -> tuple[threading.Thread, list[Answer]]:
    """Begin a scrape; its answer is in the list once the thread has ended."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(scrape()))
    thread.start()
    return thread, answers


@pytest.mark.parametrize("behaviour", ["drip=1", "hang"])
def test_ecu_without_end_is_answered_in_time(
    simulate: Simulate, serve: Serve, behaviour: str
) -> None:
    """Whatever an ECU drips, and for however long, Prometheus has its answer before it gives up."""
    exporter = serve(simulate(faults=(behaviour,)))
    started = time.monotonic()
    answer = exporter.scrape(X_Prometheus_Scrape_Timeout_Seconds="1.5")
    took_s = time.monotonic() - started

    assert 0.9 < took_s < 1.5
    assert answer.status == 200
    assert answer.ecu_status == ["timeout"]
    assert answer.sample("aps_up") == 0
    assert answer.sample("aps_panels_missing") is None


def test_overlapping_scrapes_share_polls(simulate: Simulate, serve: Serve) -> None:
    """Fifty scrapes of a slow ECU at once are fifty answers and at most two polls."""
    ecu = simulate(faults=("slow=0.5",))
    exporter = serve(ecu)
    exporter.scrape()
    before = len(ecu.visits)
    together = threading.Barrier(50)

    def scrape(_: int) -> Answer:
        together.wait()
        return exporter.scrape()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(scrape, range(50)))
    tables = [visit for visit in ecu.visits[before:] if visit.path in TABLES]

    assert [answer.sample("aps_up") for answer in answers] == [1] * 50
    assert 1 <= len(tables) <= 2
    assert ecu.most_in_flight == 1


def test_sigterm_during_a_scrape_lets_it_finish(simulate: Simulate, serve: Serve) -> None:
    """Who was waiting when SIGTERM came gets the whole answer; the exit code is 0."""
    ecu = simulate(faults=("slow=0.5",))
    exporter = serve(ecu)
    thread, answers = in_background(exporter.scrape)
    wait_until(lambda: len(ecu.visits) > 0)
    code = exporter.end()
    thread.join()

    assert code == 0
    assert answers[0].status == 200
    assert answers[0].samples("aps_panel_power_watts") == panel_powers(ecu)
    assert exporter.messages()[-1] == "INFO stopping"


def test_log_says_once_that_the_ecu_went_and_returned(simulate: Simulate, serve: Serve) -> None:
    """However often it is scraped meanwhile, an outage is two lines: gone, and back after how long.

    Nothing but them and the start and the end of the exporter is in the log.
    """
    ecu = simulate()
    exporter = serve(ecu)
    assert exporter.scrape().sample("aps_up") == 1
    started = time.monotonic()
    with fault(ecu, "refuse"):
        outage = [exporter.scrape().sample("aps_up") for _ in range(3)]
        wait_until(lambda: time.monotonic() - started > 1)
    returned = [exporter.scrape().sample("aps_up") for _ in range(3)]
    exporter.end()
    after = re.compile(r"is back after ([1-9]) s$")

    assert outage == [0, 0, 0]
    assert returned == [1, 1, 1]
    assert [after.sub("is back after SOME s", line) for line in exporter.messages()] == [
        f"INFO listening on {exporter.url}",
        f"WARNING ECU {ecu.host} is gone: the ECU refuses the connection",
        f"INFO ECU {ecu.host} is back after SOME s",
        "INFO stopping",
    ]


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        ("page-gone=200", "page_gone"),
        ("page-gone=404", "page_gone"),
        ("page-cut=0.7", "page_truncated"),
        ("page-cut=0.1", "page_truncated"),
        ("page-cut=0", "page_truncated"),
        ("refuse", "unreachable"),
        ("reset", "unreachable"),
    ],
)
def test_kinds_of_nothing_are_told_apart(roof: Roof, behaviour: str, status: str) -> None:
    """An ECU that can't be read is a good scrape that says why, and has no values."""
    with fault(roof.ecu, behaviour):
        answer = roof.exporter.scrape()

    assert answer.status == 200
    assert answer.sample("aps_up") == 0
    assert answer.ecu_status == [status]
    assert answer.sample('aps_page_up{page="table"}') == 0
    assert not answer.samples("aps_panel_power_watts")
    assert answer.sample("aps_power_watts") is None


def test_ecu_that_just_started_is_empty(roof: Roof) -> None:
    """An empty table is a good answer: the ECU is up, has energy, and all that were seen miss."""
    assert roof.exporter.scrape().sample("aps_panels_received") == 12
    with fault(roof.ecu, "empty-table"):
        answer = roof.exporter.scrape()
        energy_wh = roof.ecu.shown().info.energy_lifetime_wh

    assert energy_wh is not None
    assert answer.sample("aps_up") == 1
    assert answer.ecu_status == ["empty"]
    assert answer.sample("aps_power_watts") is None
    assert answer.sample("aps_panels_received") == 0
    assert answer.sample("aps_panels_missing") == 12
    assert answer.sample("aps_energy_lifetime_joules_total") == pytest.approx(
        energy_wh * 3600, abs=36_000
    )


@pytest.mark.parametrize("family", ["cgi", "php", "php-dc", "php-3phase"])
def test_every_panel_is_read(simulate: Simulate, serve: Serve, family: str) -> None:
    """Each family's pages, also in Chinese and over the oldest HTTP, give each panel's power."""
    ecu = simulate(family=family)
    exporter = serve(ecu)
    answers = [exporter.scrape()]
    for behaviour in ("chinese", "lf-headers"):
        with fault(ecu, behaviour):
            answers.append(exporter.scrape())

    assert panel_powers(ecu)
    for answer in answers:
        assert answer.samples("aps_panel_power_watts") == panel_powers(ecu)
        assert answer.sample("aps_page_unreadable_cells") == 0
        assert answer.samples("aps_page_up") == {'page="table"': 1, 'page="home"': 1}


def test_odd_cells_are_read_right_or_not_at_all(simulate: Simulate, serve: Serve) -> None:
    """Of numbers as no ECU should write them, some are safe to read; the others are counted.

    The log quotes the first of those, and not again at each scrape.
    """
    ecu = simulate(faults=("odd-cells",))
    exporter = serve(ecu)
    answers = [exporter.scrape() for _ in range(3)]
    odd = scatter(ecu.shown().inverters)
    powers = {
        f'channel="{channel.name}",inverter="{inverter.serial}"': odd[channel.id, "power"].value
        for inverter in ecu.shown().inverters
        for channel in inverter.channels
    }
    shown = {labels: value for labels, value in powers.items() if value is not None}
    warnings = [line for line in exporter.messages() if line.startswith("WARNING")]

    assert 0 < len(shown) < len(powers)
    for answer in answers:
        assert answer.samples("aps_panel_power_watts") == shown
        assert answer.sample("aps_power_watts") == pytest.approx(sum(shown.values()))
    count = answers[0].sample("aps_page_unreadable_cells")
    assert count
    assert len(warnings) == 1
    assert f"{count:.0f} cells are not understood, the first is '" in warnings[0]


def test_night_has_no_power_and_says_why(simulate: Simulate, serve: Serve) -> None:
    """At 23:00 an ECU repeats its rows of dusk: no power, all missing, and one line in the log."""
    ecu = simulate(hour=23)
    dusk = max(i.reported_at for i in ecu.shown().inverters if i.reported_at)
    exporter = serve(ecu)
    answers = [exporter.scrape() for _ in range(3)]
    why = f"it repeats its rows of {dusk}; as they are old, no power is shown"

    assert panel_powers(ecu)
    for answer in answers:
        assert answer.sample("aps_up") == 1
        assert answer.ecu_status == ["ok"]
        assert not answer.samples("aps_panel_power_watts")
        assert answer.sample("aps_power_watts") is None
        assert answer.sample("aps_panels_missing") == 12
        assert len(answer.samples("aps_inverter_last_report_timestamp_seconds")) == 3
    assert [line for line in exporter.messages() if line.startswith("WARNING")] == [
        f"WARNING ECU {ecu.host}: {why}"
    ]


def test_reading_once_by_night_says_why_there_is_nothing(simulate: Simulate) -> None:
    """`read` at 23:00 prints dashes, says why on stderr, and has done its job."""
    ecu = simulate(hour=23)
    run = read_once(ecu)

    assert run.returncode == 0
    assert "801000090001-1: — W\n" in run.stdout
    assert "\nReceived panels: 0\nRaw total power: — W\n" in run.stdout
    assert run.stderr.startswith("aps-exporter: about the ECU: it repeats its rows of ")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("hours", "wrong"), [("+7", "7 h 0 min ahead of"), ("-8", "8 h 0 min behind")]
)
def test_wrong_clock_is_not_a_dead_roof(
    simulate: Simulate, serve: Serve, hours: str, wrong: str
) -> None:
    """An ECU whose clock is hours off still produces; its times are corrected, the log says so."""
    ecu = simulate(faults=(f"clock-zone={hours}",))
    exporter = serve(ecu)
    answer = exporter.scrape()
    reports = answer.samples("aps_inverter_last_report_timestamp_seconds").values()
    offset_s = answer.sample("aps_ecu_clock_offset_seconds")

    assert answer.samples("aps_panel_power_watts") == panel_powers(ecu)
    assert offset_s == pytest.approx(int(hours) * 3600, abs=900)
    assert [time.time() - report for report in reports] == [pytest.approx(450, abs=450)] * 3
    (warning,) = [line for line in exporter.messages() if line.startswith("WARNING")]
    assert f"its clock is {wrong} zone Etc/GMT" in warning


def test_memory_is_flat(simulate: Simulate, serve: Serve) -> None:
    """After its first hundreds of scrapes the exporter has all the memory it will ever need."""
    exporter = serve(simulate(inverters=1), env=UNTRACED)
    connection = http.client.HTTPConnection(exporter.address, timeout=10)

    def scrape_often(times: int) -> float:
        text = ""
        for _ in range(times):
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        found = re.search(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)
        assert found
        return float(found[1])

    try:
        early = scrape_often(200)
        late = scrape_often(500)
    finally:
        connection.close()

    assert late - early < 1 * MEBIBYTE
