"""Pages that real ECUs wrote, against truth tables read off the raw pages by eye.

The pages stay where they are, and their serials too: inverters go by their place on the page.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.errors import EcuPageError
from aps_exporter.model import EcuInfo, Inverter, Reading, Table
from aps_exporter.summary import Roster

CGI = "ecu3_v3.10.5_cgi-bin-parameters_yc500_prettified.html"
V4_DUSK = "ecu_v4_index-php-realtimedata_yc600_mixed-offline.html"
ECU_C_2021 = "ecuc_c2.x_index-php-realtimedata_qs1-4ch.html"
ECU_C_2022 = "ecuc_2022_index-php-realtimedata_qs1-dcvoltage_one-unreachable_prettified.html"
HOME = "ecuc_c1.1.9_index-php-home_3of4-online.html"
GRAPHS = (
    "ecur-pro_2.0.x_index-php-realtimedata-power_graph.html",
    "ecur-pro_2.0.x_index-php-realtimedata-energy_graph.html",
)

Row = tuple[
    tuple[float | None, ...],  # watts of each channel
    tuple[float | None, ...],  # DC volts of each channel
    float | None,  # grid volts
    float | None,  # hertz
    float | None,  # degrees
]
OFF: Row = ((None, None), (None, None), None, None, None)
NO_DC = (None, None)
NO_DC4 = (None, None, None, None)

TRUTH: dict[str, list[Row]] = {
    CGI: [
        ((44, 32), NO_DC, 229, 50.1, 23),
        ((44, 42), NO_DC, 229, 50.1, 23),
        ((47, 46), NO_DC, 230, 50.0, 23),
        ((52, 53), NO_DC, 230, 50.0, 23),
        ((48, 51), NO_DC, 231, 50.0, 17),
    ],
    V4_DUSK: [
        OFF,
        ((2, 0), NO_DC, 233, 60.1, 27),
        ((0, 0), NO_DC, 235, 60.1, 25),
        ((2, 1), NO_DC, 233, 60.1, 27),
        OFF,
        OFF,
        OFF,
        OFF,
        ((0, 0), NO_DC, 235, 60.1, 17),
        OFF,
        OFF,
    ],
    ECU_C_2021: [
        ((19, 18, 24, 21), NO_DC4, 235, 50.0, 11),
        ((19, 18, 25, 22), NO_DC4, 236, 50.0, 11),
        ((19, 16, 23, 26), NO_DC4, 233, 50.0, 10),
        ((18, 19, 21, 25), NO_DC4, 235, 50.0, 11),
    ],
    ECU_C_2022: [
        ((20, 20, 28, 25), (39, 39, 33, 39), 235, 50.0, 21),
        ((27, 27, 31, 31), (40, 40, 40, 40), 233, 50.0, 23),
        ((28, 29, 31, 31), (41, 40, 40, 40), 237, 50.0, 22),
        ((), (), None, None, None),  # never contacted
    ],
}
TIMES = {
    CGI: "2024-06-15 14:07:07",
    V4_DUSK: "2024-05-26 20:22:19",
    ECU_C_2021: "2021-03-06 16:34:07",
    ECU_C_2022: "2022-05-22 14:38:28",
}
CHANNELS = {CGI: "AB", V4_DUSK: "AB", ECU_C_2021: "1234", ECU_C_2022: "1234"}
SUMS = {CGI: 459, V4_DUSK: 5, ECU_C_2021: 333, ECU_C_2022: 328}


def table(captures: Path, name: str) -> Table:
    """Read a captured page."""
    return parse_table((captures / name).read_bytes())


def told(inverter: Inverter) -> Row:
    """Write an inverter as a row of the truth table."""
    volts = [line.voltage_v for line in inverter.grid_voltages if line.phase == ""]
    return (
        tuple(channel.power_w for channel in inverter.channels),
        tuple(channel.dc_voltage_v for channel in inverter.channels),
        volts[0] if volts else None,
        inverter.grid_frequency_hz,
        inverter.temperature_c,
    )


@pytest.mark.parametrize("name", TRUTH)
def test_every_value_of_a_captured_page_is_right(captures: Path, name: str) -> None:
    """Watts, DC volts, volts, hertz and degrees of each inverter are those of the page."""
    assert [told(inverter) for inverter in table(captures, name).inverters] == TRUTH[name]


@pytest.mark.parametrize("name", TRUTH)
def test_every_cell_of_a_captured_page_is_understood(captures: Path, name: str) -> None:
    """No cell is unreadable, no row is a duplicate, no voltage has a phase."""
    read = table(captures, name)

    assert read.unreadable == ()
    assert read.duplicate_rows == 0
    assert {line.phase for i in read.inverters for line in i.grid_voltages} == {""}


@pytest.mark.parametrize("name", TRUTH)
def test_captured_ids_are_serial_and_channel(captures: Path, name: str) -> None:
    """Ids have a serial of twelve digits and the channels that the page shows, in its order."""
    for inverter in table(captures, name).inverters:
        names = "".join(channel.name for channel in inverter.channels)

        assert len(inverter.serial) == 12
        assert inverter.serial.isdecimal()
        assert names == (CHANNELS[name] if inverter.channels else "")
        assert [c.id for c in inverter.channels] == [f"{inverter.serial}-{n}" for n in names]


@pytest.mark.parametrize("name", TRUTH)
def test_captured_times_and_who_is_online(captures: Path, name: str) -> None:
    """Online inverters have the sweep's time; offline ones none; the never-contacted one has it."""
    time = datetime.fromisoformat(TIMES[name])
    inverters = table(captures, name).inverters
    never_contacted = [inverter for inverter in inverters if not inverter.channels]

    assert [i.online for i in inverters] == [row[3] is not None for row in TRUTH[name]]
    assert {i.reported_at for i in inverters if i.online} == {time}
    assert {i.reported_at for i in never_contacted} <= {time}
    assert all(i.reported_at is None for i in inverters if not i.online and i.channels)


