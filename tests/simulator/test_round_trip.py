"""The two sides of the wire: whatever the simulator writes, the parser reads back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.model import Channel, EcuInfo, Inverter, PhaseVoltage
from aps_exporter.simulator.odd_cells import ODD_CELLS, scatter
from aps_exporter.simulator.pages import PageStyle, write_home, write_table
from aps_exporter.simulator.settings import FAMILIES, Language

STYLES = [PageStyle(family=f, language=one) for f in FAMILIES for one in get_args(Language)]

serials = st.integers(10**11, 10**12 - 1).map(str)
watts = st.integers(-50, 12_000).map(float)
volts = st.integers(0, 300).map(float)
hertz = st.integers(0, 700).map(lambda tenths: tenths / 10)
# -60 is what the firmware computes from nothing, and so is read as nothing.
celsius = st.integers(-59, 150).map(float)
times = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(  # noqa: DTZ001  # local
    lambda at: at.replace(microsecond=0)
)


@st.composite
def inverters(draw: st.DrawFn) -> Inverter:
    """Any inverter: online with any value missing, offline, or never contacted."""
    serial = draw(serials)
    names = draw(st.sampled_from([("A", "B"), ("1", "2", "3", "4"), ("1", "2"), ()]))
    if not names:
        return Inverter(serial=serial, channels=(), reported_at=draw(st.none() | times))
    if draw(st.booleans()):
        return Inverter(
            serial=serial,
            channels=tuple(Channel(id=f"{serial}-{n}", name=n, power_w=None) for n in names),
        )
    phases = draw(st.sampled_from([(), ("",), ("A", "B", "C")[: len(names)]]))
    return Inverter(
        serial=serial,
        channels=tuple(
            Channel(
                id=f"{serial}-{name}",
                name=name,
                power_w=draw(st.none() | watts),
                dc_voltage_v=draw(st.none() | volts),
            )
            for name in names
        ),
        grid_voltages=tuple(PhaseVoltage(phase=p, voltage_v=draw(volts)) for p in phases),
        grid_frequency_hz=draw(st.none() | hertz),
        temperature_c=draw(st.none() | celsius),
        reported_at=draw(st.none() | times),
    )


plants = st.lists(inverters(), max_size=6, unique_by=lambda inverter: inverter.serial)
counts = st.integers(0, 500)
words = st.from_regex(r"[A-Z]?[0-9](\.[0-9]{1,2}){0,2}[A-Z&<>\"']?", fullmatch=True)
# Two decimals of a kilowatt hour are all that a page has.
energies = st.integers(0, 10_000_000).map(lambda tens: tens * 10.0)
infos = st.builds(
    EcuInfo,
    ecu_id=serials,
    firmware=st.none() | words,
    timezone=st.none() | st.sampled_from(["Europe/Amsterdam", "Asia/Shanghai", "Etc/GMT-8"]),
    energy_lifetime_wh=st.none() | energies,
    energy_today_wh=st.none() | energies,
    power_w=st.none() | watts,
    inverters=st.none() | counts,
    inverters_online=st.none() | counts,
    clock=st.none() | times,
)


def _as_written(inverter: Inverter, style: PageStyle) -> Inverter:
    """Leave out what a family's page has no room for."""
    if style.family != "php-dc":
        channels = tuple(replace(channel, dc_voltage_v=None) for channel in inverter.channels)
        inverter = replace(inverter, channels=channels)
    if style.family == "cgi":
        first = tuple(replace(each, phase="") for each in inverter.grid_voltages[:1])
        inverter = replace(inverter, grid_voltages=first)
    return inverter


@pytest.mark.parametrize("style", STYLES, ids=lambda style: f"{style.family}-{style.language}")
@settings(max_examples=50, deadline=None)
@given(plant=plants)
def test_any_plant_comes_back_from_its_table_page(style: PageStyle, plant: list[Inverter]) -> None:
    """Plant → page → parser gives the plant, but for what the page has no room for."""
    table = parse_table(write_table(plant, style))

    assert table.inverters == tuple(_as_written(inverter, style) for inverter in plant)
    assert table.unreadable == ()
    assert table.duplicate_rows == 0


@pytest.mark.parametrize("style", STYLES, ids=lambda style: f"{style.family}-{style.language}")
@settings(max_examples=50, deadline=None)
@given(info=infos, connected_at=st.none() | times)
def test_any_ecu_comes_back_from_its_home_page(
    style: PageStyle, info: EcuInfo, connected_at: datetime | None
) -> None:
    """What the ECU says about itself is read back; the clock stands on php pages only."""
    parsed = parse_home(write_home(info, style, connected_at))

    assert parsed == (replace(info, clock=None) if style.family == "cgi" else info)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: f"{style.family}-{style.language}")
def test_a_single_input_comes_back_under_its_bare_serial(style: PageStyle) -> None:
    """A row without a suffix that has a power is an inverter with one nameless channel."""
    serial = "300000012345"
    inverter = Inverter(
        serial=serial,
        channels=(Channel(id=serial, name="", power_w=7.0, dc_voltage_v=31.0),),
        grid_voltages=(PhaseVoltage(phase="", voltage_v=230.0),),
    )

    table = parse_table(write_table([inverter], style))

    assert table.inverters == (_as_written(inverter, style),)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("position", range(len(ODD_CELLS)), ids=lambda i: ODD_CELLS[i].text)
def test_an_odd_cell_is_read_right_or_not_at_all(family: str, position: int) -> None:
    """Each odd cell gives its true value or none, never another number."""
    cell = ODD_CELLS[position]
    serial = "801000012345"
    usual = Inverter(
        serial=serial,
        channels=(Channel(id=f"{serial}-1", name="1", power_w=20.0),),
        grid_voltages=(PhaseVoltage(phase="", voltage_v=230.0),),
        grid_frequency_hz=50.0,
        temperature_c=20.0,
    )
    style = PageStyle(family=family)  # type: ignore[arg-type]  # parametrised with families
    page = write_table([usual], style, {(f"{serial}-1", cell.column): cell.text})
    (read,) = parse_table(page).inverters

    values = {
        "power": read.channels[0].power_w,
        "voltage": read.grid_voltages[0].voltage_v if read.grid_voltages else None,
        "frequency": read.grid_frequency_hz,
        "temperature": read.temperature_c,
    }

    assert values == {
        "power": 20.0,
        "voltage": 230.0,
        "frequency": 50.0,
        "temperature": 20.0,
    } | {cell.column: cell.value}


def test_scattered_odd_cells_are_all_used() -> None:
    """A roof of eight inverters gets every odd cell at least once."""
    roof = [
        Inverter(
            serial=f"80100000000{number}",
            channels=tuple(
                Channel(id=f"80100000000{number}-{n}", name=n, power_w=0.0) for n in "1234"
            ),
        )
        for number in range(8)
    ]

    assert set(scatter(roof).values()) == set(ODD_CELLS)
