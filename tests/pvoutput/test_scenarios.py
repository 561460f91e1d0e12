"""The days that a forwarder has to live through: the scenarios of PVOutput's contract."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aps_exporter.model import EcuInfo
from aps_exporter.pvoutput.policy import Fields, Policy
from tests.pvoutput.day import Day, Roof
from tests.pvoutput.fake_pvoutput import KEY, Clock, FakePVOutput, Fault
from tests.pvoutput.fake_rules import Key, Status, bad

Make = Callable[..., Day]

BRISBANE = Policy(timezone="Australia/Brisbane")


def moonlit(status: Status) -> None:
    """Refuse what was generated at ten."""
    if status.t == "10:00":
        raise bad("Moon Powered")


def uploads(fake: FakePVOutput) -> list[str]:
    """Name the services that were asked, but for getsystem."""
    return [r.service for r in fake.requests if r.service != "getsystem"]


def test_happy_day(day: Day, fake: FakePVOutput) -> None:
    """A day without trouble: one record for each slot, the curve as it was, no sin."""
    day.until("2026-03-01 19:30")

    assert day.expected() == fake.stored("v2")
    assert len(fake.stored()) == 144
    assert fake.lint == []
    assert len(fake.requests) == len(fake.stored()) + 1


def test_records_carry_temperature_and_voltage(day: Day, fake: FakePVOutput) -> None:
    """A record has the mean temperature and voltage with one decimal, and no donor's field."""
    day.until("2026-03-01 07:00")

    assert {("31.5", "236.2", "")} == set(fake.stored("v5", "v6", "v11").values())


def test_outage_of_six_hours(day: Day, fake: FakePVOutput) -> None:
    """After six hours without network: newest first, then batches, nothing lost or doubled."""
    day.until("2026-03-01 08:00")
    before = len(fake.stored())
    fake.faults.append(Fault("refuse", times=10_000))
    day.until("2026-03-01 14:00")
    fake.faults.clear()
    sent = len(fake.requests)
    day.until("2026-03-01 14:20")

    back = [r for r in fake.requests[sent:] if r.status == 200]
    batches = [r for r in back if r.service == "addbatchstatus"]
    assert back[0].service == "addstatus"
    assert [len(b.fields["data"].split(";")) for b in batches[:2]] == [30, 30]
    assert len(batches) == 3
    assert day.expected() == fake.stored("v2")
    assert len(fake.stored()) > before + 70
    assert fake.lint == []
    assert {1} == {len(slot.requests) for slot in fake.world.statuses.values()}


def test_killed_between_answer_and_mark(day: Day, fake: FakePVOutput) -> None:
    """A record whose answer never arrived is sent again in the next life, and is there once."""
    day.until("2026-03-01 08:00")
    fake.faults.append(Fault("drop_after", service="addstatus"))
    day.hours(0.2)
    day.kill()
    day.start()
    day.hours(0.2)

    assert day.expected() == fake.stored("v2")
    assert day.alive.outbox.counts().pending == 0
    assert fake.lint == []


def test_outage_of_fifteen_days(make_day: Make, fake: FakePVOutput) -> None:
    """A free key takes 14 days: what is older counts as expired; the quota is never exceeded."""
    day = make_day(
        poll=timedelta(minutes=5), night_poll=timedelta(minutes=20), roof=Roof(rise=11.0)
    )
    day.until("2026-03-01 11:30")
    day.line.up = False
    day.until("2026-03-16 10:30")
    day.line.up = True
    sent = len(fake.requests)
    day.until("2026-03-16 14:30")

    stored = fake.stored("v2")
    assert day.alive.snapshot().records["expired"] >= 35
    assert {slot: v for slot, v in day.expected().items() if slot >= "20260303 14:00"}.items() <= (
        stored.items()
    )
    assert day.alive.outbox.counts().pending == 0
    assert max(fake.world.keys[KEY].counts.values()) <= 60
    assert not [r for r in fake.requests[sent:] if r.status == 403]
    assert fake.lint == []


