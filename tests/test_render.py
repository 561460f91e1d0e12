"""What `read` prints, byte for byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from aps_exporter.model import Channel, EcuInfo, Inverter, PhaseVoltage, Reading
from aps_exporter.render import to_json, to_text
from aps_exporter.summary import Roster, Summary

GOLDEN = Path(__file__).parent / "golden"
REPORTED = datetime.fromisoformat("2026-05-04 12:30:05")
LOCAL = datetime(2026, 5, 4, 12, 34, 5, 678901, tzinfo=timezone(timedelta(hours=2)))


def inverter(
    serial: str,
    channels: dict[str, float | None],
    volts: dict[str, float],
    hertz: float | None = None,
    celsius: float | None = None,
) -> Inverter:
    """Make an inverter that reported at 12:30:05, or did not if it has no volts."""
    return Inverter(
        serial=serial,
        channels=tuple(
            Channel(id=f"{serial}-{name}" if name else serial, name=name, power_w=power)
            for name, power in channels.items()
        ),
        grid_voltages=tuple(PhaseVoltage(phase=p, voltage_v=v) for p, v in volts.items()),
        grid_frequency_hz=hertz,
        temperature_c=celsius,
        reported_at=REPORTED if volts else None,
    )


def summary(
    *inverters: Inverter,
    expected: int | None = None,
    scale: bool = False,
    first: Roster | None = None,
) -> Summary:
    """Summarize a reading of these inverters."""
    reading = Reading(
        source="http://192.168.1.102/cgi-bin/parameters",
        interface="cgi",
        read_at=LOCAL.astimezone(UTC),
        inverters=inverters,
        ecu=EcuInfo(ecu_id="203000012345"),
        timezone="Europe/Warsaw",
    )
    roster = first or Roster(expected_count=expected, scale_missing=scale)
    return roster.summarize(reading)


FOUR = (
    inverter("INV-XXXX", {"A": 120, "B": 115}, {"": 234}, 50.02, 50),
    inverter("INV-YYYY", {"A": 120, "B": None}, {"": 234}, 49.99, 50),
)
MIXED = (
    inverter("801000090001", {"1": 31.5, "2": 0, "3": -1, "4": None}, {"": 235}, 50.0, -7),
    inverter("504000012345", {"1": 1200}, {"A": 231, "B": 233.5, "C": 230}, 50.1),
    inverter("408000012345", {"A": None, "B": None}, {}),
    inverter("801000090002", {}, {}),
    inverter("106000012345", {"": 230}, {"": 229}, None, 41),
)
CASES = {
    "scaled": summary(*FOUR, expected=4, scale=True),
    "unscaled": summary(*FOUR),
    "expected": summary(*FOUR, expected=4),
    "mixed": summary(*MIXED),
    "offline": summary(*MIXED[2:3], expected=2, scale=True),
    "empty": summary(),
}


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_as_it_always_was(name: str) -> None:
    """The text of a reading is that of its golden file."""
    golden = (GOLDEN / f"read-{name}.txt").read_text(encoding="utf-8")

    assert to_text(CASES[name]) + "\n" == golden


@pytest.mark.parametrize("name", CASES)
def test_the_json_is_as_it_always_was(name: str) -> None:
    """The JSON of a reading is that of its golden file."""
    golden = (GOLDEN / f"read-{name}.json").read_text(encoding="utf-8")

    assert to_json(CASES[name], LOCAL) + "\n" == golden


@pytest.mark.parametrize("name", CASES)
def test_the_json_has_the_keys_of_the_original_first(name: str) -> None:
    """Scripts that read the original's JSON find its keys, in its order, and ours behind them."""
    keys = list(json.loads(to_json(CASES[name], LOCAL)))

    assert keys == [
        "source",
        "timestamp",
        "received_count",
        "expected_count",
        "total_watts_raw",
        "total_watts_estimated",
        "total_watts_for_output",
        "avg_volt_v",
        "avg_temp_c",
        "avg_freq_hz",
        "scaled_due_to_missing",
        "panels",
        "missing",
        "reported_at",
        "inverters",
    ]


def test_a_panel_is_listed_once_though_its_inverter_looks_never_contacted() -> None:
    """An inverter with one input that went offline is the panel that is missing."""
    roster = Roster()
    summary(inverter("106000012345", {"": 230}, {"": 229}), first=roster)
    text = to_text(summary(inverter("106000012345", {}, {}), first=roster))

    assert text.count("106000012345: — W") == 1
