"""The table and home pages in every odd shape: each page of `pages/` has its truth beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from aps_exporter.doctor.bundle import table_truth
from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.errors import EcuPageError
from aps_exporter.model import EcuInfo, Table

PAGES = Path(__file__).parent / "pages"
TABLES = sorted(PAGES.glob("*.html"))

PHP = (PAGES / "php-dc-never-contacted.html").read_bytes()
CGI = (PAGES / "cgi.html").read_bytes()

HEADING = (
    b"<tr><th>Inverter ID</th><th>Current Power</th><th>Grid Frequency</th>"
    b"<th>Grid Voltage</th><th>Temperature</th><th>Reporting Time</th></tr>"
)

HOME_PHP = """<!DOCTYPE html><html><body><table class="table">
<tr><!-- ECU ID --><th scope="row">ECU ID</th><td>215000012345</td></tr>
<tr><!-- 历史发电量 --><th scope="row">Lifetime generation</th><td>4,379.52 kWh </td></tr>
<tr><th scope="row">Last System Power</th><td>389 W </td></tr>
<tr><th scope="row">Generation of Current Day</th><td>2.6 kWh </td></tr>
<tr><th scope="row">Last Connection to website</th><td>Never connected</td></tr>
<tr><th scope="row">Number of Inverters</th><td>4</td></tr>
<tr><th scope="row">Last Number of Inverters Online</th><td>3</td></tr>
<tr><th scope="row">Current Software Version</th><td>C1.1.9
</td></tr>
<tr><th scope="row">Current Time Zone</th><td>Europe/Warsaw</td></tr>
<!-- <tr><th>ECU ID</th><td>999999999999</td></tr> -->
</table><script>
var today = new Date();
    today.setFullYear(2026
);
    today.setMonth(6);
    today.setDate(13
);
    today.setHours(10
);
    today.setMinutes(47
);
    today.setSeconds(42
);
</script></body></html>""".encode()

HOME_CGI = (
    b"<html><body><table><center><tr><td align=center>ECU ID</td>"
    b"<td align=center>203000012345</td></tr></center>"
    b"<center><tr><td align=center>Lifetime generation</td>"
    b"<td align=center>1205.56 kWh</td></tr></center>"
    b"<center><tr><td align=center>Current Power</td><td align=center>145 W</td></tr></center>"
    b"<center><tr><td align=center>Generation Of Current Day</td>"
    b"<td align=center>18.21 kWh</td></tr></center>"
    b"<center><tr><td align=center>Current Software Version</td>"
    b"<td align=center>V3.11.4</td></tr></center>"
    b"<center><tr><td align=center>Current Timezone</td>"
    b"<td align=center>Australia/Perth</td></tr></center></table></body></html>"
)


def fault_of(parse: Callable[[bytes], object], page: bytes) -> str:
    """Give the status of the error that a page must raise."""
    with pytest.raises(EcuPageError) as caught:
        parse(page)
    return caught.value.status


@pytest.mark.parametrize("page", TABLES, ids=lambda page: page.stem)
def test_every_page_of_the_folder_reads_as_its_truth_says(page: Path) -> None:
    """A page gives what stands beside it in a JSON file, to the last value, or that fault."""
    truth = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    try:
        read = table_truth(parse_table(page.read_bytes()))
    except EcuPageError as error:
        read = {"fault": error.status}

    assert read == truth


@pytest.mark.parametrize("page", TABLES, ids=lambda page: page.stem)
def test_line_ends_change_nothing(page: Path) -> None:
    """A page with CRLF line ends reads as the same page with LF."""
    truth = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    try:
        read = table_truth(parse_table(page.read_bytes().replace(b"\n", b"\r\n")))
    except EcuPageError as error:
        read = {"fault": error.status}

    assert read == truth


def test_ids_are_as_printed() -> None:
    """A panel's id is the page's own, blanks around it removed."""
    ids = [channel.id for i in parse_table(PHP).inverters for channel in i.channels]

    assert ids == [f"801000090001-{n}" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("page", [CGI, PHP], ids=["cgi", "php"])
def test_a_page_cut_anywhere_is_whole_or_an_error(page: bytes) -> None:
    """Cut after any byte, a page gives the whole table (only the foot is lost) or is truncated."""
    whole = parse_table(page)
    faults = set()
    for end in range(len(page)):
        try:
            table = parse_table(page[:end])
        except EcuPageError as error:
            faults.add(error.status)
            assert end < page.index(b"</table") + len(b"</table")
        else:
            assert table == whole

    assert faults == {"page_truncated"}


@pytest.mark.parametrize("page", [HOME_CGI, HOME_PHP], ids=["cgi", "php"])
def test_a_home_page_cut_anywhere_has_no_wrong_value(page: bytes) -> None:
    """Cut after any byte, a home page gives all values (perhaps without clock) or is truncated."""
    whole = parse_home(page)
    no_clock = parse_home(page.replace(b"setFullYear", b""))
    faults = set()
    for end in range(len(page)):
        try:
            info = parse_home(page[:end])
        except EcuPageError as error:
            faults.add(error.status)
        else:
            assert info in (whole, no_clock)

    assert faults == {"page_truncated"}


@pytest.mark.parametrize("nothing", [b"", b" \r\n\t", b"<", b"<html>"])
def test_an_answer_without_a_page_is_cut_off(nothing: bytes) -> None:
    """An empty body, or one that ends before anything was said, is worth asking for again."""
    assert fault_of(parse_table, nothing) == "page_truncated"


@pytest.mark.parametrize(
    "heading",
    [
        b"<th>Current Power<th>Grid Voltage",
        b"<th>Inverter ID<th>Current Power<th>Temperature",
        b"<th>Inverter ID<th>Grid Voltage<th>Reporting Time",
        b"<th>Inverter ID<th>Current Power<th>Date" + b"<th>more" * 40,
    ],
    ids=["no place for the id", "too little of it", "no power", "too wide"],
)
def test_what_is_no_heading_of_ours_is_not_read(heading: bytes) -> None:
    """A table needs power, one more column of ours, a place for the id, and some measure."""
    page = b"<html><table><tr>" + heading + b"<tr><td>408000012345-A</table></html>"

    assert fault_of(parse_table, page) == "page_unrecognised"


def test_nul_bytes_are_blanks() -> None:
    """A NUL, as a half-written data file gives, does not end the page."""
    page = PHP.replace(b" 31 W ", b" \x0031 W\0").replace(b"</thead>", b"\0</thead>")

    assert parse_table(page) == parse_table(PHP)


def test_invalid_utf8_spoils_only_its_cell() -> None:
    """Bytes that are no UTF-8 make their own cell unreadable and no other."""
    table = parse_table(CGI.replace(b" 120&nbsp;W", b" 12\xff0&nbsp;W"))
    (cell,) = table.unreadable

    assert (cell.row, cell.column) == ("408000012345-A", "power")
    assert [c.power_w for c in table.inverters[0].channels] == [None, 0]


def test_latin1_degrees_cost_the_degrees_only() -> None:
    """A page in Latin-1 keeps all values but those with a byte outside ASCII."""
    table = parse_table(PHP.replace(b"&#176;", b"\xb0"))

    assert table.inverters[0].temperature_c is None
    assert table.inverters[0].grid_frequency_hz == 50.0


def test_a_byte_order_mark_changes_nothing() -> None:
    """A UTF-8 byte order mark before the page is skipped."""
    assert parse_table(b"\xef\xbb\xbf" + PHP) == parse_table(PHP)


def test_a_charset_that_lies_changes_nothing() -> None:
    """The page's own word about its encoding is ignored: it is always UTF-8."""
    page = (PAGES / "php-chinese.html").read_bytes()

    assert parse_table(page.replace(b"utf-8", b"gb2312")) == parse_table(page)


