"""The ECU's own curve: asked for after a gap, a few times at most, and only where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aps_exporter.ecu.curve import CurvePoint, lead
from aps_exporter.errors import EcuUnreachableError
from aps_exporter.pvoutput.policy import Policy
from tests.pvoutput.day import Day, Roof
from tests.pvoutput.fake_pvoutput import FakePVOutput

Make = Callable[..., Day]


class Curve:
    """The page of the curve, which can fail."""

    def __init__(self, roof: Roof, now: Callable[[], datetime]) -> None:
        """Begin without having been asked."""
        self.roof = roof
        self.now = now
        self.asked = 0
        self.failures = 0
        self.body: bytes | None = None

    def __call__(self) -> bytes:
        """Give the page."""
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise EcuUnreachableError("the ECU refuses the connection")
        if self.body is not None:
            return self.body
        points = []
        at = datetime(2026, 2, 28, 20, 0, 56, tzinfo=UTC)
        while at <= self.roof.sweep_before(self.now()):
            power_w = round(self.roof.power(at))
            points.append({"time": int(at.timestamp() * 1000), "each_system_power": power_w})
            at += timedelta(minutes=5)
        return json.dumps({"power": points, "today_energy": "1.0", "subtitle": ""}).encode()


@pytest.fixture
def curve(clock: Callable[[], datetime]) -> Curve:
    """Give the curve of an ordinary roof."""
    return Curve(Roof(), clock)


def test_first_day(make_day: Make, fake: FakePVOutput, curve: Curve) -> None:
    """Installed at ten, the morning is there at once; later the curve isn't asked for."""
    day = make_day(curve=curve)
    day.jump("2026-03-01 10:00")
    day.until("2026-03-01 11:00")

    assert min(fake.stored()) == "20260301 06:00"
    assert len(fake.stored()) == 59
    assert curve.asked == 1
    assert fake.lint == []


def test_a_page_that_fails(make_day: Make, fake: FakePVOutput, curve: Curve) -> None:
    """A page that can't be had is asked for again each five minutes, not in a burst."""
    curve.failures = 4
    day = make_day(curve=curve, poll=timedelta(seconds=10))
    day.jump("2026-03-01 10:00")
    day.until("2026-03-01 10:04")
    early = curve.asked
    day.until("2026-03-01 11:00")

    assert early == 1
    assert "20260301 07:00" in fake.stored()
    assert curve.asked == 5


@pytest.mark.parametrize("restart", [True, False])
def test_a_gap_that_ends_at_night(
    make_day: Make, fake: FakePVOutput, curve: Curve, *, restart: bool
) -> None:
    """After dark no sweep comes, but the afternoon that nobody saw is filled."""
    day = make_day(curve=curve)
    day.until("2026-03-01 15:00")
    if restart:
        day.kill()
        day.jump("2026-03-01 20:00")
        day.start()
    else:
        day.until("2026-03-01 20:00", ecu=False)
    day.until("2026-03-01 21:00")

    assert "20260301 17:00" in fake.stored()


def test_one_missed_sweep(make_day: Make, fake: FakePVOutput, curve: Curve) -> None:
    """A single sweep that wasn't seen is filled."""
    day = make_day(curve=curve)
    day.until("2026-03-01 09:02:20")
    day.until("2026-03-01 09:07:30", ecu=False)
    day.until("2026-03-01 09:30")

    assert "20260301 09:00" not in day.swept
    assert "20260301 09:00" in fake.stored()


NOON = datetime(2026, 3, 1, 2, 0, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows_h", "error_h", "curve_h", "age_h", "expected"),
    [
        (0, 0, 0, 0, 0),
        (2, 2, 2, 0, 2),  # the clock is two hours ahead
        (-2, -2, 0, 0, 0),  # the factory zone, Shanghai, with a right clock
        (7, 0, 0, 0, None),  # the same kind of fault before it is proven
        (-7, 0, 0, 0, None),
        (0, 0, 0, 9, 0),  # at night
        (0, 0, 1 / 12, 0, 0),  # the curve already has the next sweep
        (0, 0, 1 / 6, 0, None),  # another curve than that of the rows
    ],
)
def test_lead(
    rows_h: float, error_h: float, curve_h: float, age_h: float, expected: float | None
) -> None:
    """The curve's lead is found from the sweep that both pages show, not from the zone's error."""
    read_at = NOON + timedelta(minutes=2)
    reading = replace(
        Roof().summary(read_at).reading,
        clock_error_s=error_h * 3600,
        read_at=read_at + timedelta(hours=age_h),
    )
    (row,) = reading.inverters
    assert row.reported_at is not None
    moved = replace(row, reported_at=row.reported_at + timedelta(hours=rows_h))
    points = [CurvePoint(at=NOON + timedelta(hours=curve_h), power_w=1.0)]
    found = lead(points, replace(reading, inverters=(moved,)))

    assert found == (None if expected is None else timedelta(hours=expected))


def test_a_row_of_the_future(make_day: Make) -> None:
    """A row in the future is not believed: its sweep was when the row began to show."""
    day = make_day()
    day.jump("2026-03-01 10:00")
    kept = []
    for minutes in (0, 5, 7):
        now = day.clock() + timedelta(minutes=minutes)
        summary = day.roof.summary(now)
        (row,) = summary.reading.inverters
        assert row.reported_at is not None
        row = replace(row, reported_at=row.reported_at + timedelta(minutes=8))
        reading = replace(summary.reading, inverters=(row,))
        kept.append(day.alive.take(replace(summary, reading=reading)))

    last = day.alive.outbox.newest_sample()
    assert kept == [False, True, False]
    assert last is not None
    assert last.at == day.clock() + timedelta(minutes=5)


def test_a_page_that_is_none(make_day: Make, fake: FakePVOutput, curve: Curve) -> None:
    """A page that is no curve costs nothing but three questions."""
    curve.body = b"<html>404 Page Not Found</html>"
    day = make_day(curve=curve)
    day.until("2026-03-01 07:00")

    assert curve.asked == 3
    assert day.expected() == fake.stored("v2")


def test_ecus_without_a_curve(make_day: Make, curve: Curve) -> None:
    """ECUs of the older family keep no curve, and aren't asked for one."""
    day = make_day(curve=curve)
    day.jump("2026-03-01 10:00")
    summary = day.roof.summary(day.clock())
    day.alive.send()  # getsystem
    day.alive.take(replace(summary, reading=replace(summary.reading, interface="cgi")))

    assert curve.asked == 0


def test_switched_off(make_day: Make, curve: Curve) -> None:
    """Who doesn't want it doesn't get it."""
    policy = Policy(timezone="Australia/Brisbane", backfill_from_ecu=False)
    day = make_day(curve=curve, policy=policy)
    day.until("2026-03-01 07:00")

    assert curve.asked == 0
