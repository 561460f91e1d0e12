"""Whatever bytes arrive: a value or our own error, never another exception, and soon."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_exporter.ecu.cells import CELSIUS, ENERGY, WATTS, Quantity, UnreadableError, read_number
from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.errors import EcuPageError
from aps_exporter.model import Table

PAGES = sorted((Path(__file__).parent / "pages").glob("*.html"))
SOUPS = [page.read_bytes() for page in PAGES]
FRAGMENTS = [
    b"<table>",
    b"</table>",
    b"<tr>",
    b"</tr>",
    b"<td>",
    b"<th>",
    b"<td rowspan=3>",
    b"<center>",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"<script>",
    b"&#0;",
    b"&#x110000;",
    b"&copy2013",
    b"\xff\xfe",
    b"\0",
    b"Inverter ID",
    b"Current Power",
    b"Grid Voltage",
    b"ECU ID",
    b"408000012345-A",
    b" 12 W",
    b"today.setFullYear(2026",
    b"setMonth(99)",
]
mutations = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 40),
        st.one_of(st.binary(max_size=8), st.sampled_from(FRAGMENTS)),
    ),
    max_size=12,
)


def mutate(page: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """Cut pieces out of a page, and put others in."""
    for place, length, piece in changes:
        start = int(place * len(page))
        page = page[:start] + piece + page[start + length :]
    return page


def survive(page: bytes) -> None:
    """Read a page in both ways."""
    for parse in (parse_table, parse_home):
        with contextlib.suppress(EcuPageError):
            parse(page)


@settings(deadline=1000, max_examples=150, derandomize=True)
@given(st.binary(max_size=2000))
def test_any_bytes_are_a_page_or_a_page_error(page: bytes) -> None:
    """Noise never gets through, and never gets out as another exception."""
    survive(page)


@settings(deadline=1000, max_examples=200, derandomize=True)
@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=5)), max_size=60))
def test_any_tags_are_a_page_or_a_page_error(pieces: list[bytes]) -> None:
    """Tags in any order, closed or not, are survived."""
    survive(b"".join(pieces))


@settings(deadline=1000, max_examples=200, derandomize=True)
@given(st.sampled_from(SOUPS), mutations)
def test_any_mutation_of_a_page_is_survived(
    page: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    """Damage anywhere in a page is survived."""
    survive(mutate(page, changes))


@settings(deadline=1000, max_examples=200, derandomize=True)
@given(st.sampled_from(SOUPS), mutations)
def test_a_damaged_table_has_no_id_twice(
    page: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    """However damaged, serials and panel ids are unique, short and printable: they are labels."""
    try:
        table: Table = parse_table(mutate(page, changes))
    except EcuPageError:
        return
    ids = [channel.id for inverter in table.inverters for channel in inverter.channels]
    serials = [inverter.serial for inverter in table.inverters]

    assert len(set(ids)) == len(ids)
    assert len(set(serials)) == len(serials)
    assert all(len(i) <= 65 and i.isascii() and i.isprintable() for i in (*ids, *serials))


@settings(deadline=1000, max_examples=200, derandomize=True)
@given(
    st.text(alphabet="0123456789.,+-−–kKwWhHzZ°ºCFoV/ \xa0eE٣", max_size=14),
    st.sampled_from([WATTS, CELSIUS, ENERGY]),
)
def test_any_cell_is_a_finite_number_nothing_or_unreadable(text: str, quantity: Quantity) -> None:
    """A cell gives a finite number made of its own digits, nothing, or `UnreadableError`."""
    try:
        value = read_number(text, quantity)
    except UnreadableError:
        return

    assert value is None or abs(value) < 1e15
    assert value is None or any(digit in text for digit in "0123456789")


@settings(deadline=1000, max_examples=200, derandomize=True)
@given(st.integers(-999_999, 999_999), st.sampled_from(["", " W", "\xa0W", "W "]))
def test_whole_watts_read_back(watts: int, unit: str) -> None:
    """What a page would write for a power, with or without thousands commas, reads back."""
    assert read_number(f"{watts}{unit}", WATTS) == watts
    assert read_number(f"{watts:,}{unit}", WATTS) == watts


HOSTILE = {
    "tables in tables": b"<table><tr><td>" * 40_000,
    "open comments": b"<table>" + b"<!--" * 200_000,
    "giant rowspans": b"<table><tr><th>Inverter ID<th>Current Power<th>Date"
    + b"<tr><td rowspan=9999>a-1<td rowspan=9999>1<td rowspan=9999>-" * 8000
    + b"</table>",
    "spans over short rows": b"<table><tr>"
    + b"<th>Current Power" * 2
    + b"<th>Date<tr>"
    + b"<td rowspan=9999>1" * 20_000
    + b"<tr><td>2" * 2_000
    + b"</table>",
    "a clock that never comes": (
        b"<table><tr><td>ECU ID<td>1</table>"
        + (
            b"setFullYear(2026)"
            + b"setMonth(1)" * 8
            + b"setDate(1)" * 9
            + b"setHours(1)" * 8
            + b"setMinutes(1)" * 7
        )
        * 2500
    ),
    "digits": b"<table><tr><th>Inverter ID<th>Current Power<th>Date<tr><td>a-1<td>"
    + b"1,111" * 150_000
    + b"<td>-</table>",
    "an id without end": b"<table><tr><th>Inverter ID<th>Current Power<th>Date<tr><td>"
    + b"a-" * 400_000
    + b"</table>",
    "entities": b"<table>" + b"&amp;&lt;&#48;" * 60_000 + b"</table>",
    "attributes": b"<table " + b"a=1 " * 200_000 + b">",
    "404 and no more": b"404" + b" " * 900_000 + b"not found",
}


@pytest.mark.parametrize("page", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("parse", [parse_table, parse_home])
def test_hostile_pages_take_no_longer_than_long_ones(
    page: bytes, parse: Callable[[bytes], object], monotonic_limit: Callable[[], float]
) -> None:
    """A page of up to 1 MiB made to waste time is done with in seconds."""
    with contextlib.suppress(EcuPageError):
        parse(page)

    assert monotonic_limit() < 5
