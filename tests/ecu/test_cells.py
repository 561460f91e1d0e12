"""The number rules of one cell, each line a cell that some page or some program got wrong."""

from __future__ import annotations

from datetime import datetime

import pytest

from aps_exporter.ecu.cells import (
    CELSIUS,
    COUNT,
    ENERGY,
    HERTZ,
    VOLTS,
    WATTS,
    Quantity,
    UnreadableError,
    read_number,
    read_time,
)

NBSP = "\N{NO-BREAK SPACE}"

NUMBERS: list[tuple[str, Quantity, float]] = [
    # as the pages write them
    (" 19 W ", WATTS, 19),
    (f" 23{NBSP}W", WATTS, 23),
    ("\r\n      0 W\n   ", WATTS, 0),
    (" 50.0 Hz ", HERTZ, 50.0),
    (f" 60.1{NBSP}Hz", HERTZ, 60.1),
    (" 235 V ", VOLTS, 235),
    (" 11 °C ", CELSIUS, 11),
    (f" 45{NBSP}oC", CELSIUS, 45),
    ("31℃", CELSIUS, 31),
    ("31 C", CELSIUS, 31),
    # without a unit, or without a blank before it
    ("120", WATTS, 120),
    ("120W", WATTS, 120),
    ("50.0", HERTZ, 50.0),
    ("4", COUNT, 4),
    # other spellings of the unit
    ("120 w", WATTS, 120),
    ("1.2 kW", WATTS, 1200),
    ("1,2 KW", WATTS, 1200),
    ("0.0005 kW", WATTS, 0.5),
    # decimals
    ("120.5 W", WATTS, 120.5),
    ("120,5 W", WATTS, 120.5),
    ("45,5 °C", CELSIUS, 45.5),
    ("1,23 W", WATTS, 1.23),
    ("1,2345 W", WATTS, 1.2345),
    ("1.234 W", WATTS, 1.234),
    # thousands
    ("1,234 W", WATTS, 1234),
    ("12,345 W", WATTS, 12345),
    ("1,234,567 W", WATTS, 1234567),
    ("1,234.5 W", WATTS, 1234.5),
    ("4,379.52 kWh", ENERGY, 4_379_520),
    # signs
    ("-5 W", WATTS, -5),
    ("+5 W", WATTS, 5),
    ("-17 °C", CELSIUS, -17),
    ("\N{MINUS SIGN}5 °C", CELSIUS, -5),
    ("\N{FULLWIDTH HYPHEN-MINUS}5 W", WATTS, -5),
    ("\N{SMALL HYPHEN-MINUS}5 W", WATTS, -5),
    ("\N{FULLWIDTH PLUS SIGN}5 W", WATTS, 5),
    # measured zeros are values
    ("0 W", WATTS, 0),
    ("0.0 Hz", HERTZ, 0),
    ("0 V", VOLTS, 0),
    ("0 °C", CELSIUS, 0),
    # near the mark for no temperature
    ("-59 °C", CELSIUS, -59),
    ("-60.5 °C", CELSIUS, -60.5),
    ("60 °C", CELSIUS, 60),
    # -60 is a mark in the temperature column only
    ("-60 W", WATTS, -60),
    # energy
    ("18.21 kWh", ENERGY, 18_210),
    ("18.21", ENERGY, 18_210),
    ("900 Wh", ENERGY, 900),
    ("1.5 MWh", ENERGY, 1_500_000),
    ("999999999 W", WATTS, 999_999_999),
]

NOTHING: list[tuple[str, Quantity]] = [
    ("", WATTS),
    ("  \r\n ", WATTS),
    (NBSP, WATTS),
    ("-", WATTS),
    ("- ", WATTS),
    (" -\n ", WATTS),
    ("--", WATTS),
    ("---", VOLTS),
    ("\N{EN DASH}", WATTS),
    ("\N{EM DASH}", WATTS),
    ("\N{MINUS SIGN}", WATTS),
    (f"-{NBSP}W", WATTS),
    (f"{NBSP}W", WATTS),
    (f" {NBSP}Hz", HERTZ),
    (f" {NBSP}oC", CELSIUS),
    ("- °C", CELSIUS),
    ("-60 °C", CELSIUS),
    ("-60.0", CELSIUS),
    ("\N{MINUS SIGN}60 oC", CELSIUS),
]

