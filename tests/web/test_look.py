"""How an ECU is in words, in each of the states that it can be in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from aps_exporter.errors import EcuError, EcuPageError, EcuTimeoutError
from aps_exporter.model import Reading
from aps_exporter.summary import PanelName
from aps_exporter.web.look import look_at
from tests.web.roof_world import NOON, SWEEP, WELL, World, inverter, reading, refuse

ASLEEP = reading(replace(inverter("801000090001", 3.0, 2.0), stale=True))
SILENT = reading(inverter("801000090001", None, None))
PARTLY = reading(inverter("801000090001", 200.0, 100.0), inverter("801000090002", None, 5.0))
NIGHT_H = 9.0
"""Hours after noon at which it is dark."""


def gone() -> EcuError:
    """Fail as a firmware without pages does."""
    return EcuPageError("the ECU says 404: its firmware has no such page", "page_gone")


def slow() -> EcuError:
    """Fail as an ECU that hangs."""
    return EcuTimeoutError("the ECU did not answer in time")


def said(answer: Reading | Callable[[], EcuError], *, hours: float = 0.0) -> tuple[str, str]:
    """Give what is said of an answer that comes some hours after noon."""
    world = World()
    world.later(hours=hours)
    if isinstance(answer, Reading):
        answer = replace(answer, read_at=world.now)
    world.poll(answer)
    return look_at(world.station).judge()


@pytest.mark.parametrize(
    ("answer", "hours", "level", "sentence"),
    [
        (WELL, 0, "good", "All 4 panels report."),
        (reading(inverter("801000090001", 5.0)), 0, "good", "The one panel reports."),
        (reading(inverter("801000090001", 5.0, 5.0)), 0, "good", "Both panels report."),
        (PARTLY, 0, "warn", "1 of 4 panels is missing: 801000090002-1."),
        (
            PARTLY,
            7,
            "good",
            "3 of 4 panels report; the others may be asleep, as the sun is low.",
        ),
        (
            reading(inverter("801000090001", None, None, None), inverter("801000090002", 9.0)),
            0,
            "bad",
            "3 of 4 panels are missing: 801000090001-1, 801000090001-2, 801000090001-3.",
        ),
        (
            reading(
                inverter("801000090001", None, None, None),
                inverter("801000090002", None, None),
                inverter("801000090003", *[9.0] * 9),
            ),
            0,
            "warn",
            (
                "5 of 14 panels are missing: 801000090001-1, 801000090001-2, 801000090001-3 "
                "and 2 more."
            ),
        ),
        (ASLEEP, NIGHT_H, "sleep", "The ECU answers but repeats its 14:00 rows: it is asleep."),
        (
            ASLEEP,
            NIGHT_H + 3,
            "sleep",
            "The ECU answers but repeats its 2026-06-01 14:00 rows: it is asleep.",
        ),
        (ASLEEP, 0, "bad", "The ECU answers but repeats its 14:00 rows."),
        (
            SILENT,
            NIGHT_H,
            "sleep",
            "The ECU answers, and no inverter reports: the roof is asleep.",
        ),
        (SILENT, 0, "bad", "The ECU answers, but no inverter reports."),
        (
            reading(),
            NIGHT_H + 4,
            "sleep",
            (
                "The ECU answers, but its table is empty: it restarts each night at about one, "
                "and no inverter has reported since."
            ),
        ),
        (
            reading(),
            0,
            "warn",
            (
                "The ECU answers, but its table is empty: it restarts each night at about one, "
                "and no inverter has reported since."
            ),
        ),
        (
            refuse,
            0,
            "bad",
            "The ECU refuses the connection. It has not answered since the exporter began.",
        ),
        (
            gone,
            0,
            "bad",
            (
                "The ECU says 404: its firmware has no such page. "
                "It has not answered since the exporter began."
            ),
        ),
        (
            replace(WELL, clock_error_s=3600.0),
            0,
            "warn",
            (
                "All 4 panels report. About the ECU: its clock is 1 h 0 min ahead of zone "
                "Europe/Amsterdam: one of them is wrong; reporting times are corrected by that."
            ),
        ),
        (
            replace(WELL, timezone=None),
            0,
            "good",
            (
                "All 4 panels report. About the ECU: its time zone is not known, so the age of its "
                "rows can't be told until they move; configure timezone."
            ),
        ),
    ],
)
def test_each_state_has_its_words(
    answer: Reading | Callable[[], EcuError], hours: float, level: str, sentence: str
) -> None:
    """Whoever reads the sentence knows what is the matter, and the level whether to get up."""
    assert said(answer, hours=hours) == (level, sentence)


def test_before_the_first_poll() -> None:
    """An ECU that nobody has asked isn't called well or ill."""
    look = look_at(World().station)

    assert look.status == "unknown"
    assert look.judge() == ("warn", "The ECU has not been read yet.")


@pytest.mark.parametrize(
    ("minutes", "level", "sentence"),
    [
        (2, "warn", "The ECU did not answer in time. What is shown is from 14:02."),
        (9, "bad", "The ECU did not answer in time. What is shown is from 14:02."),
        (31, "bad", "The ECU did not answer in time. It answered last at 14:02."),
        (900, "bad", "The ECU did not answer in time. It answered last at 2026-06-01 14:02."),
    ],
)
def test_a_failure_gets_worse_with_time(minutes: int, level: str, sentence: str) -> None:
    """One missed poll is a hint; what was read stays to be seen until it is stale."""
    world = World()
    world.poll()
    world.later(minutes=minutes)
    world.poll(slow)
    look = look_at(world.station)

    assert look.status == "timeout"
    assert look.judge() == (level, sentence)
    assert (look.current is None) == (minutes > 30)


def test_an_old_answer_that_nobody_renewed() -> None:
    """What was read long ago says nothing about now, though no poll has failed."""
    world = World()
    world.poll()
    world.later(minutes=31)
    look = look_at(world.station)

    assert look.judge() == ("warn", "The ECU has not been read since 14:02.")
    assert (look.received, look.missing) == (0, 4)


@pytest.mark.parametrize(("hour_utc", "level"), [(6, "sleep"), (12, "bad"), (15, "sleep")])
def test_without_a_place_the_clock_tells_the_night(hour_utc: int, level: str) -> None:
    """Where the sun isn't known, a dark roof early or late is taken to sleep."""
    world = World(settings={"latitude": None, "longitude": None})
    world.now = NOON.replace(hour=hour_utc)
    world.poll(replace(SILENT, read_at=world.now))

    assert look_at(world.station).judge()[0] == level


def test_missing_panels_have_the_owners_names() -> None:
    """People know their panels by name."""
    world = World(names={"801000090002-1": PanelName(name="Dormer")})
    world.poll(PARTLY)

    assert look_at(world.station).judge()[1] == "1 of 4 panels is missing: Dormer."


def test_the_age_is_the_reports() -> None:
    """Numbers are as old as the sweep that they are from, not as the poll that read them."""
    world = World()
    world.poll()
    world.later(seconds=30)

    assert look_at(world.station).age_s == 150


def test_a_report_of_the_future_is_as_old_as_its_poll() -> None:
    """A wrong clock makes no negative age."""
    world = World()
    ahead = replace(WELL.inverters[0], reported_at=SWEEP + timedelta(hours=3))
    world.poll(reading(ahead))
    world.later(seconds=30)

    assert look_at(world.station).age_s == 30