def test_a_deep_page_is_no_crash() -> None:
    """Elements nested a hundred thousand deep give an answer or a page error."""
    page = b"<html><body>" + b"<div>" * 100_000 + b"<table>" + HEADING + b"</table></body></html>"
    try:
        table = parse_table(page)
    except EcuPageError:
        return

    assert table == Table(inverters=())


def test_a_table_of_many_rows_is_read_whole() -> None:
    """A thousand inverters of four panels are all there."""
    rows = b"".join(
        b"<tr><td>%012d-1</td><td>7 W</td><td rowspan=4>50.0 Hz</td><td>230 V</td>"
        b"<td rowspan=4>20 &#176;C</td><td rowspan=4>2026-05-04 12:30:05</td></tr>"
        % serial
        + b"".join(
            b"<tr><td>%012d-%d</td><td>7 W</td><td>230 V</td></tr>" % (serial, n) for n in (2, 3, 4)
        )
        for serial in range(801000000000, 801000001000)
    )
    table = parse_table(b"<html><table>" + HEADING + rows + b"</table></html>")

    assert sum(c.power_w or 0 for i in table.inverters for c in i.channels) == 28_000
    assert not table.unreadable


def test_a_long_unreadable_cell_is_shown_short() -> None:
    """What is kept of an unreadable cell fits a log line."""
    row = b"<tr><td>408000012345-A</td><td>" + b"x " * 5000 + b"</td><td>-</td>" * 4 + b"</tr>"
    table = parse_table(b"<table>" + HEADING + row + b"</table>")

    assert max(len(cell.text) for cell in table.unreadable) <= 80