UNREADABLE: list[tuple[str, Quantity]] = [
    # two numbers, or a number and more
    ("230 / 231 V", VOLTS),
    ("3 W / 400 W", WATTS),
    ("120 W (max)", WATTS),
    ("ca. 120 W", WATTS),
    ("12 0 W", WATTS),
    ("1 234 W", WATTS),
    ("120 W 5", WATTS),
    ("5-6 W", WATTS),
    # the wrong unit for the column
    ("113 °F", CELSIUS),
    ("235 V", HERTZ),
    ("50 Hz", VOLTS),
    ("12 V", WATTS),
    ("120 VA", WATTS),
    ("1 mW", WATTS),
    ("5 kV", VOLTS),
    ("18 W", ENERGY),
    ("4 W", COUNT),
    ("- V", WATTS),
    ("Hz", VOLTS),
    # other columns' contents
    ("2026-05-04 12:30:05", CELSIUS),
    ("408000012345-A", WATTS),
    # what could be thousands or decimals, or is neither
    ("0,500 W", WATTS),
    ("1234,500 W", WATTS),
    ("1,23,456 W", WATTS),
    ("1.234,5 W", WATTS),
    ("1,234,56 W", WATTS),
    ("1.2.3 W", WATTS),
    (".5 W", WATTS),
    ("5. W", WATTS),
    # numbers for machines and for mischief
    ("1e3 W", WATTS),
    ("0x1F W", WATTS),
    ("nan", WATTS),
    ("inf W", WATTS),
    ("-inf", CELSIUS),
    ("None", WATTS),
    ("n/a", WATTS),
    ("+", WATTS),
    ("+-5 W", WATTS),
    ("--5 W", WATTS),
    ("- 5 W", WATTS),
    ("1_000 W", WATTS),
    ("١٢٠ W", WATTS),  # digits of another script
    ("１２０ W", WATTS),
    ("12² W", WATTS),
    ("½ W", WATTS),
    ("1234567890 W", WATTS),
    ("1,234,567,890 W", WATTS),
    ("9" * 400, WATTS),
    ("<b>5</b> W", WATTS),
    (" " * 200 + "5 W", WATTS),
]


@pytest.mark.parametrize(("text", "quantity", "value"), NUMBERS)
def test_a_number_is_read_in_its_base_unit(text: str, quantity: Quantity, value: float) -> None:
    """A cell that is one number with a unit its column allows, or none, is that value."""
    assert read_number(text, quantity) == value


@pytest.mark.parametrize(("text", "quantity"), NOTHING)
def test_a_mark_for_no_value_is_nothing(text: str, quantity: Quantity) -> None:
    """Dashes, blanks and a lone unit say that there is no value, and not that it is 0."""
    assert read_number(text, quantity) is None


@pytest.mark.parametrize(("text", "quantity"), UNREADABLE)
def test_anything_else_is_unreadable(text: str, quantity: Quantity) -> None:
    """No number is ever found somewhere inside a cell, and none is guessed."""
    with pytest.raises(UnreadableError):
        read_number(text, quantity)


def test_reading_twice_gives_the_same() -> None:
    """A cell read before reads the same, and its column still decides."""
    assert read_number("50", HERTZ) == read_number("50", HERTZ) == 50
    assert read_number("-60", WATTS) == -60
    assert read_number("-60", CELSIUS) is None
    for _ in range(2):
        with pytest.raises(UnreadableError):
            read_number("235 V", HERTZ)


def test_no_negative_zero_is_lost_or_made() -> None:
    """A thousandth keeps its decimals, to the sixth."""
    assert read_number("0.001 kW", WATTS) == 1.0
    assert read_number("120.123456 W", WATTS) == 120.123456


@pytest.mark.parametrize(
    "text", [" 2023-02-11 15:49:24", "2023-02-11 15:49:24\n ", "\r\n2023-02-11 15:49:24"]
)
def test_a_time_is_the_wall_clock_it_prints(text: str) -> None:
    """A reporting time has no zone."""
    assert read_time(text) == datetime(2023, 2, 11, 15, 49, 24)  # noqa: DTZ001  # as printed


@pytest.mark.parametrize("text", ["", " ", "-", " -\n ", "\N{EN DASH}"])
def test_a_dash_is_no_time(text: str) -> None:
    """An offline inverter has no reporting time."""
    assert read_time(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-11",
        "15:49:24",
        "2023-02-11T15:49:24",
        "2023-02-11 15:49",
        "2023-02-11 15:49:24Z",
        "2023-02-11 15:49:24.5",
        "2023-02-30 15:49:24",
        "2023-02-11 24:00:00",
        "0000-00-00 00:00:00",
        "0001-01-01 00:00:00",
        "9999-12-31 23:59:59",
        "11.02.2023 15:49:24",
        "２０２３-02-11 15:49:24",
        "noon",
        " " * 200 + "2023-02-11 15:49:24",
    ],
)
def test_a_time_that_is_none_is_unreadable(text: str) -> None:
    """Half a time, another form, or a day that doesn't exist is not guessed at."""
    with pytest.raises(UnreadableError):
        read_time(text)
