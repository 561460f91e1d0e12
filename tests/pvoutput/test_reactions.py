"""What becomes of records when PVOutput refuses them, each kind of refusal by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import time
from zoneinfo import ZoneInfo

import pytest

from aps_exporter.model import EcuInfo
from aps_exporter.pvoutput.policy import Fields, Policy
from tests.pvoutput.day import Day, Roof
from tests.pvoutput.fake_pvoutput import KEY, FakePVOutput, Fault
from tests.pvoutput.fake_rules import Status, bad

Make = Callable[..., Day]

BRISBANE = Policy(timezone="Australia/Brisbane")


def refusal(text: str, status: int = 400, **options: object) -> Fault:
    """Make PVOutput say something."""
    return Fault("status", status=status, body=text, content_type="text/plain", **options)  # type: ignore[arg-type]


def offline(day: Day, fake: FakePVOutput, hours: float) -> int:
    """Let a backlog grow; gives how many requests there were before."""
    day.line.up = False
    day.hours(hours)
    day.line.up = True
    return len(fake.requests)


def times(day: Day) -> set[str]:
    """Give the times of what is dead."""
    zone = ZoneInfo(day.roof.zone)
    return {f"{e.record.start.astimezone(zone):%H:%M}" for e in day.alive.outbox.entries("dead")}


def test_too_many_bad_ones(day: Day, fake: FakePVOutput, caplog: pytest.LogCaptureFixture) -> None:
    """When more than five of a batch are bad, the backlog rests for an hour; news goes on."""

    def hour_of_nonsense(status: Status) -> None:
        if status.t.startswith("09:"):
            raise bad("Power value [x] too high for system size [y]")

    day.until("2026-03-01 09:00")
    fake.world.more_rules.append(hour_of_nonsense)
    offline(day, fake, 2)
    day.until("2026-03-01 11:45")
    resting = [r for r in fake.requests if r.service == "addbatchstatus"][-1].at
    assert any("rests for an hour" in r.message for r in caplog.records)
    assert day.alive.outbox.counts().pending > 10
    assert "20260301 11:35" in fake.stored()

    day.until("2026-03-01 16:00")
    following = [r.at for r in fake.requests if r.service == "addbatchstatus" and r.at > resting]
    gaps = [b - a for a, b in zip([resting, *following], following, strict=False)]
    assert max(gap.total_seconds() for gap in gaps) > 3000
    assert times(day) == {f"09:{minute:02}" for minute in range(0, 60, 5)}
    assert day.expected().keys() - fake.stored().keys() == {
        f"20260301 {moment}" for moment in times(day)
    }
    assert fake.lint == []


def test_future(day: Day, fake: FakePVOutput, caplog: pytest.LogCaptureFixture) -> None:
    """A status that PVOutput takes to be in the future waits a quarter of an hour, and arrives."""
    day.until("2026-03-01 08:00")
    fake.faults.append(refusal("Bad request 400: Invalid future [20260301]", times=3))
    day.until("2026-03-01 09:00")

    assert day.expected() == fake.stored("v2")
    assert sum("zone is ahead" in r.message for r in caplog.records) == 1
    assert fake.lint == []


def test_future_for_ever(day: Day, fake: FakePVOutput) -> None:
    """After a day of waiting for the future, a status is dead."""

    def future(status: Status) -> None:
        if f"{status.d} {status.t}" in {"20260301 17:45", "20260301 17:50"}:
            raise bad(f"Date is in the future [{status.d}]")

    fake.world.more_rules.append(future)
    day.jump("2026-03-01 17:30")
    day.until("2026-03-01 18:15")
    assert times(day) == set()
    day.until("2026-03-02 18:15", ecu=False)

    assert times(day) == {"17:45", "17:50"}


def test_future_in_a_batch(day: Day, fake: FakePVOutput) -> None:
    """Of a batch only the day that PVOutput names is held back."""

    def no_tomorrow(status: Status) -> None:
        if status.d == "20260302" and len(fake.requests) < before + 3:
            raise bad(f"Invalid future [{status.d}]")

    day.until("2026-03-01 17:00")
    fake.world.more_rules.append(no_tomorrow)
    before = offline(day, fake, 14)
    day.hours(0.2)
    assert "20260301 17:55" in fake.stored()
    day.hours(1)

    assert day.expected() == fake.stored("v2")


def test_too_old(day: Day, fake: FakePVOutput) -> None:
    """What PVOutput finds too old is dropped with all that is older, and counted."""

    def short_memory(status: Status) -> None:
        if status.d < "20260302":
            raise bad(f"Date is older than 14 days [{status.d}]")

    day.until("2026-03-01 17:00")
    fake.world.more_rules.append(short_memory)
    offline(day, fake, 15)
    day.hours(0.5)

    lost = [slot for slot in day.expected() if slot not in fake.stored()]
    assert all("20260301 16:55" <= slot <= "20260301 18:00" for slot in lost)
    assert day.alive.snapshot().records["expired"] == len(lost) > 10
    assert day.alive.outbox.counts().pending == 0


def test_one_that_is_too_old(day: Day, fake: FakePVOutput) -> None:
    """The same for a status that was sent by itself."""
    day.until("2026-03-01 08:00")
    fake.faults.append(refusal("Bad request 400: Date is too far in the past [20260301]"))
    day.until("2026-03-01 09:00")

    assert day.alive.snapshot().records["expired"] == 1
    assert len(day.expected()) == len(fake.stored()) + 1


def counter(at_restart: float = 6.0) -> Callable[..., EcuInfo]:
    """Make an ECU whose counter of the day runs from dawn."""

    def energy(at: object) -> EcuInfo:
        wall = at.astimezone(ZoneInfo("Australia/Brisbane"))  # type: ignore[attr-defined]
        hours = wall.hour + wall.minute / 60 - at_restart
        return EcuInfo(energy_today_wh=max(hours, 0) * 1000, energy_lifetime_wh=5e6 + hours * 1000)

    return energy


def test_energy_in_order(make_day: Make, fake: FakePVOutput) -> None:
    """With energy the day goes out in order, also after an outage."""
    day = make_day(roof=Roof(energy=counter()), policy=replace(BRISBANE, energy="daily"))
    day.until("2026-03-01 08:00")
    sent = offline(day, fake, 3)
    day.hours(0.5)

    first = next(r for r in fake.requests[sent:] if r.service != "getsystem")
    assert first.service == "addbatchstatus"
    assert "" not in {v1 for (v1,) in fake.stored("v1").values()}
    assert day.expected() == fake.stored("v2")
    assert fake.lint == []


def test_lifetime_batches_are_not_mixed(make_day: Make, fake: FakePVOutput) -> None:
    """A batch is all with the counter since installation, or all without."""
    values = counter()

    def energy(at: object) -> EcuInfo:
        info = values(at)
        odd = int(at.timestamp() // 300) % 4 == 0  # type: ignore[attr-defined]
        return replace(info, energy_lifetime_wh=None) if odd else info

    day = make_day(roof=Roof(energy=energy), policy=replace(BRISBANE, energy="lifetime"))
    day.until("2026-03-01 08:00")
    sent = offline(day, fake, 2)
    day.hours(2)

    batches = [r.fields for r in fake.requests[sent:] if r.service == "addbatchstatus"]
    for fields in batches:
        has_energy = {line.split(",")[2] != "" for line in fields["data"].split(";")}
        assert has_energy == {"c1" in fields}
    assert day.expected() == fake.stored("v2")
    assert fake.lint == []


@pytest.mark.parametrize("hours", [0, 2])
def test_refused_energy(make_day: Make, fake: FakePVOutput, hours: float) -> None:
    """An energy that PVOutput refuses is left out, and the power arrives."""

    def no_energy(status: Status) -> None:
        if "v1" in status.values:
            raise bad("Energy value [5] lower than previously recorded value: [6]")

    day = make_day(roof=Roof(energy=counter()), policy=replace(BRISBANE, energy="daily"))
    fake.world.more_rules.append(no_energy)
    offline(day, fake, 1 + hours)
    day.hours(2)

    assert day.expected() == fake.stored("v2")
    assert {v1 for (v1,) in fake.stored("v1").values()} == {""}


def test_unsupported_batches(day: Day, fake: FakePVOutput) -> None:
    """Where batches don't work they are halved, and then sent one by one."""
    day.until("2026-03-01 08:00")
    fake.faults.append(refusal("Not found", status=404, times=1000, service="addbatchstatus"))
    offline(day, fake, 1)
    day.hours(2)

    assert day.expected() == fake.stored("v2")


