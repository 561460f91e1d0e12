"""Whatever bytes a port sends: values or our own error, the same in any order of the records."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_exporter.ecu.frames import (
    complete,
    parse_curve,
    parse_inverters,
    parse_signals,
    parse_system,
)
from aps_exporter.errors import EcuPageError
from tests.ecu.frame_writing import curve, frame, inverters, record, signals, system

PARSERS: dict[bytes, Callable[[bytes], object]] = {
    b"0001": parse_system,
    b"0002": parse_inverters,
    b"0030": parse_signals,
    b"0003": parse_curve,
}
NUMBERS = {"00": 0, "01": 6, "02": 9, "03": 7, "04": 6, "05": 9}
CHANNELS = {"00": 0, "01": 2, "02": 4, "03": 4, "04": 2, "05": 4}

few = settings(deadline=None, max_examples=100, derandomize=True)


@st.composite
def records(draw: st.DrawFn, types: str = "000102030405") -> bytes:
    """Draw a record of any type, with any numbers."""
    type_ = draw(st.sampled_from([types[i : i + 2] for i in range(0, len(types), 2)]))
    numbers = draw(
        st.lists(st.integers(0, 65535), min_size=NUMBERS[type_], max_size=NUMBERS[type_])
    )
    serial = f"4080{draw(st.integers(1, 99_999_999)):08}"
    return record(serial, type_, *numbers, online=draw(st.integers(0, 1)))


def distinct(drawn: list[bytes]) -> list[bytes]:
    """Leave out records of an inverter that has one."""
    return list({part[:6]: part for part in drawn}.values())


replies = st.one_of(
    st.lists(records(), max_size=8).map(lambda parts: inverters(*parts)),
    st.just(system()),
    st.dictionaries(st.just("408000012345"), st.integers(0, 255)).map(signals),
    st.dictionaries(st.sampled_from(["0625", "1200", "2359"]), st.integers(0, 65535)).map(curve),
)


def survive(reply: bytes) -> None:
    """Read a reply in all ways."""
    for parse in PARSERS.values():
        with contextlib.suppress(EcuPageError):
            parse(reply)
    with contextlib.suppress(EcuPageError):
        complete(reply)


@few
@given(st.binary(max_size=300))
def test_any_bytes_are_a_reply_or_an_error(reply: bytes) -> None:
    """Noise gets out as our own error only."""
    survive(reply)


@few
@given(st.sampled_from(["0001", "0002", "0030", "0003"]), st.binary(max_size=300))
def test_any_body_is_a_reply_or_an_error(command: str, body: bytes) -> None:
    """So does noise in a frame that is right."""
    survive(frame(command, body))
    survive(frame(command, b"00" + body))
    survive(frame(command, b"0001" + body))


@few
@given(replies, st.integers(0, 400), st.binary(max_size=6), st.integers(0, 9))
def test_any_damage_is_survived(reply: bytes, start: int, piece: bytes, length: int) -> None:
    """Bytes may change, come and go anywhere; serials stay unique and twelve digits."""
    damaged = reply[:start] + piece + reply[start + length :]
    survive(damaged)
    try:
        table = parse_inverters(damaged).table
    except EcuPageError:
        return
    serials = [inverter.serial for inverter in table.inverters]

    assert len(set(serials)) == len(serials)
    assert all(len(serial) == 12 and serial.isdecimal() for serial in serials)
    assert all(cell.text.isprintable() for cell in table.unreadable)


@few
@given(replies, st.data())
def test_any_truncation_is_known_as_one(reply: bytes, data: st.DataObject) -> None:
    """Cut anywhere before the line feed, a reply is truncated, and not complete."""
    end = data.draw(st.integers(0, len(reply) - 2))
    parse = PARSERS[reply[9:13]]
    with pytest.raises(EcuPageError) as caught:
        parse(reply[:end])

    assert caught.value.status == "page_truncated"
    assert not complete(reply[:end])


@few
@given(st.lists(records(), max_size=8).map(distinct), st.randoms(use_true_random=False))
def test_the_order_of_records_means_nothing(drawn: list[bytes], random: object) -> None:
    """Each inverter is read the same wherever in the list it stands."""
    shuffled = list(drawn)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' Random
    one, other = parse_inverters(inverters(*drawn)), parse_inverters(inverters(*shuffled))

    assert one.table.unreadable == other.table.unreadable == ()
    assert {i.serial: i for i in one.table.inverters} == {
        i.serial: i for i in other.table.inverters
    }
    assert [i.serial for i in one.table.inverters] == [part[:6].hex() for part in drawn]
    assert one.glitches == other.glitches


@few
@given(st.lists(records(), max_size=8).map(distinct), st.integers(0, 8), st.integers(0, 20))
def test_one_unknown_record_costs_one_inverter(
    drawn: list[bytes], position: int, size: int
) -> None:
    """Wherever it stands and however long it is, the others are never misread."""
    unknown = struct.pack(">6sB2s", bytes.fromhex("990000012345"), 1, b"XY") + b"\xaa" * size
    told = parse_inverters(inverters(*drawn)).table.inverters
    position = min(position, len(drawn))
    table = parse_inverters(inverters(*drawn[:position], unknown, *drawn[position:])).table

    assert set(table.inverters) <= set(told)
    assert table.inverters[:position] == told[:position]
    assert [cell.row for cell in table.unreadable] == ["990000012345"]


@few
@given(records("0102030405"))
def test_what_is_told_was_in_the_record(part: bytes) -> None:
    """Every watt and volt that is told is a number of the record; a panel's values are finite."""
    numbers = set(struct.unpack(f">{(len(part) - 9) // 2}H", part[9:]))
    (inverter,) = parse_inverters(inverters(part)).table.inverters

    assert len(inverter.channels) == CHANNELS[part[7:9].decode()]
    assert {c.power_w for c in inverter.channels} - {None} <= numbers
    assert {line.voltage_v for line in inverter.grid_voltages} <= numbers - {0}
    if inverter.temperature_c is not None:
        assert inverter.temperature_c + 100 in numbers
    if inverter.online:
        assert part[6] == 1
