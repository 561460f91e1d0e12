"""The program before an ECU with pages, without them, and with pages that vanish."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from aps_exporter.simulator.server import Simulator
from tests.e2e.conftest import PATIENCE_S, UNTRACED, Answer, Serve, Simulate, fault

ENERGIES = {"aps_energy_lifetime_joules_total": 360_000, "aps_energy_today_joules": 36_000}
"""The counters, and by how much the interfaces may round them differently."""


def tcp_port(ecu: Simulator) -> str:
    """Give the port as an option takes it."""
    return str(ecu.tcp_port)


def read(ecu: Simulator, *options: str, interface: str = "auto") -> str:
    """Give what `read` prints."""
    where = ("--host", ecu.host, "--tcp-port", tcp_port(ecu), "--interface", interface)
    done = subprocess.run(
        [sys.executable, "-m", "aps_exporter", "read", *where, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=UNTRACED,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def values(answer: Answer) -> dict[str, dict[str, float]]:
    """Give what dashboards and rules show, which no interface may change."""
    names = (
        "aps_up",
        "aps_panel_power_watts",
        "aps_panel_online",
        "aps_inverter_online",
        "aps_inverter_grid_voltage_volts",
        "aps_inverter_grid_frequency_hertz",
        "aps_inverter_temperature_celsius",
        "aps_inverter_last_report_timestamp_seconds",
        "aps_power_watts",
        "aps_panels_missing",
    )
    return {name: answer.samples(name) for name in names}


def test_read_prints_the_same_over_either_interface(simulate: Simulate) -> None:
    """But for where it comes from, the text is that of the page."""
    ecu = simulate(family="php-dc", interface="both")
    by_page, over_tcp = (read(ecu, interface=name).splitlines() for name in ("web", "tcp"))

    assert over_tcp[0] == f"Data source: tcp://127.0.0.1:{ecu.tcp_port}"
    assert over_tcp[1:] == by_page[1:]
    assert len(by_page) > 10


def test_an_ecu_without_pages_needs_no_configuration(simulate: Simulate) -> None:
    """`read --json` finds an ECU that has only TCP, and says so in its source."""
    ecu = simulate(family="php-dc", interface="tcp")
    document = json.loads(read(ecu, "--json"))

    assert document["source"] == f"tcp://127.0.0.1:{ecu.tcp_port}"
    assert document["received_count"] == 12
    assert document["missing"] == []


def test_pages_that_vanish_cost_no_scrape(simulate: Simulate, serve: Serve) -> None:
    """Every scrape is answered, with the same values, and the log says once what happened."""
    ecu = simulate(family="php-dc", interface="both")
    exporter = serve(ecu, "--tcp-port", tcp_port(ecu))
    before = exporter.scrape()
    with fault(ecu, "page-gone=404"):
        gone = [exporter.scrape() for _ in range(3)]

    assert before.samples("aps_interface_up") == {'interface="web"': 1}
    for answer in gone:
        assert values(answer) == values(before)
        for name, rounding_j in ENERGIES.items():
            was = before.sample(name) or 0
            assert was <= (answer.sample(name) or 0) <= was + rounding_j
        assert answer.samples("aps_interface_up") == {'interface="web"': 0, 'interface="tcp"': 1}
        assert 'interface="tcp"' in next(iter(answer.samples("aps_ecu_info")))
        assert len(answer.samples("aps_inverter_signal_ratio")) == 3
    assert [line for line in exporter.messages() if "TCP" in line] == [
        (
            f"WARNING ECU {ecu.host}: it is read over TCP, as its pages can't be: "
            "the ECU answers 404: its firmware has no such page"
        )
    ]


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        ("tcp-error", "page_unrecognised"),
        ("tcp-short=0.5", "page_truncated"),
        ("tcp-reset", "unreachable"),
        ("tcp-refuse", "unreachable"),
    ],
)
def test_kinds_of_nothing_are_told_apart_over_tcp(
    simulate: Simulate, serve: Serve, behaviour: str, status: str
) -> None:
    """An ECU that can't be read over TCP is a good scrape that says why, and has no values."""
    ecu = simulate(family="php-dc", interface="tcp", faults=(behaviour,))
    exporter = serve(ecu, "--tcp-port", tcp_port(ecu), "--interface", "tcp")
    answer = exporter.scrape()

    assert answer.status == 200
    assert answer.sample("aps_up") == 0
    assert answer.ecu_status == [status]
    assert answer.samples("aps_interface_up") == {'interface="tcp"': 0}
    assert not answer.samples("aps_panel_power_watts")
