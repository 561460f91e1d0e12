"""What is kept of today, and how little memory it takes."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from aps_exporter.ecu.curve import CurvePoint
from aps_exporter.history import STEP_S, History
from aps_exporter.model import Channel, Interface, Inverter, Reading
from aps_exporter.summary import Roster, Summary

ZONE = ZoneInfo("Europe/Amsterdam")
NOON = datetime(2026, 6, 1, 12, 0, 40, tzinfo=ZONE)
SLOT = 144
"""The one of noon."""


def summary(
    at: datetime,
    *watts: float | None,
    late: timedelta = timedelta(0),
    zone: str | None = "Europe/Amsterdam",
    interface: Interface = "php",
) -> Summary:
    """Make the answer about a sweep at `at`, read `late` after it."""
    channels = tuple(
        Channel(id=f"801000090001-{number}", name=str(number), power_w=power_w)
        for number, power_w in enumerate(watts, 1)
    )
    inverter = Inverter(
        serial="801000090001", channels=channels, reported_at=at.replace(tzinfo=None)
    )
    reading = Reading(
        source="http://127.0.0.1/",
        interface=interface,
        read_at=at.astimezone(UTC) + late,
        inverters=(inverter,),
        timezone=zone,
    )
    return Roster().summarize(reading)


def test_each_sweep_has_its_place() -> None:
    """A sweep goes where its reporting time says; what is between two is a gap."""
    history = History()
    history.observe(summary(NOON, 100.0, 50.0, late=timedelta(minutes=4)))
    history.observe(summary(NOON + timedelta(minutes=10), 120.4, None))
    record = history.record(NOON + timedelta(minutes=12))

    assert record.total_w[SLOT:] == (150.0, None, 120.4)
    assert set(record.total_w[:SLOT]) == {None}
    assert record.panels_w["801000090001-1"][SLOT:] == (100, None, 120)
    assert record.panels_w["801000090001-2"][SLOT:] == (50,)
    assert record.start == datetime(2026, 6, 1, tzinfo=ZONE)
    assert (record.watched, record.from_ecu) == (True, False)


def test_a_repeated_sweep_is_no_news() -> None:
    """The record's version changes with its content only, so that browsers may keep theirs."""
    history = History()
    history.observe(summary(NOON, 100.0))
    before = history.version
    history.observe(summary(NOON, 100.0, late=timedelta(minutes=2)))
    same = history.version
    history.observe(summary(NOON, 101.0, late=timedelta(minutes=3)))

    assert same == before
    assert history.version != before


def test_nothing_online_is_a_gap() -> None:
    """A roof without a report leaves no point, and no zero."""
    history = History()
    history.observe(summary(NOON, None, None))

    assert history.record(NOON).total_w == ()


def test_a_measured_zero_is_a_point() -> None:
    """0 W is a value."""
    history = History()
    history.observe(summary(NOON, 0.0))

    assert history.record(NOON).total_w[SLOT:] == (0.0,)
    assert history.record(NOON).panels_w["801000090001-1"][SLOT:] == (0,)


def test_midnight_begins_a_new_day() -> None:
    """At the ECU's midnight the record is empty, whether somebody reads the ECU or not."""
    history = History()
    history.observe(summary(NOON, 100.0))
    midnight = datetime(2026, 6, 2, tzinfo=ZONE)
    yesterday = history.record(midnight - timedelta(seconds=1))
    unread = history.record(midnight + timedelta(minutes=1))
    history.observe(summary(midnight + timedelta(minutes=6), 3.0))
    today = history.record(midnight + timedelta(minutes=7))

    assert yesterday.day == date(2026, 6, 1)
    assert yesterday.total_w[SLOT] == 100.0
    assert (unread.day, unread.total_w) == (date(2026, 6, 2), ())
    assert today.total_w == (None, 3.0)


def test_yesterdays_sweep_read_after_midnight() -> None:
    """A sweep of 23:59 that is read at 0:01 is not of today."""
    history = History()
    history.observe(
        summary(datetime(2026, 6, 1, 23, 59, tzinfo=ZONE), 1.0, late=timedelta(minutes=2))
    )

    assert history.record(datetime(2026, 6, 2, 0, 1, tzinfo=ZONE)).total_w == ()


def test_summer_time_ends() -> None:
    """The day on which the clocks go back has 25 hours, each with steps of its own."""
    history = History()
    day = datetime(2026, 10, 25, tzinfo=ZONE)
    for hours in (1, 2, 3, 23.75):
        at = (day.astimezone(UTC) + timedelta(hours=hours + 1)).astimezone(ZONE)
        history.observe(summary(at, hours * 10))
    total = history.record(at).total_w

    assert {step * STEP_S / 3600: watts for step, watts in enumerate(total) if watts} == {
        2: 10.0,
        3: 20.0,
        4: 30.0,
        24.75: 237.5,
    }


def test_a_sweep_of_the_future_counts_when_it_is_read() -> None:
    """A row that lies ahead of our clock has a wrong time."""
    history = History()
    history.observe(summary(NOON + timedelta(hours=2), 100.0, late=timedelta(hours=-2)))

    assert history.record(NOON).total_w[SLOT:] == (100.0,)