@pytest.mark.parametrize("name", TRUTH)
def test_the_sum_of_a_captured_page(captures: Path, name: str) -> None:
    """Adding up the page by hand gives the same."""
    read = table(captures, name)
    summary = Roster().summarize(
        Reading(source="", interface="php", read_at=datetime.now(UTC), inverters=read.inverters)
    )

    assert summary.power_w == SUMS[name]
    assert summary.received == sum(
        watts is not None for powers, *_ in TRUTH[name] for watts in powers
    )


def test_the_captured_home_page(captures: Path) -> None:
    """Every value of the one complete home page there is, and the ECU's clock from its script."""
    info = parse_home((captures / HOME).read_bytes())
    ecu_id = info.ecu_id or ""

    assert len(ecu_id) == 12
    assert ecu_id.startswith("215")
    assert info == EcuInfo(
        ecu_id=ecu_id,
        firmware="C1.1.9",
        timezone="Europe/Warsaw",
        energy_lifetime_wh=4_379_520.0,
        energy_today_wh=2_600.0,
        power_w=389.0,
        inverters=4,
        inverters_online=3,
        clock=datetime.fromisoformat("2021-07-13 10:47:42"),
    )


@pytest.mark.parametrize("name", GRAPHS)
def test_a_captured_graph_page_is_not_recognised(captures: Path, name: str) -> None:
    """The graph pages are whole pages of an ECU without a table of inverters."""
    for parse in (parse_table, parse_home):
        with pytest.raises(EcuPageError) as caught:
            parse((captures / name).read_bytes())

        assert caught.value.status == "page_unrecognised"


@pytest.mark.parametrize("name", TRUTH)
def test_a_captured_table_is_no_home_page(captures: Path, name: str) -> None:
    """The table page says nothing about the ECU itself."""
    with pytest.raises(EcuPageError) as caught:
        parse_home((captures / name).read_bytes())

    assert caught.value.status == "page_unrecognised"


@pytest.mark.parametrize("name", TRUTH)
def test_a_captured_page_cut_anywhere_has_no_wrong_value(captures: Path, name: str) -> None:
    """Cut anywhere (every 7th byte), a real page is whole or truncated, and nothing between."""
    page = (captures / name).read_bytes()
    whole = parse_table(page)
    for end in range(0, len(page), 7):
        try:
            assert parse_table(page[:end]) == whole
        except EcuPageError as error:
            assert error.status == "page_truncated"  # noqa: PT017  # either outcome is fine
