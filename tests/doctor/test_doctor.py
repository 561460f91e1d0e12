"""What the doctor finds out, says and advises."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from aps_exporter.config import load_settings
from aps_exporter.doctor.bundle import write_bundle
from aps_exporter.doctor.oddities import ODDITIES, oddities_of
from aps_exporter.doctor.report import config_of, report
from tests.doctor.conftest import Examine


def names(lines: list[str]) -> set[str]:
    """Give the names of what was found odd."""
    return {line.partition(":")[0] for line in lines}


def test_a_healthy_ecu_has_nothing_odd(examined: Examine) -> None:
    """Both interfaces understood, the clock right, both sums alike: nothing to remark."""
    findings = examined()

    assert oddities_of(findings) == []


def test_the_report_says_what_the_ecu_is_and_says(examined: Examine) -> None:
    """Model, id, firmware, zone, interfaces, inverters, clock, energies and the cross-check."""
    text = report(examined())

    for fact in (
        r"model +ECU-R-Pro",
        r"id +2162\d{8}",
        r"firmware +\S+",
        r"time zone +Europe/Amsterdam",
        r"interfaces +web pages answer, TCP answer",
        r"/index.php/home: understood \(\d+ bytes",
        r"0002: understood",
        r"inverters +3 of 3 online",
        r"cross-check +pages (\d+) W, 3 online; TCP \1 W, 3 online",
        r"last sweep +\S+ 1\d:\d\d:\d\d, .* ago",
        r"clock +right",
        r"energy +today [\d.]+ kWh, lifetime [\d.]+ kWh",
        r"signal +weakest \d+%",
    ):
        assert re.search(fact, text), (fact, text)


@pytest.mark.parametrize(
    ("faults", "settings", "name"),
    [
        (["page-gone"], {}, "pages removed by firmware"),
        (["page-cut"], {}, "page cut off"),
        (["hang"], {"interface": "web"}, "web pages hang"),
        ([], {"interface": "web"}, "TCP port closed"),
        (["tcp-stall"], {}, "TCP port hangs"),
        (["tcp-wrong-length"], {"interface": "tcp"}, "TCP port hangs"),
        (["tcp-short"], {}, "failed TCP reply"),
        (["tcp-unknown-type=all"], {"interface": "tcp"}, "unreadable values"),
        (["impossible-volts=all"], {"interface": "web"}, "impossible values"),
        (["tcp-error=02"], {}, "failed TCP reply"),
        (["tcp-count-zero"], {}, "no inverters over TCP"),
        (["empty-table"], {}, "empty table"),
        ([], {"start": "23:30", "family": "php"}, "old rows"),
        (["clock-zone=+8"], {}, "wrong clock"),
        (["tcp-factory-zone"], {"interface": "tcp"}, "no time zone"),
        (["lifetime-zero"], {}, "zero lifetime energy"),
        (["today-zero"], {}, "zero energy today"),
        (["impossible-volts=all"], {"interface": "tcp"}, "impossible values"),
        (["tcp-own-id"], {}, "ECU listed as inverter"),
        (["inverter-never-contacted=801000090002"], {}, "never contacted"),
        (["channel-dead=801000090001-2"], {}, "idle inputs"),
        (["odd-cells"], {}, "unreadable values"),
        (["tcp-offline=zeroed", "tcp-count-zero"], {}, "interfaces disagree"),
    ],
    ids=str,
)
def test_a_known_fault_is_called_by_its_name(
    examined: Examine, faults: list[str], settings: dict[str, object], name: str
) -> None:
    """Each fault that an ECU can have is found, and called as people know it."""
    found = names(oddities_of(examined(*faults, **settings)))

    assert name in found


@pytest.mark.parametrize(
    ("faults", "name"),
    [
        (["page-cut"], "pages removed by firmware"),
        (["tcp-stall"], "TCP port closed"),
        (["tcp-hang"], "TCP port closed"),
    ],
)
def test_no_fault_is_taken_for_another(examined: Examine, faults: list[str], name: str) -> None:
    """A page that is cut off has not been removed, and a port that hangs is not closed."""
    assert name not in names(oddities_of(examined(*faults)))


def test_names_of_oddities_differ() -> None:
    """No two rows of the table have one name."""
    assert len({oddity.name for oddity in ODDITIES}) == len(ODDITIES)


def test_the_configuration_can_be_copied(examined: Examine, tmp_path: Path) -> None:
    """What the doctor proposes is a valid file that names every panel."""
    file = tmp_path / "config.json"
    findings = examined("page-gone")
    file.write_text(config_of(findings))

    settings = load_settings(file, {})

    assert settings.expected_count == len(settings.panels) == 12
    assert settings.host == findings.evidence.host
    assert settings.tcp_port == findings.evidence.tcp_port != 8899


def test_the_usual_tcp_port_goes_without_saying(examined: Examine) -> None:
    """A configuration and advice name the TCP port where it is another, and only there."""
    findings = examined("page-cut")
    usual = replace(findings, evidence=replace(findings.evidence, tcp_port=8899))

    assert f"--tcp-port {findings.evidence.tcp_port} --bundle" in report(findings)
    assert "tcp_port" not in config_of(usual)
    assert "tcp-port" not in report(usual)


def test_an_ecu_that_says_nothing_gets_advice(examined: Examine) -> None:
    """Nothing is claimed of an ECU that nobody could ask, but what to try is said."""
    text = report(examined("refuse", "tcp-refuse"))

    assert "What it says" not in text
    assert "aps-exporter discover" in text


def test_a_closed_door_is_knocked_at_once(examined: Examine) -> None:
    """Where nobody opens, the other questions aren't put: a hung ECU wants to be left alone."""
    asked = [item.door for item in examined("refuse", "tcp-refuse").evidence.items]

    assert asked == ["web", "tcp"]


def test_the_json_of_a_bundle_is_ours(examined: Examine) -> None:
    """A bundle is one JSON object that names its format."""
    assert json.loads(write_bundle(examined()))["format"] == 1