def test_the_php_home_page_is_read() -> None:
    """Energy in watt-hours, thousands commas and all, and the ECU's own clock."""
    assert parse_home(HOME_PHP) == EcuInfo(
        ecu_id="215000012345",
        firmware="C1.1.9",
        timezone="Europe/Warsaw",
        energy_lifetime_wh=4_379_520.0,
        energy_today_wh=2600.0,
        power_w=389.0,
        inverters=4,
        inverters_online=3,
        clock=datetime(2026, 7, 13, 10, 47, 42),  # noqa: DTZ001  # the ECU's clock has no zone
    )


def test_the_cgi_home_page_is_read() -> None:
    """The old spelling of the labels, and what it lacks is unknown."""
    assert parse_home(HOME_CGI) == EcuInfo(
        ecu_id="203000012345",
        firmware="V3.11.4",
        timezone="Australia/Perth",
        energy_lifetime_wh=1_205_560.0,
        energy_today_wh=18_210.0,
        power_w=145.0,
    )


def test_a_chinese_home_page_is_read() -> None:
    """A unit switched to Chinese says the same."""
    page = """<html><body><table>
    <tr><th>ECU ID</th><td>215000012345</td></tr>
    <tr><th>历史发电量</th><td>4379.52 kWh</td></tr>
    <tr><th>最近一次系统功率</th><td>389 W</td></tr>
    <tr><th>系统当天累计发电量</th><td>0</td></tr>
    <tr><th>逆变器总台数</th><td>4</td></tr>
    <tr><th>最近一次逆变器连接台数</th><td>3</td></tr>
    <tr><th>软件版本号</th><td>C1.1.9</td></tr>
    <tr><th>当前时区</th><td>Asia/Shanghai</td></tr>
    </table></body></html>"""

    assert parse_home(page.encode()) == EcuInfo(
        ecu_id="215000012345",
        firmware="C1.1.9",
        timezone="Asia/Shanghai",
        energy_lifetime_wh=4_379_520.0,
        energy_today_wh=0.0,
        power_w=389.0,
        inverters=4,
        inverters_online=3,
    )


@pytest.mark.parametrize(
    ("value", "energy_wh"),
    [
        ("4379.52 kWh", 4_379_520.0),
        ("4379.52", 4_379_520.0),
        ("12.5 MWh", 12_500_000.0),
        ("900 Wh", 900.0),
        ("-", None),
        ("0", 0.0),
    ],
)
def test_energy_comes_with_its_unit_or_in_kilowatt_hours(
    value: str, energy_wh: float | None
) -> None:
    """A lifetime without unit is in kilowatt-hours, as all its pages write it."""
    page = HOME_CGI.replace(b"1205.56 kWh", value.encode())

    assert parse_home(page).energy_lifetime_wh == energy_wh


def test_unreadable_values_of_a_home_page_are_absent_and_counted() -> None:
    """A value that isn't one is unknown, and named."""
    info = parse_home(HOME_PHP.replace(b"389 W", b"389 VA").replace(b">3<", b">three<"))

    assert info.power_w is None
    assert info.inverters_online is None
    assert [(cell.row, cell.text) for cell in info.unreadable] == [
        ("power_w", "389 VA"),
        ("inverters_online", "three"),
    ]


@pytest.mark.parametrize("hostile", ["x" * 65, "C1\u00001", "C1&#10;<b>é</b>", ""])
def test_names_that_are_no_labels_are_unknown(hostile: str) -> None:
    """A firmware that is long, empty or not printable ASCII is left out."""
    page = HOME_CGI.replace(b"V3.11.4", hostile.encode())
    if hostile == "C1\u00001":
        assert parse_home(page).firmware == "C1 1"
        return

    assert parse_home(page).firmware is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"setMonth(6)", b"setMonth(12)"),
        (b"setHours(10", b"setHours(25"),
        (b"setMinutes", b"setminutes"),
        (b"setFullYear(2026", b"setFullYear(0000"),
        (b"setFullYear(2026", b"setFullYear(9999"),
    ],
)
def test_a_clock_that_is_none_is_unknown(old: bytes, new: bytes) -> None:
    """A script whose numbers are no time gives no clock, and costs nothing else."""
    info = parse_home(HOME_PHP.replace(old, new))

    assert info.clock is None
    assert info.power_w == 389.0


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("another-vendor", "page_unrecognised"),
        ("cgi", "page_unrecognised"),
        ("gone-codeigniter", "page_gone"),
        ("gone-plain", "page_gone"),
        ("json-answer", "page_unrecognised"),
        ("no-table", "page_unrecognised"),
    ],
)
def test_a_page_that_is_no_home_page_is_said_so(page: str, fault: str) -> None:
    """Other vendors' pages, the table page and error pages are not the home page."""
    assert fault_of(parse_home, (PAGES / f"{page}.html").read_bytes()) == fault


def test_the_home_page_is_no_table_page() -> None:
    """The home page of a php unit has "Current Power"-like labels, but no table of inverters."""
    assert fault_of(parse_table, HOME_CGI) == "page_unrecognised"
    assert fault_of(parse_table, HOME_PHP) == "page_unrecognised"