def test_an_unknown_zone_is_this_machines() -> None:
    """Without a zone a sweep counts when it was read, on this machine's day."""
    history = History()
    history.observe(summary(NOON, 100.0, zone=None))
    record = history.record(NOON)

    assert record.start == NOON.astimezone().replace(hour=0, minute=0, second=0)
    assert record.total_w[-1] == 100.0


def test_panels_wait_for_somebody_to_look() -> None:
    """Where there are many ECUs, panels are recorded from the first look at them, that day."""
    history = History(all_panels=False)
    history.observe(summary(NOON, 100.0))
    unseen = history.record(NOON).panels_w
    history.look()
    history.observe(summary(NOON + timedelta(minutes=5), 110.0))
    seen = history.record(NOON).panels_w
    tomorrow = NOON + timedelta(days=1)
    history.observe(summary(tomorrow, 110.0))

    assert unseen == {}
    assert seen["801000090001-1"][SLOT:] == (None, 110)
    assert history.record(tomorrow).panels_w == {}


def points(*minutes: float) -> list[CurvePoint]:
    """Make a curve with a point so many minutes after noon."""
    return [CurvePoint(at=NOON + timedelta(minutes=each), power_w=7.0) for each in minutes]


def test_the_ecus_curve_fills_what_nobody_watched() -> None:
    """The curve goes into gaps only; points of another day are left out."""
    history = History()
    history.observe(summary(NOON, 100.0))
    history.fill(points(-1440, -10, -5, 0, 5))
    record = history.record(NOON)

    assert record.total_w[SLOT - 3 :] == (None, 7.0, 7.0, 100.0, 7.0)
    assert (record.watched, record.from_ecu) == (True, True)


def test_the_curve_is_wanted_once_for_each_hole() -> None:
    """A morning before the start is a hole; one that was asked about is none; a pause is."""
    history = History()
    before = history.wants_curve(NOON)
    history.observe(summary(NOON, 100.0))
    started = history.wants_curve(NOON)
    history.fill(points(-10))
    filled = history.wants_curve(NOON)
    history.observe(summary(NOON + timedelta(minutes=10), 100.0))
    short = history.wants_curve(NOON)
    history.observe(summary(NOON + timedelta(minutes=60), 100.0))
    pause = history.wants_curve(NOON)

    assert (before, started, filled, short, pause) == (False, True, False, False, True)


def test_a_curve_that_cant_be_had_is_asked_for_later() -> None:
    """After a failure there is a quarter of an hour without another try."""
    history = History()
    history.observe(summary(NOON, 100.0))
    history.no_curve(NOON)

    assert not history.wants_curve(NOON + timedelta(minutes=14))
    assert history.wants_curve(NOON + timedelta(minutes=15))


def test_a_dark_day_is_asked_about_once() -> None:
    """An exporter that starts at night gets the day behind it, and then lets the ECU sleep."""
    history = History()
    evening = NOON.replace(hour=22)
    history.observe(summary(evening, None))
    first = history.wants_curve(evening)
    history.fill([])

    assert first
    assert not history.wants_curve(evening + timedelta(hours=1))


def test_only_php_ecus_keep_a_curve() -> None:
    """No other page than those that an ECU has is ever asked for."""
    history = History()
    history.observe(summary(NOON, 100.0, interface="cgi"))

    assert not history.wants_curve(NOON)


def test_extreme_watts_do_not_break_the_record() -> None:
    """A hostile page's numbers are cut to what a panel's two bytes hold."""
    history = History()
    history.observe(summary(NOON, 1e30, -1e30, 33_000.0))
    record = history.record(NOON)

    assert [series[SLOT] for series in record.panels_w.values()] == [32_767, -32_767, 32_767]


def test_the_memory_of_a_day_is_bounded() -> None:
    """A full day of 40 panels, read every minute, takes less than 900 bytes a panel."""
    history = History()
    midnight = datetime(2026, 6, 1, tzinfo=ZONE)
    watts = [100.0] * 40
    for minutes in range(0, 1440, 5):
        history.observe(summary(midnight + timedelta(minutes=minutes), *watts))
    record = history.record(midnight)
    series = history._panels  # noqa: SLF001  # its size is the point

    assert len(record.total_w) == 288
    assert sum(map(sys.getsizeof, series.values())) + sys.getsizeof(series) < 40 * 900


def test_ever_new_panels_are_not_recorded_without_end() -> None:
    """A page that invents panels fills the record up to a bound."""
    history = History()
    for number in range(40):
        at = NOON + timedelta(seconds=number)
        inverters = tuple(
            Inverter(
                serial=f"8{number:05}{each:06}",
                channels=(Channel(id=f"8{number:05}{each:06}-1", name="1", power_w=1.0),),
            )
            for each in range(50)
        )
        reading = Reading(source="x", interface="php", read_at=at, inverters=inverters)
        history.observe(Roster().summarize(reading))

    assert len(history.record(NOON).panels_w) == 1200
