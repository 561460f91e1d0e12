"""What firmware invents is held back and counted, once for each sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from aps_exporter.ecu.glitches import KINDS, Glitches
from aps_exporter.model import Channel, EcuInfo, Inverter, PhaseVoltage

REPORTED = datetime.fromisoformat("2026-05-04 12:30:05")
FINE = Inverter(
    serial="501000012345",
    channels=(
        Channel(id="501000012345-1", name="1", power_w=120.0, dc_voltage_v=33.0),
        Channel(id="501000012345-2", name="2", power_w=0.0, dc_voltage_v=0.0),
        Channel(id="501000012345-3", name="3", power_w=-1.0),
        Channel(id="501000012345-4", name="4", power_w=None),
    ),
    grid_voltages=(
        PhaseVoltage(phase="A", voltage_v=231.0),
        PhaseVoltage(phase="B", voltage_v=398.0),
    ),
    grid_frequency_hz=50.0,
    temperature_c=-7.0,
    reported_at=REPORTED,
)
ECU = EcuInfo(energy_lifetime_wh=4_000_000.0, energy_today_wh=17_000.0)


def held(
    glitches: Glitches,
    inverter: Inverter = FINE,
    ecu: EcuInfo | None = ECU,
    found: Mapping[str, int] | None = None,
) -> tuple[Inverter, EcuInfo | None]:
    """Give what is left of one inverter and of the ECU."""
    (believed,), about = glitches.hold_back((inverter,), ecu, found=found or {})
    return believed, about


def counted(glitches: Glitches) -> dict[str, int]:
    """Give the kinds that were counted."""
    return {kind: count for kind, count in glitches.counts.items() if count}


def test_all_kinds_are_there_from_the_start() -> None:
    """Before anything happens each kind of the table is 0."""
    assert Glitches().counts == dict.fromkeys(KINDS, 0)


def test_what_can_be_passes_untouched() -> None:
    """Frost, a dark panel, an offline one, a night's loss and three-phase volts are possible."""
    glitches = Glitches()
    inverter, ecu = held(glitches)

    assert inverter is FINE
    assert ecu == ECU
    assert counted(glitches) == {}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"temperature_c": -100.0}, "temperature"),
        ({"temperature_c": 6453.0}, "temperature"),
        ({"grid_frequency_hz": 6553.5}, "frequency"),
        ({"grid_voltages": (PhaseVoltage(phase="", voltage_v=6553.0),)}, "voltage"),
        ({"grid_voltages": (PhaseVoltage(phase="", voltage_v=-1.0),)}, "voltage"),
        ({"channels": (Channel(id="x-1", name="1", power_w=65_535.0),)}, "power"),
        ({"channels": (Channel(id="x-1", name="1", power_w=None, dc_voltage_v=999.0),)}, "voltage"),
    ],
)
def test_what_cannot_be_is_absent_and_counted(change: Mapping[str, object], kind: str) -> None:
    """A value that no roof has is left out; all others of the inverter stay."""
    glitches = Glitches()
    odd = replace(FINE, **change)  # type: ignore[arg-type]  # by name
    inverter, _ = held(glitches, odd)
    (changed,) = change
    value = getattr(inverter, changed)
    if changed == "channels":
        value = value[0].power_w or value[0].dc_voltage_v

    assert not value
    assert counted(glitches) == {kind: 1}
    assert replace(inverter, **{changed: getattr(FINE, changed)}) == FINE


@pytest.mark.parametrize(
    "change",
    [
        {"grid_frequency_hz": 0.0},
        {"grid_voltages": (PhaseVoltage(phase="", voltage_v=0.0),)},
    ],
)
def test_a_grid_of_nothing_is_no_value_and_no_glitch(change: Mapping[str, object]) -> None:
    """Firmware writes 0 Hz and 0 V where it has none."""
    glitches = Glitches()
    inverter, _ = held(glitches, replace(FINE, **change))  # type: ignore[arg-type]  # by name
    (changed,) = change

    assert not getattr(inverter, changed)
    assert counted(glitches) == {}


def test_one_line_of_three_that_cannot_be_leaves_the_others() -> None:
    """The phases stand for themselves."""
    lines = (*FINE.grid_voltages, PhaseVoltage(phase="C", voltage_v=6553.0))
    inverter, _ = held(Glitches(), replace(FINE, grid_voltages=lines))

    assert inverter.grid_voltages == FINE.grid_voltages


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (ECU, replace(ECU, energy_lifetime_wh=0.0), "lifetime_zero"),
        (None, replace(ECU, energy_lifetime_wh=0.0), "lifetime_zero"),
        (ECU, replace(ECU, energy_lifetime_wh=1000.0), "lifetime_drop"),
        (ECU, replace(ECU, energy_today_wh=9000.0), "today_drop"),
    ],
)
def test_a_counter_that_falls_is_absent_and_counted(
    before: EcuInfo | None, after: EcuInfo, kind: str
) -> None:
    """Energy that can't be is held back; the other counter passes."""
    glitches = Glitches()
    held(glitches, ecu=before)
    _, ecu = held(glitches, replace(FINE, reported_at=REPORTED + timedelta(minutes=5)), after)

    assert ecu is not None
    assert [ecu.energy_lifetime_wh is None, ecu.energy_today_wh is None] == [
        kind.startswith("lifetime"),
        kind.startswith("today"),
    ]
    assert counted(glitches) == {kind: 1}


def test_a_new_roof_has_made_nothing() -> None:
    """A lifetime of 0 on the first morning is absent, as it always was, and no glitch."""
    glitches = Glitches()
    _, ecu = held(glitches, ecu=EcuInfo(energy_lifetime_wh=0.0, energy_today_wh=0.0))

    assert ecu == EcuInfo(energy_lifetime_wh=None, energy_today_wh=0.0)
    assert counted(glitches) == {}


def test_what_an_ecu_does_not_say_is_no_glitch() -> None:
    """A home page that lacks a counter, or that could not be read, is not the firmware's fault."""
    glitches = Glitches()
    held(glitches)
    held(glitches, ecu=EcuInfo())
    held(glitches, ecu=None)

    assert counted(glitches) == {}


def test_a_sweep_that_is_read_again_counts_once() -> None:
    """Ten polls of one sweep see one glitch; the next sweep has its own."""
    glitches = Glitches()
    odd = replace(FINE, temperature_c=-100.0)
    for _ in range(10):
        held(glitches, odd)
    assert counted(glitches) == {"temperature": 1}

    held(glitches, replace(odd, reported_at=REPORTED + timedelta(minutes=5)))

    assert counted(glitches) == {"temperature": 2}


def test_more_of_the_same_within_a_sweep_counts_the_difference() -> None:
    """What was left out on the way is counted with what is found here."""
    glitches = Glitches()
    held(glitches, found={"voltage": 2})
    held(glitches, found={"voltage": 3, "power": 1})
    held(glitches)

    assert counted(glitches) == {"voltage": 3, "power": 1}


def test_an_empty_table_is_a_sweep_of_its_own() -> None:
    """Without a reporting time what repeats counts once, too."""
    glitches = Glitches()
    for _ in range(3):
        glitches.hold_back((), replace(ECU, energy_lifetime_wh=0.0), found={})

    assert counted(glitches) == {"lifetime_zero": 1}