@pytest.mark.parametrize("poison", ["spike", "moon"])
def test_poison_in_a_batch(make_day: Make, fake: FakePVOutput, poison: str) -> None:
    """One bad record among thirty is found and set aside; the others arrive; few extra requests."""
    roof = Roof()
    bad_at = datetime(2026, 3, 1, 0, 2, tzinfo=UTC)  # 10:00 in Brisbane
    if poison == "spike":
        roof.spike = lambda at: 9000.0 if abs(at - bad_at) < timedelta(minutes=2) else None
    day = make_day(roof=roof)
    day.until("2026-03-01 09:00")
    day.alive.site.system = replace(day.alive.site.system, size_w=None)  # or we refuse it ourselves
    fake.faults.append(Fault("refuse", times=10_000))
    day.until("2026-03-01 11:25")
    fake.faults.clear()
    if poison == "moon":
        fake.world.more_rules.append(moonlit)
    sent = len(fake.requests)
    day.until("2026-03-01 12:30")

    missing = day.expected().keys() - fake.stored().keys()
    dead = day.alive.outbox.entries("dead")
    assert {"20260301 10:00"} == missing
    assert len(dead) == 1
    assert "Moon" in dead[0].error or "too high" in dead[0].error
    refused = [r for r in fake.requests[sent:] if r.status == 400]
    batches = [r for r in fake.requests[sent:] if r.service == "addbatchstatus"]
    assert len(refused) + len(batches) <= 14
    assert fake.lint == []


@pytest.mark.parametrize("headers", ["given", "omitted", "past"])
def test_rate_limit(make_day: Make, fake: FakePVOutput, headers: str) -> None:
    """With the quota used up by another program, no request goes out until it is new."""
    if headers == "omitted":
        fake.world.quirks.omit_rate_headers = True
    if headers == "past":
        fake.world.quirks.bad_reset = "1000"
    day = make_day()
    day.until("2026-03-01 08:01")
    key = fake.world.keys[KEY]
    key.counts[fake.world.window()] = 58
    day.until("2026-03-01 08:59")
    at_nine = len([r for r in fake.requests if r.at.minute and r.status == 403])
    day.until("2026-03-01 11:30")

    limited = [r for r in fake.requests if r.status == 403]
    assert len(limited) == at_nine <= 1
    if headers == "given":
        assert not limited
    assert day.expected() == fake.stored("v2")
    assert fake.lint == []


