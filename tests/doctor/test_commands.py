"""`doctor` and `discover` as a user has them: what they print, write and exit with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aps_exporter.doctor.bundle import read_bundle
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings


@pytest.fixture(scope="module")
def ecu() -> Iterator[Simulator]:
    """Start an ECU with both interfaces."""
    with Simulator(SimulatorSettings(family="php-dc", inverters=2)) as simulator:
        yield simulator


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; a traceback is never right."""
    done = subprocess.run(
        [sys.executable, "-m", "aps_exporter", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def test_doctor_reports_and_writes_a_bundle(ecu: Simulator, tmp_path: Path) -> None:
    """The report goes to stdout, the answers into the file, and the user learns where they are."""
    file = tmp_path / "bundle.json"

    done = run("doctor", "--host", ecu.host, "--tcp-port", str(ecu.tcp_port), "--bundle", str(file))

    assert done.returncode == 0
    assert "What it is\n  model       ECU-R-Pro" in done.stdout
    assert str(file) in done.stderr
    assert len(list(read_bundle(file.read_text()))) == 9


def test_doctor_asks_nothing_that_could_change_anything(ecu: Simulator) -> None:
    """Only pages to read and commands to read were asked for."""
    run("doctor", "--host", ecu.host, "--tcp-port", str(ecu.tcp_port))

    assert not ecu.forbidden_commands
    assert {visit.method for visit in ecu.visits} == {"GET"}


def test_doctor_without_an_ecu_says_so() -> None:
    """Where nobody answers the exit code is 2, and the report still says what to try."""
    done = run("doctor", "--host", "127.0.0.1:9", "--tcp-port", "9")

    assert done.returncode == 2
    assert done.stderr == "aps-exporter: nobody answers at 127.0.0.1:9\n"
    assert "What to do next" in done.stdout


def test_a_bundle_that_cannot_be_written_is_one_line(ecu: Simulator, tmp_path: Path) -> None:
    """A folder that isn't there is a mistake of the user's, told without a traceback."""
    file = tmp_path / "none" / "bundle.json"

    done = run("doctor", "--host", ecu.host, "--bundle", str(file))

    assert done.returncode == 1
    assert done.stderr == f"aps-exporter: {file}: can't be written: No such file or directory\n"


def test_discover_finds_an_ecu_over_both_interfaces(ecu: Simulator) -> None:
    """One line on stdout for each ECU, and the next step on stderr."""
    _, _, port = ecu.host.partition(":")

    done = run(
        "discover",
        "--network",
        "127.0.0.0/30",
        "--port",
        port,
        "--tcp-port",
        str(ecu.tcp_port),
    )

    assert done.returncode == 0
    assert done.stdout.startswith("127.0.0.1  ECU 2162")
    assert done.stdout.endswith("interface php + tcp  2 inverters\n")
    assert f"aps-exporter doctor --host 127.0.0.1:{port}" in done.stderr


def test_discover_that_finds_nothing_says_so() -> None:
    """No find is exit code 2 and a hint."""
    done = run("discover", "--network", "127.9.9.0/30", "--port", "9", "--tcp-port", "9")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("aps-exporter: none of 2 addresses is an ECU's")


def test_discover_leaves_other_peoples_networks_alone() -> None:
    """A public network is a wrong option."""
    done = run("discover", "--network", "8.8.8.0/24")

    assert done.returncode == 1
    assert "is not private" in done.stderr


def test_a_bundle_is_readable_json(ecu: Simulator, tmp_path: Path) -> None:
    """Pages stand in it as text, so that its owner can look through it."""
    file = tmp_path / "bundle.json"
    run("doctor", "--host", ecu.host, "--bundle", str(file))

    items = json.loads(file.read_text())["items"]

    assert "<table" in items[1]["text"]