def test_unsupported_status(day: Day, fake: FakePVOutput, caplog: pytest.LogCaptureFixture) -> None:
    """A status that the server can't handle is given up after three tries."""
    day.until("2026-03-01 17:56")
    text = "Method Not Allowed 405: POST or GET only"
    fake.faults.append(refusal(text, status=405, times=1000, service="addstatus"))
    day.until("2026-03-01 19:00")

    assert times(day) == {"17:55"}
    assert {entry.error for entry in day.alive.outbox.entries("dead")} == {text}
    assert sum("for good" in r.message for r in caplog.records) == 1


def test_unsupported_after_an_outage(day: Day, fake: FakePVOutput) -> None:
    """Attempts at which the network was away don't count towards giving up."""
    day.until("2026-03-01 17:56")
    offline(day, fake, 1)
    assert max(entry.attempts for entry in day.alive.outbox.entries("pending")) > 3
    fake.faults.append(refusal("Method Not Allowed 405", status=405, times=2))
    day.hours(2)

    assert times(day) == set()
    assert day.expected() == fake.stored("v2")


def test_donation_that_never_was(make_day: Make, fake: FakePVOutput) -> None:
    """Refused for a donation without having sent a donor's field, only the owner can help."""
    day = make_day(policy=replace(BRISBANE, donation=True, fields=Fields()))
    day.until("2026-03-01 07:00")
    fake.faults.append(refusal("Forbidden 403: Donation Mode", status=403))
    day.until("2026-03-01 07:40")
    assert day.alive.snapshot().auth_ok is False
    day.until("2026-03-01 09:00")

    assert day.expected() == fake.stored("v2")
    assert day.alive.snapshot().auth_ok is True


