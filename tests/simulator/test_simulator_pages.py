"""The pages are written as the real ones are, odd nesting and all."""

from __future__ import annotations

import json
import re
from datetime import datetime

import pytest

from aps_exporter.model import Channel, EcuInfo, Inverter, PhaseVoltage
from aps_exporter.simulator.pages import PageStyle, write_graph, write_home, write_table

AT = datetime(2026, 6, 21, 12, 30, 7)  # noqa: DTZ001  # the ECU's wall clock
ONLINE = Inverter(
    serial="408000012345",
    channels=(
        Channel(id="408000012345-A", name="A", power_w=23.0, dc_voltage_v=36.0),
        Channel(id="408000012345-B", name="B", power_w=0.0, dc_voltage_v=35.0),
    ),
    grid_voltages=(PhaseVoltage(phase="", voltage_v=230.0),),
    grid_frequency_hz=50.0,
    temperature_c=45.0,
    reported_at=AT,
)
OFFLINE = Inverter(
    serial="408000012346",
    channels=(Channel(id="408000012346-A", name="A", power_w=None),),
)
NEVER = Inverter(serial="801000012347", channels=(), reported_at=AT)
THREE_PHASE = Inverter(
    serial="501000012345",
    channels=tuple(Channel(id=f"501000012345-{n}", name=n, power_w=5.0) for n in "1234"),
    grid_voltages=tuple(
        PhaseVoltage(phase=phase, voltage_v=volts)
        for phase, volts in (("A", 231.0), ("B", 233.0), ("C", 230.0))
    ),
)
INFO = EcuInfo(
    ecu_id="216200099999",
    firmware="2.0.2",
    timezone="Europe/Amsterdam",
    energy_lifetime_wh=4_379_520.0,
    energy_today_wh=2600.0,
    power_w=389.0,
    inverters=4,
    inverters_online=3,
    clock=AT,
)


def _cells(page: bytes) -> list[list[str]]:
    """Cut the data rows out of a table page, byte for byte."""
    rows = re.findall(r"<tr.*?</tr>", page.decode(), re.DOTALL)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in rows]


def test_a_cgi_row_repeats_all_cells() -> None:
    """Every channel has six cells, with a blank before each value and an entity in it."""
    _, first, second, _footer = _cells(write_table([ONLINE], PageStyle(family="cgi")))

    assert first == [
        "408000012345-A",
        " 23&nbsp;W",
        " 50.0&nbsp;Hz",
        " 230&nbsp;V",
        " 45&nbsp;<sup>o</sup>C",
        " 2026-06-21 12:30:07",
    ]
    assert second == ["408000012345-B", " 0&nbsp;W", *first[2:]]


def test_an_offline_cgi_row_has_units_without_numbers() -> None:
    """An inverter that didn't answer has blanks for numbers and a dash for the date."""
    _, row, never, _footer = _cells(write_table([OFFLINE, NEVER], PageStyle(family="cgi")))

    assert row == [
        "408000012346-A",
        *(" &nbsp;W", " &nbsp;Hz", " &nbsp;V", " &nbsp;<sup>o</sup>C"),
        " -",
    ]
    assert never[0] == "801000012347"
    assert never[-1] == " 2026-06-21 12:30:07"


@pytest.mark.parametrize("page", ["table", "home"])
def test_a_cgi_page_is_one_line_of_illegal_nesting(page: str) -> None:
    """Rows sit in <center> in <table>, attributes are bare, and a row stands behind the table."""
    style = PageStyle(family="cgi")
    text = (write_table([ONLINE], style) if page == "table" else write_home(INFO, style)).decode()

    assert "\n" not in text
    assert "<center><tr" in text
    assert "</tr></center></table><br><br><hr></hr><center><tr><td>&copy2013 " in text
    assert '"' not in text
    assert "<th" not in text


def test_a_cgi_home_page_says_it_its_own_way() -> None:
    """Labels of the CGI generation differ down to their capitals; energies have two decimals."""
    text = write_home(INFO, PageStyle(family="cgi")).decode()
    row = "<center><tr><td align=center>{}</td><td align=center>{}</td></tr></center>"

    for label, value in {
        "Lifetime generation": "4379.52 kWh",
        "Current Power": "389 W",
        "Generation Of Current Day": "2.60 kWh",
        "Last connection to website": "Never connected",
        "Current Timezone": "Europe/Amsterdam",
    }.items():
        assert row.format(label, value) in text