@pytest.mark.parametrize(
    "break_it",
    [
        lambda keys: setattr(keys[KEY], "state", "disabled"),
        lambda keys: setattr(keys[KEY], "state", "readonly"),
        lambda keys: setattr(keys[KEY], "systems", {"999"}),
        lambda keys: keys.clear(),
    ],
    ids=["disabled", "readonly", "not-its-system", "unknown"],
)
def test_credentials_refused(
    day: Day,
    fake: FakePVOutput,
    break_it: Callable[[dict[str, Key]], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Refused credentials suspend sending, not keeping; an hourly probe finds the repair."""
    day.until("2026-03-01 08:00")
    break_it(fake.world.keys)
    sent = len(fake.requests)
    day.until("2026-03-01 12:00")
    tried = len(fake.requests) - sent

    assert 4 <= tried <= 5
    assert day.alive.snapshot().auth_ok is False
    assert day.alive.outbox.counts().pending > 40
    assert sum("refuses the credentials" in r.message for r in caplog.records) == 1

    fake.world.keys[KEY] = Key(systems={"12345"})
    day.until("2026-03-01 13:30")

    assert day.expected() == fake.stored("v2")
    assert day.alive.snapshot().auth_ok is True
    assert fake.lint == []


@pytest.mark.parametrize("quirk", ["forbid", "ignore"])
@pytest.mark.parametrize("believed", [True, None])
def test_donor_field_without_donation(
    make_day: Make,
    fake: FakePVOutput,
    quirk: str,
    believed: bool | None,  # noqa: FBT001
) -> None:
    """Without a donation the frequency may be refused or ignored; the rest arrives either way."""
    fake.world.quirks.ext_without_donation = quirk  # type: ignore[assignment]
    day = make_day(policy=replace(BRISBANE, donation=believed, fields=Fields(frequency_key="v7")))
    day.until("2026-03-01 08:00")

    assert day.expected() == fake.stored("v2")
    assert {("31.5", "236.2", "")} == set(fake.stored("v5", "v6", "v7").values())
    assert believed is True or fake.lint == []


def test_donor_gets_the_frequency(make_day: Make, fake: FakePVOutput) -> None:
    """With a donation, as getsystem tells, the frequency is sent under the key that was wished."""
    fake.world.keys[KEY].donation = True
    day = make_day(policy=replace(BRISBANE, fields=Fields(frequency_key="v11")))
    day.until("2026-03-01 08:00")

    assert {("50.01",)} == set(fake.stored("v11").values())
    assert fake.lint == []


@pytest.mark.parametrize(
    ("zone", "date"),
    [
        ("Australia/Brisbane", "2026-03-01"),
        ("Europe/Oslo", "2026-03-29"),
        ("Europe/Oslo", "2026-10-25"),
        ("Pacific/Chatham", "2026-03-01"),
        ("Asia/Kathmandu", "2026-03-01"),
    ],
)
def test_local_time_on_any_day(
    make_day: Make, fake: FakePVOutput, clock: Clock, zone: str, date: str
) -> None:
    """Dates and times are the system's own, also when clocks change and on odd offsets."""
    fake.world.systems["12345"].tz = zone
    start = datetime.fromisoformat(f"{date} 00:10").replace(tzinfo=ZoneInfo(zone))
    clock.now = start.astimezone(UTC)
    day = make_day(roof=Roof(zone=zone, rise=10.0), policy=Policy())
    day.until(f"{date} 15:00")

    assert day.expected() == fake.stored("v2")
    assert len(fake.stored()) == 48
    assert fake.lint == []


def test_wrong_zone_is_told(make_day: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Moon Powered at noon: a warning says that the time zone is probably wrong."""
    day = make_day(policy=Policy(timezone="America/New_York"))
    day.until("2026-03-01 16:00")

    assert any("timezone is America/New_York here" in r.message for r in caplog.records)
    assert day.alive.snapshot().timezone_agrees is False
    assert all(
        "future" in e.error.lower() or "Moon" in e.error for e in day.alive.outbox.entries("dead")
    )


def test_midnight_and_energy(make_day: Make, fake: FakePVOutput) -> None:
    """A counter that restarts late never gives yesterday's energy to a new day."""

    def energy(at: datetime) -> EcuInfo:
        wall = at.astimezone(ZoneInfo("Australia/Brisbane"))
        hours = wall.hour + wall.minute / 60
        today = 0.0 if hours < 6 else min(hours - 6, 12) * 1000
        if hours < 6.5:
            today = 12_000.0  # not restarted yet
        return EcuInfo(energy_today_wh=today)

    day = make_day(roof=Roof(energy=energy), policy=replace(BRISBANE, energy="daily"))
    day.until("2026-03-02 12:00")

    stored = fake.stored("v1")
    second = [v for slot, (v,) in stored.items() if slot.startswith("20260302")]
    assert set(second[:6]) == {""}
    assert [float(v) for v in second[6:]] == sorted(float(v) for v in second[6:])
    assert not [r for r in fake.requests if "Energy" in r.answer]
    assert day.expected() == fake.stored("v2")
    assert fake.lint == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=500),
        Fault("status", status=502),
        Fault("status", status=503),
        Fault("status", status=429, body="slow down", content_type="text/plain"),
        Fault("html_200"),
        Fault("truncate", cut=3),
        Fault("drop_before"),
        Fault("drop_after"),
        Fault("redirect", location="http://127.0.0.2:1/steal"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}" if fault.kind == "status" else fault.kind,
)
def test_transient_trouble(day: Day, fake: FakePVOutput, clock: Clock, fault: Fault) -> None:
    """What may pass is tried again with growing pauses of at most a quarter of an hour."""
    day.until("2026-03-01 08:00")
    began = clock()
    fake.faults.append(replace(fault, times=14))
    day.until("2026-03-01 10:45")

    tries = [r.at for r in fake.requests if r.at >= began][:14]
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(tries)]
    assert day.expected() == fake.stored("v2")
    assert max(gaps) <= 910
    assert sum(gaps[-4:]) > sum(gaps[:4])
    assert [sin for sin in fake.lint if "stored before" not in sin] == []


def test_load_in_progress(day: Day, fake: FakePVOutput, clock: Clock) -> None:
    """While PVOutput reads a batch it is asked again each half minute, ten times, then less."""
    day.until("2026-03-01 08:00")
    text = "Bad request 400: Load in progress"
    fake.faults.append(Fault("status", status=400, body=text, content_type="text/plain", times=13))
    began = clock()
    day.until("2026-03-01 09:30")

    tries = [r.at for r in fake.requests if r.at >= began]
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(tries)]
    assert all(20 <= gap <= 31 for gap in gaps[:10])
    assert day.expected() == fake.stored("v2")
    assert fake.lint == []


def test_batch_code_zero(day: Day, fake: FakePVOutput) -> None:
    """A record that a batch says it didn't add is sent by itself once, and is then done."""
    day.until("2026-03-01 08:00")
    fake.faults.append(Fault("refuse", times=10_000))
    day.until("2026-03-01 08:40")
    fake.faults[:] = [Fault("drop_after", service="addbatchstatus")]
    sent = len(fake.requests)
    day.until("2026-03-01 09:30")

    singles = [r.fields["t"] for r in fake.requests[sent:] if r.service == "addstatus"]
    assert day.expected() == fake.stored("v2")
    assert len(singles) == len(set(singles))
    assert uploads(fake).count("addbatchstatus") == 2
    assert fake.lint == []


