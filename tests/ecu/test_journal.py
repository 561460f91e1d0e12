"""What is said in the log, and that it is said once."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aps_exporter.ecu.journal import Journal, span, stale_notice
from aps_exporter.errors import EcuTimeoutError, EcuUnreachableError
from aps_exporter.model import Channel, EcuInfo, Inverter, Reading, UnreadableCell

GOOD = Reading(
    source="http://127.0.0.1/cgi-bin/parameters",
    interface="cgi",
    read_at=datetime(2026, 6, 21, 21, 0, tzinfo=UTC),
    inverters=(
        Inverter(
            serial="408000012345",
            channels=(Channel(id="408000012345-A", name="A", power_w=100.0),),
            reported_at=datetime.fromisoformat("2026-06-21 20:40:05"),
        ),
    ),
    ecu=EcuInfo(ecu_id="203000012345"),
    timezone="Europe/Warsaw",
)
STALE = replace(GOOD, inverters=tuple(replace(i, stale=True) for i in GOOD.inverters))
CELL = UnreadableCell(row="408000012345-A", column="power", text="3 W / 400 W")
ODD = {
    "home": (
        replace(GOOD, ecu=None, home_error="the ECU answers with status 500"),
        "ECU ecu.test: its home page can't be read: the ECU answers with status 500",
        "ECU ecu.test: its home page can be read again",
    ),
    "stale": (
        STALE,
        (
            "ECU ecu.test: it repeats its rows of 2026-06-21 20:40:05; as they are old, "
            "no power is shown"
        ),
        "ECU ecu.test: it reports again",
    ),
    "clock ahead": (
        replace(GOOD, clock_error_s=21600.0),
        (
            "ECU ecu.test: its clock is 6 h 0 min ahead of zone Europe/Warsaw: one of them is "
            "wrong; reporting times are corrected by that"
        ),
        "ECU ecu.test: its clock and zone agree",
    ),
    "clock behind": (
        replace(GOOD, clock_error_s=-2700.0),
        (
            "ECU ecu.test: its clock is 45 min behind zone Europe/Warsaw: one of them is wrong; "
            "reporting times are corrected by that"
        ),
        "ECU ecu.test: its clock and zone agree",
    ),
    "zone unknown": (
        replace(GOOD, timezone=None),
        (
            "ECU ecu.test: its time zone is not known, so the age of its rows can't be told until "
            "they move; configure timezone"
        ),
        "ECU ecu.test: its clock and zone agree",
    ),
    "rows in the future": (
        replace(GOOD, clock_offset_s=7200.0),
        (
            "ECU ecu.test: its rows of 2026-06-21 20:40:05 lie in the future: its clock or zone is "
            "wrong, and their age can't be told until they move"
        ),
        "ECU ecu.test: its clock and zone agree",
    ),
    "cells": (
        replace(GOOD, unreadable=(CELL, replace(CELL, text="?"))),
        (
            "ECU ecu.test: 2 cells are not understood, the first is '3 W / 400 W' "
            "(power of 408000012345-A)"
        ),
        "ECU ecu.test: all cells are understood again",
    ),
    "home cells": (
        replace(GOOD, ecu=EcuInfo(unreadable=(replace(CELL, row="power_w", column="value"),))),
        "ECU ecu.test: 1 cells are not understood, the first is '3 W / 400 W' (value of power_w)",
        "ECU ecu.test: all cells are understood again",
    ),
    "duplicates": (
        replace(GOOD, duplicate_rows=3),
        "ECU ecu.test: 3 rows repeat an id; the first row of each counts",
        "ECU ecu.test: all cells are understood again",
    ),
}


@pytest.fixture
def journal(caplog: pytest.LogCaptureFixture) -> Journal:
    """Make a journal whose lines are caught."""
    caplog.set_level(logging.DEBUG)
    return Journal("ecu.test")


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Give what was logged, with its level."""
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_good_ecu_is_not_worth_a_word(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """Reading after reading without trouble leaves the log empty."""
    for n in range(5):
        journal.succeeded(GOOD, n)

    assert lines(caplog) == []


def test_one_line_when_it_goes_and_one_when_it_returns(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """A night of failed polls is two lines, the second of which says how long it was."""
    journal.succeeded(GOOD, 0)
    for n in range(1000):
        error = EcuUnreachableError("refused") if n % 2 else EcuTimeoutError("slow")
        journal.failed(error, 60.0 * n)
    journal.succeeded(GOOD, 60_000)
    journal.succeeded(GOOD, 60_060)

    assert lines(caplog) == [
        ("WARNING", "ECU ecu.test is gone: slow"),
        ("INFO", "ECU ecu.test is back after 16 h 40 min"),
    ]


def test_each_absence_is_told(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """An ECU that goes twice is told of twice."""
    for n in (0, 100):
        journal.failed(EcuUnreachableError("refused"), n)
        journal.succeeded(GOOD, n + 45)

    assert [line for _, line in lines(caplog)] == [
        "ECU ecu.test is gone: refused",
        "ECU ecu.test is back after 45 s",
    ] * 2


@pytest.mark.parametrize(("odd", "begins", "ends"), ODD.values(), ids=ODD.keys())
def test_what_is_odd_is_said_once_and_its_end_once(
    journal: Journal, caplog: pytest.LogCaptureFixture, odd: Reading, begins: str, ends: str
) -> None:
    """One line when something odd appears, and one when it is over."""
    for reading in (GOOD, odd, odd, odd, GOOD, GOOD):
        journal.succeeded(reading, 0)

    assert lines(caplog) == [("WARNING", begins), ("INFO", ends)]


def test_an_empty_table_does_not_end_the_night(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """Stale rows, then the empty table of the nightly restart, then dawn: two lines."""
    for reading in (STALE, replace(GOOD, inverters=()), STALE, replace(GOOD, inverters=()), GOOD):
        journal.succeeded(reading, 0)

    assert [line for _, line in lines(caplog)] == list(ODD["stale"][1:])


def test_a_roof_is_not_stale_while_one_inverter_reports() -> None:
    """One inverter that fell asleep is a missing inverter, not a sleeping roof."""
    both = replace(GOOD, inverters=(*STALE.inverters, *GOOD.inverters))

    assert stale_notice(both) is None
    assert stale_notice(STALE) is not None
    assert stale_notice(replace(GOOD, inverters=())) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3540, "59 min"),
        (3600, "1 h 0 min"),
        (7265, "2 h 1 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_spans_are_for_people(seconds: float, text: str) -> None:
    """Seconds, minutes, hours and minutes."""
    assert span(seconds) == text


@pytest.mark.parametrize("seconds", [59.6, 3599.0, 7199.0])
def test_no_span_says_sixty(seconds: float) -> None:
    """A span just below the next unit is not sixty of the smaller one."""
    assert "60" not in span(seconds)