def test_a_php_inverter_shares_cells_over_its_rows() -> None:
    """Hertz, degrees and time stand in the first row only, and span the others."""
    page = write_table([ONLINE], PageStyle(family="php"))
    _, first, second = _cells(page)

    assert first == [
        *("408000012345-A ", " 23 W ", " 50.0 Hz ", " 230 V ", " 45 &#176;C "),
        " 2026-06-21 12:30:07\n ",
    ]
    assert second == ["408000012345-B ", " 0 W ", " 230 V "]
    assert page.count(b"<td rowspan=2 style='vertical-align: middle;'>") == 3


def test_offline_and_never_contacted_php_rows_have_dashes() -> None:
    """Offline: a dash for the time too. Never contacted: one row, no suffix, a real time."""
    page = write_table([OFFLINE, NEVER], PageStyle(family="php-dc"))
    _, offline, never = _cells(page)

    assert offline == ["408000012346-A ", *["- "] * 5, " -\n "]
    assert never == ["801000012347 ", *["- "] * 5, " 2026-06-21 12:30:07\n "]
    assert page.count(b"rowspan=1") == 6


def test_three_phases_stand_in_three_rows() -> None:
    """A YC1000's first three rows name a phase each, the fourth has none."""
    _, *rows = _cells(write_table([THREE_PHASE], PageStyle(family="php-3phase")))

    voltages = [rows[0][3], *(row[2] for row in rows[1:])]

    assert voltages == [" A: 231 V ", " B: 233 V ", " C: 230 V ", "- "]


def test_php_lines_end_in_crlf_but_for_the_time_cells() -> None:
    """Only the line end that comes from the data file is a bare LF, once for each inverter."""
    page = write_table([ONLINE, OFFLINE, NEVER], PageStyle(family="php"))

    assert page.count(b"\n") - page.count(b"\r\n") == 3


@pytest.mark.parametrize(
    ("family", "late"), [("php", False), ("php-dc", True), ("php-3phase", True)]
)
def test_later_firmware_has_service_mode_and_a_typo(family: str, *, late: bool) -> None:
    """Service mode, its note and the unknown tag <d> came with later firmware."""
    page = write_table([ONLINE], PageStyle(family=family))  # type: ignore[arg-type]  # families

    assert (b'<d class="btn-group' in page) == late
    assert (b"service mode" in page) == late
    assert page.index(b"</table>") < page.index(b"<script>\r\n        /*")
    assert page.count(b"<table") == 1


def test_php_rows_sit_in_a_div_in_the_body() -> None:
    """Each inverter's rows are wrapped in an illegal <div>; every other inverter is active."""
    text = write_table([ONLINE, OFFLINE], PageStyle(family="php")).decode()

    assert "<tbody>\r\n        <div>\r\n            <tr class='active'>" in text
    assert "<div>\r\n            <tr >" in text
    assert '<th scope="col">Reporting Time</th>' in text


def test_chinese_pages_have_chinese_headings_and_the_same_units() -> None:
    """The language changes words, not units."""
    style = PageStyle(family="php", language="chinese")

    assert '<th scope="col">电网频率</th>' in write_table([ONLINE], style).decode()
    assert " 50.0 Hz " in write_table([ONLINE], style).decode()
    assert (
        "系统当天累计发电量</th>\r\n        <td>2.6 kWh </td>" in write_home(INFO, style).decode()
    )


def test_the_php_home_page_carries_the_clock_in_a_script() -> None:
    """The month counts from zero, and numbers from a shell bring their LF along."""
    text = write_home(INFO, PageStyle(family="php")).decode()

    assert "today.setFullYear(2026\n);\r\n    today.setMonth(5);\r\n    today.setDate(21\n)" in text
    assert "today.setSeconds(07\n);" in text


def test_text_is_escaped() -> None:
    """Nothing that a value holds becomes markup."""
    page = write_home(EcuInfo(firmware="<script>"), PageStyle(family="cgi"))

    assert b"<td align=center>&lt;script&gt;</td>" in page


def test_the_graph_is_json_with_a_text_for_the_energy() -> None:
    """Points have epoch milliseconds; a day without any says so."""
    day = json.loads(write_graph([(1782037104000, 389)], 2600.0))

    assert day == {
        "power": [{"time": 1782037104000, "each_system_power": 389}],
        "today_energy": "2.60",
        "subtitle": "",
    }
    assert write_graph([], 0.0) == b'{"power":[],"today_energy":"0","subtitle":"No Data"}'