@pytest.mark.parametrize("interval", [10, 15])
def test_interval_from_getsystem(day: Day, fake: FakePVOutput, interval: int) -> None:
    """The owner's interval is asked for, and slots hold the mean of their sweeps."""
    fake.world.systems["12345"].interval = interval
    day.until("2026-03-01 12:00")

    stored = fake.stored("v2")
    within = [day.swept[f"20260301 10:{m:02}"] for m in range(0, interval, 5)]
    assert {0} == {int(slot[-2:]) % interval for slot in stored}
    assert str(round(sum(within) / len(within))) == stored["20260301 10:00"][0]
    assert fake.lint == []


@pytest.mark.parametrize("status", [404, 500])
def test_getsystem_fails(day: Day, fake: FakePVOutput, status: int) -> None:
    """Without getsystem's answer slots have five minutes, and are sent."""
    fake.faults.append(Fault("status", status=status, service="getsystem", times=1000))
    day.until("2026-03-01 08:00")

    assert day.expected() == fake.stored("v2")
    assert fake.lint == []


def test_a_bad_key_at_the_first_start(day: Day, fake: FakePVOutput) -> None:
    """While the key is refused nobody knows the interval, and no slot is cut by a guess."""
    fake.world.systems["12345"].interval = 15
    fake.world.keys.clear()
    day.until("2026-03-01 09:00")
    fake.world.keys[KEY] = Key(systems={"12345"})
    day.until("2026-03-01 12:00")

    assert {int(slot[-2:]) % 15 for slot in fake.stored()} == {0}
    assert "20260301 07:00" in fake.stored()
    assert fake.lint == []


def test_the_key_is_nowhere(
    make_day: Make, fake: FakePVOutput, caplog: pytest.LogCaptureFixture
) -> None:
    """The key is in no log at debug level and not in the outbox, even when the server echoes it."""
    caplog.set_level(logging.DEBUG)
    day = make_day()
    day.until("2026-03-01 07:00")
    fake.faults.append(Fault("echo", status=400, times=3))
    fake.faults.append(Fault("refuse", times=3))
    day.until("2026-03-01 09:00")
    day.kill()

    assert any("***" in record.getMessage() for record in caplog.records)
    assert KEY not in caplog.text
    assert [f for f in day.folder.iterdir() if KEY.encode() in f.read_bytes()] == []


@pytest.mark.parametrize("zeros", [True, False])
def test_night(make_day: Make, fake: FakePVOutput, zeros: bool) -> None:  # noqa: FBT001
    """At most one zero closes the day, and then nothing is asked until the morning."""
    day = make_day(roof=Roof(zeros=zeros))
    day.until("2026-03-02 06:30")

    night = [r.at for r in fake.requests if "2026-03-01T18:30" <= local(r.at) < "2026-03-02T06:00"]
    dark = [slot for slot, (v,) in fake.stored("v2").items() if v == "0"]
    assert night == []
    assert dark == (["20260301 18:00"] if zeros else [])
    assert fake.lint == []


def local(at: datetime) -> str:
    """Write a moment in the roof's zone."""
    return at.astimezone(ZoneInfo("Australia/Brisbane")).replace(tzinfo=None).isoformat()


def test_backfill_from_the_ecu(make_day: Make, fake: FakePVOutput) -> None:
    """After an hour without us the slots are filled from the ECU's curve, power only."""
    roof = Roof()

    def curve() -> bytes:
        points = []
        at = datetime(2026, 2, 28, 20, 0, 56, tzinfo=UTC)
        while at <= roof.sweep_before(day.clock()):
            watts = round(roof.power(at)) + 1  # so that a measured slot can be told from it
            points.append({"time": int(at.timestamp() * 1000), "each_system_power": watts})
            at += timedelta(minutes=5)
        return json.dumps({"power": points, "today_energy": "4.06", "subtitle": ""}).encode()

    day = make_day(roof=roof, curve=curve)
    day.until("2026-03-01 08:00")
    day.kill()
    day.jump("2026-03-01 09:00")
    day.start()
    day.until("2026-03-01 10:00")

    stored = fake.stored("v2", "v5")
    ours = {slot: (v[0], "31.5") for slot, v in day.expected().items()}
    filled = {slot: v for slot, v in stored.items() if slot not in ours}
    assert ours.items() <= stored.items()
    assert 11 <= len(filled) <= 12
    assert {""} == {v5 for _, v5 in filled.values()}
    assert min(filled) >= "20260301 07:50"
    assert fake.lint == []