def test_donors_send_a_hundred(make_day: Make, fake: FakePVOutput) -> None:
    """A donor's batches have up to a hundred records."""
    fake.world.keys[KEY].donation = True
    day = make_day()
    day.until("2026-03-01 07:00")
    sent = offline(day, fake, 9)
    day.hours(0.5)

    sizes = [
        len(r.fields["data"].split(";"))
        for r in fake.requests[sent:]
        if r.service == "addbatchstatus"
    ]
    assert max(sizes) == 100
    assert day.expected() == fake.stored("v2")
    assert fake.lint == []


def test_too_fast(day: Day, fake: FakePVOutput) -> None:
    """Told to slow down, it waits longer than the pace."""
    day.until("2026-03-01 08:00")
    fake.faults.append(refusal("Forbidden 403: Exceeded 1 request per second", status=403, times=2))
    day.until("2026-03-01 08:30")

    assert day.expected() == fake.stored("v2")
    assert fake.lint == []


def test_unreadable_answer_to_a_batch(day: Day, fake: FakePVOutput) -> None:
    """An answer to a batch that makes no sense counts for nothing; the batch is sent again."""
    day.until("2026-03-01 08:00")
    offline(day, fake, 1)
    fake.faults.append(
        refusal("OK 200: Added Status", status=200, service="addbatchstatus", times=2)
    )
    day.hours(1)

    assert day.expected() == fake.stored("v2")
    assert fake.lint == []


def test_unusual_success(day: Day, fake: FakePVOutput, caplog: pytest.LogCaptureFixture) -> None:
    """A success in other words is a success, and is mentioned once."""
    day.until("2026-03-01 08:00")
    fake.faults.append(refusal("Thanks", status=200, times=3))
    day.until("2026-03-01 08:30")

    assert len(day.expected()) == len(fake.stored()) + 3
    assert sum("unusual words" in r.message for r in caplog.records) == 1
    assert day.alive.outbox.counts().pending == 0


def test_power_that_cannot_be(
    make_day: Make, fake: FakePVOutput, caplog: pytest.LogCaptureFixture
) -> None:
    """With the system's size known, an impossible power is never sent, but kept to be seen."""
    day = make_day(roof=Roof(spike=lambda at: 9000.0 if f"{at:%H:%M}" == "22:00" else None))
    day.until("2026-03-01 09:00")

    dead = day.alive.outbox.entries("dead")
    assert [e.error for e in dead] == ["not sent: 9000 W is over 150 % of the system's 5000 W"]
    assert day.alive.snapshot().records["rejected_local"] == 1
    assert all(r.status == 200 for r in fake.requests)
    assert sum("is over 150 %" in r.message for r in caplog.records) == 1


def test_late_sweeps_rebuild_their_slot(make_day: Make, fake: FakePVOutput) -> None:
    """A sweep that shows up after its slot was sent corrects the slot."""
    fake.world.systems["12345"].interval = 10
    day = make_day(roof=Roof(lag_s=200.0))
    day.until("2026-03-01 09:00")

    stored, swept = fake.stored("v2"), day.swept
    mean = (swept["20260301 08:10"] + swept["20260301 08:15"]) / 2
    assert stored["20260301 08:10"] == (str(round(mean)),)
    assert fake.lint == []


def test_without_a_zone(
    make_day: Make, fake: FakePVOutput, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nobody knows a zone the page's time only says that there is something new."""
    fake.world.quirks.empty_timezone = True
    fake.world.systems["12345"].tz = "UTC"
    fake.world.systems["12345"].sun = lambda _: (time.min, time.max)
    day = make_day(roof=Roof(says_zone=False), policy=Policy())
    day.until("2026-03-01 08:00")

    assert len(fake.stored()) >= 20
    assert sum("nobody knows the roof's time zone" in r.message for r in caplog.records) == 1
    assert fake.lint == []


def test_first_page_without_a_zone_is_not_news(make_day: Make, fake: FakePVOutput) -> None:
    """A page that may be hours old isn't sent as now: it has to move first."""
    roof = Roof(says_zone=False)
    day = make_day(roof=roof)
    frozen = day.clock()
    frozen_summary = Roof(says_zone=False, spike=lambda _: 50.0).summary(frozen)
    for _ in range(20):
        day.alive.take(frozen_summary)
        day.clock.forward(minutes=5)
        day.alive.close()
        day.alive.send()

    assert fake.stored() == {}


def test_log_stays_small(day: Day, fake: FakePVOutput, caplog: pytest.LogCaptureFixture) -> None:
    """A night of outage costs two lines: one when PVOutput goes, one when it returns."""
    day.until("2026-03-01 08:00")
    offline(day, fake, 6)
    day.hours(1)

    lines = [r.message for r in caplog.records if r.levelno >= logging.INFO]
    assert len(lines) == 2
    assert "they are kept: the network is away" in lines[0]
    assert "answers again after" in lines[1]
