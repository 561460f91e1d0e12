"""The ECU's own curve: asked for after a gap, a few times at most, and only where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

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


@pytest.mark.parametrize(("failures", "filled"), [(2, True), (3, False)])
def test_a_page_that_fails(
    make_day: Make, fake: FakePVOutput, curve: Curve, failures: int, *, filled: bool
) -> None:
    """A page that can't be had is asked for three times."""
    curve.failures = failures
    day = make_day(curve=curve)
    day.jump("2026-03-01 10:00")
    day.until("2026-03-01 11:00")

    assert ("20260301 07:00" in fake.stored()) is filled
    assert curve.asked == 3


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
