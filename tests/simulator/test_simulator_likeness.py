"""Our pages against those that real ECUs wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.simulator.pages import PageStyle, write_home, write_table
from aps_exporter.simulator.settings import Family


def _table(page: bytes) -> bytes:
    """Cut the page's one table out."""
    return page[page.index(b"<table") : page.index(b"</table>")]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("ecu3_v3.10.5_cgi-bin-parameters_yc500_prettified.html", "cgi"),
        ("ecu_v4_index-php-realtimedata_yc600_mixed-offline.html", "php"),
        ("ecuc_c2.x_index-php-realtimedata_qs1-4ch.html", "php"),
        (
            "ecuc_2022_index-php-realtimedata_qs1-dcvoltage_one-unreachable_prettified.html",
            "php-dc",
        ),
    ],
)
def test_a_real_table_read_and_written_again_is_the_same(
    captures: Path, name: str, family: Family
) -> None:
    """Every byte of the table is as on the real page, but for what its publisher changed."""
    real = (captures / name).read_bytes()
    ours = _table(write_table(parse_table(real).inverters, PageStyle(family=family)))
    real = _table(real)
    if "prettified" in name:
        real, ours = (re.sub(rb"\s+", b"", page) for page in (real, ours))
    elif b"\r\n" not in real:
        ours = ours.replace(b"\r\n", b"\n")

    assert ours == real


def test_a_real_home_page_read_and_written_again_is_the_same(captures: Path) -> None:
    """Labels, values and the clock's script are as on the real page; addresses are invented."""
    real = (captures / "ecuc_c1.1.9_index-php-home_3of4-online.html").read_bytes()
    ours = write_home(parse_home(real), PageStyle(family="php"))
    row = re.compile(rb"<th scope=\"row\"[^>]*>([^<]*)</th>\s*<td>([^<]*)</td>")
    clock = re.compile(rb"today\.setFullYear.*?var timestamp", re.DOTALL)
    unknown = {b"Last Connection to website", b"ECU Eth0 Mac Address", b"ECU Wlan0 Mac Address"}

    def known(page: bytes) -> list[tuple[bytes, bytes]]:
        return [(label, value) for label, value in row.findall(page) if label not in unknown]

    assert row.findall(ours)[0][0] == b"ECU ID"
    assert [label for label, _ in row.findall(ours)] == [label for label, _ in row.findall(real)]
    assert known(ours) == known(real)
    assert clock.findall(ours.replace(b"\r\n", b"\n")) == clock.findall(real)
