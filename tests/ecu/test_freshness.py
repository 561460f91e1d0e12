"""Rows about now, rows that repeat, and clocks that are wrong: all clocks are injected."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aps_exporter.ecu.freshness import Freshness, Judgement
from aps_exporter.model import Channel, Inverter, to_utc

WARSAW = ZoneInfo("Europe/Warsaw")  # +2 h in summer
NOON = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
SWEEP = timedelta(minutes=5)


def wall(text: str) -> datetime:
    """Give a wall clock time of an ECU."""
    return datetime.fromisoformat(text)


def inverter(reported_at: datetime | None, serial: str = "408000012345") -> Inverter:
    """Make an inverter that makes 100 W."""
    channel = Channel(id=f"{serial}-A", name="A", power_w=100.0)
    return Inverter(serial=serial, channels=(channel,), reported_at=reported_at)


@dataclass
class Roof:
    """A roof that is polled, in a world whose clocks we set."""

    zone: ZoneInfo | None = WARSAW
    """What the exporter believes."""
    ecu_zone: ZoneInfo = WARSAW
    """What the ECU's clock really shows."""
    ecu_wrong: timedelta = timedelta(0)
    """By how much the ECU's clock is ahead besides."""
    page_clock: bool = False
    """Whether the ECU's pages show its clock."""
    stale_after_s: float = 1800
    now: datetime = NOON
    freshness: Freshness = field(init=False)
    began: datetime = field(init=False)

    def __post_init__(self) -> None:
        """Begin to watch."""
        self.restart_exporter()
        self.began = self.now

    def restart_exporter(self) -> None:
        """Forget all that was learnt."""
        self.freshness = Freshness(stale_after_s=self.stale_after_s)

    def ecu_time(self, moment: datetime) -> datetime:
        """Say what the ECU's wall clock shows at a moment."""
        return moment.astimezone(self.ecu_zone).replace(tzinfo=None) + self.ecu_wrong

    def poll(self, sweep: datetime | None, *others: datetime) -> Judgement:
        """Poll a table whose inverters reported at those moments."""
        sweeps = [None if sweep is None else self.ecu_time(sweep), *map(self.ecu_time, others)]
        return self.freshness.judge(
            tuple(inverter(at, f"40800001234{n}") for n, at in enumerate(sweeps)),
            zone=self.zone,
            ecu_clock=self.ecu_time(self.now) if self.page_clock else None,
            now=self.now,
            monotonic=(self.now - self.began).total_seconds() + 1000,
        )

    def produce(self, sweeps: int = 3) -> list[bool]:
        """Let sweeps pass, poll a minute after each, and say each time if the roof is online."""
        online = []
        for _ in range(sweeps):
            self.now += SWEEP
            online.append(is_online(self.poll(self.now - timedelta(minutes=1))))
        return online


def is_online(judgement: Judgement) -> bool:
    """Say whether the first inverter counts."""
    return judgement.inverters[0].online


def test_a_fresh_row_is_online() -> None:
    """Rows of the last sweep are about now, and the clock is as far off as they are old."""
    judgement = Roof().poll(NOON - timedelta(minutes=4))

    assert is_online(judgement)
    assert judgement.clock_offset_s == -240
    assert judgement.clock_error_s == 0


@pytest.mark.parametrize(
    ("age_s", "online"), [(0, True), (1799, True), (1800, True), (1801, False), (86400, False)]
)
def test_a_row_is_stale_when_older_than_stale_after(age_s: int, *, online: bool) -> None:
    """With a known zone the first look is enough: half an hour is fresh, a second more is not."""
    assert is_online(Roof().poll(NOON - timedelta(seconds=age_s))) is online


def test_stale_after_can_be_set() -> None:
    """Two hours of patience keep a row of 90 minutes ago."""
    assert is_online(Roof(stale_after_s=7200).poll(NOON - timedelta(minutes=90)))
    assert not is_online(Roof(stale_after_s=600).poll(NOON - timedelta(minutes=11)))


def test_each_inverter_is_judged_by_its_own_time() -> None:
    """One inverter that stopped reporting is stale while the others are not."""
    judgement = Roof().poll(NOON - timedelta(minutes=1), NOON - timedelta(minutes=40))

    assert [i.stale for i in judgement.inverters] == [False, True]


def test_an_inverter_without_a_time_is_left_alone() -> None:
    """A row with a dash for its time is what its cells say, also beside a stale one."""
    judgement = Roof().poll(None, NOON - timedelta(hours=3))

    assert [i.stale for i in judgement.inverters] == [False, True]
    assert Roof().poll(None).clock_offset_s is None
    assert not Roof().poll(None).inverters[0].stale


def test_an_empty_table_has_nothing_to_judge() -> None:
    """A restarted ECU lists nobody."""
    freshness = Freshness(stale_after_s=1800)
    judgement = freshness.judge((), zone=WARSAW, ecu_clock=None, now=NOON, monotonic=0.0)

    assert judgement == Judgement(inverters=(), clock_error_s=0, clock_offset_s=None)


def test_rows_that_repeat_grow_stale_while_we_watch() -> None:
    """Without a zone a row is stale once it has not moved for half an hour."""
    roof = Roof(zone=None)
    dusk = NOON
    online = {}
    for minutes in (0, 5, 29, 30, 31, 600):
        roof.now = NOON + timedelta(minutes=minutes)
        online[minutes] = is_online(roof.poll(dusk))

    assert online == {0: True, 5: True, 29: True, 30: True, 31: False, 600: False}


def test_without_a_zone_there_is_no_offset() -> None:
    """What can't be known is not said."""
    judgement = Roof(zone=None).poll(NOON)

    assert judgement.clock_offset_s is None
    assert judgement.clock_error_s == 0


@pytest.mark.parametrize("page_clock", [False, True])
@pytest.mark.parametrize("zone", [WARSAW, None])
def test_a_night_and_a_dawn(zone: ZoneInfo | None, *, page_clock: bool) -> None:
    """Dusk rows that repeat all night are stale; the first sweep of the morning is online."""
    roof = Roof(zone=zone, page_clock=page_clock)
    assert all(roof.produce())
    dusk = roof.now - timedelta(minutes=1)
    night = []
    for _ in range(18):
        roof.now += timedelta(minutes=30)
        night.append(is_online(roof.poll(dusk)))

    assert night[1:] == [False] * 17
    assert roof.produce() == [True] * 3


@pytest.mark.parametrize(("zone", "page_clock"), [(WARSAW, False), (WARSAW, True), (None, True)])
def test_an_exporter_that_starts_at_night_knows_dusk_rows(
    zone: ZoneInfo | None, *, page_clock: bool
) -> None:
    """At 23:00 rows of 20:40 are stale at the first look, if any clock is known."""
    roof = Roof(zone=zone, page_clock=page_clock, now=datetime(2026, 6, 21, 21, 0, tzinfo=UTC))

    assert not is_online(roof.poll(datetime(2026, 6, 21, 18, 40, tzinfo=UTC)))


@pytest.mark.parametrize("page_clock", [False, True])
def test_rows_that_moved_while_nobody_looked_prove_nothing(*, page_clock: bool) -> None:
    """After an outage from afternoon to night, newer dusk rows are still dusk rows."""
    roof = Roof(page_clock=page_clock)
    assert all(roof.produce())
    roof.now += timedelta(hours=8)
    judgement = roof.poll(roof.now - timedelta(hours=2, minutes=25))

    assert not is_online(judgement)
    assert judgement.clock_error_s == 0
    assert roof.produce() == [True] * 3


WRONG = [
    pytest.param(timedelta(hours=6), id="6 h ahead"),
    pytest.param(timedelta(hours=-6), id="6 h behind"),
    pytest.param(timedelta(hours=1), id="1 h ahead"),
    pytest.param(timedelta(hours=-1), id="1 h behind"),
    pytest.param(timedelta(minutes=45), id="45 min ahead"),
    pytest.param(timedelta(minutes=-45), id="45 min behind"),
    pytest.param(timedelta(minutes=-30), id="30 min behind"),
    pytest.param(timedelta(hours=5, minutes=45), id="Nepal"),
    pytest.param(timedelta(hours=-25), id="from +14 to -11"),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_zone_is_found_out_when_rows_move(wrong: timedelta) -> None:
    """A producing roof whose zone is wrong is online from its second sweep, and stays."""
    roof = Roof(ecu_wrong=wrong)
    roof.produce(1)
    for _ in range(20):
        assert roof.produce(1) == [True]
        roof.now += timedelta(minutes=2)
        judgement = roof.poll(roof.now - timedelta(minutes=3))

        assert is_online(judgement)
        assert judgement.clock_error_s == wrong.total_seconds()
        assert judgement.clock_offset_s == wrong.total_seconds() - 180


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_zone_is_proven_by_the_pages_clock_at_once(wrong: timedelta) -> None:
    """The ECU's own clock shows a wrong zone at the first poll."""
    roof = Roof(ecu_wrong=wrong, page_clock=True)
    judgement = roof.poll(NOON - timedelta(minutes=4))

    assert is_online(judgement)
    assert judgement.clock_error_s == wrong.total_seconds()


def test_half_an_hour_ahead_is_harmless() -> None:
    """A clock up to half an hour ahead is no zone error, and costs nothing."""
    roof = Roof(ecu_wrong=timedelta(minutes=30))

    assert roof.produce() == [True] * 3
    assert roof.poll(roof.now).clock_error_s == 0


@pytest.mark.parametrize("page_clock", [False, True])
@pytest.mark.parametrize("hours", [-9, -6, 3, 6, 8])
def test_a_wrong_zone_does_not_keep_a_roof_awake_at_night(hours: int, *, page_clock: bool) -> None:
    """Once known, a zone error is held on to all night: dusk rows stay stale in every hour."""
    roof = Roof(ecu_wrong=timedelta(hours=hours), page_clock=page_clock)
    roof.produce(5)
    dusk = roof.now
    for _ in range(54):
        roof.now += timedelta(minutes=10)
        judgement = roof.poll(dusk)

        assert is_online(judgement) == (roof.now - dusk <= timedelta(minutes=30))
        assert judgement.clock_error_s == hours * 3600
    assert roof.produce(2) == [True, True]


@pytest.mark.parametrize("hours", [-6, 8])
def test_an_exporter_that_starts_at_night_sees_through_a_wrong_zone(hours: int) -> None:
    """The page's clock tells old rows from new ones also where the zone is wrong."""
    roof = Roof(ecu_wrong=timedelta(hours=hours), page_clock=True)
    dusk = roof.now - timedelta(hours=2, minutes=20)

    assert not is_online(roof.poll(dusk))


def test_a_zone_that_is_corrected_is_right_again() -> None:
    """When the owner sets the zone right, the error is forgotten with the next sweep."""
    roof = Roof(ecu_wrong=timedelta(hours=-6))
    roof.produce(3)
    roof.ecu_wrong = timedelta(0)
    roof.produce(1)
    judgement = roof.poll(roof.now - timedelta(minutes=1))

    assert is_online(judgement)
    assert judgement.clock_error_s == 0


@pytest.mark.parametrize("years", [-26, 40])
@pytest.mark.parametrize("page_clock", [False, True])
def test_a_clock_that_is_years_off_kills_no_roof(years: int, *, page_clock: bool) -> None:
    """An ECU that never learnt the date is online as long as its rows move, and no longer."""
    roof = Roof(ecu_wrong=timedelta(days=365 * years, seconds=377), page_clock=page_clock)
    roof.produce(1)

    assert roof.produce() == [True] * 3
    last = roof.now
    roof.now += timedelta(minutes=31)
    assert not is_online(roof.poll(last))


def test_a_page_clock_in_another_zone_kills_no_roof() -> None:
    """Rows that move are alive although the page shows a clock hours ahead of them."""
    freshness = Freshness(stale_after_s=1800)
    online = []
    for n in range(12):
        now = NOON + n * timedelta(minutes=2)
        sweep = NOON + (n // 3) * timedelta(minutes=6)
        judgement = freshness.judge(
            (inverter(sweep.astimezone(WARSAW).replace(tzinfo=None)),),
            zone=WARSAW,
            ecu_clock=(now + timedelta(hours=8)).replace(tzinfo=None),
            now=now,
            monotonic=120.0 * n,
        )
        online.append(is_online(judgement))
        assert n < 3 or judgement.clock_error_s == 0

    assert online[3:] == [True] * 9


@pytest.mark.parametrize("drift_s", [-1500, -420, 420, 1500])
def test_a_clock_that_drifts_is_no_zone_error(drift_s: int) -> None:
    """Minutes of drift show in the offset and change nothing else."""
    roof = Roof(ecu_wrong=timedelta(seconds=drift_s))

    assert roof.produce() == [True] * 3
    judgement = roof.poll(roof.now)
    assert judgement.clock_error_s == 0
    assert judgement.clock_offset_s == drift_s


@pytest.mark.parametrize("text", ["1970-01-01 00:00:00", "2199-12-31 23:59:59"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_any_time_a_page_can_say_is_judged(text: str, zone: str) -> None:
    """The first and the last time that is read at all are no crash in any zone."""
    freshness = Freshness(stale_after_s=1800)
    for monotonic in (0.0, 60.0):
        judgement = freshness.judge(
            (inverter(wall(text)), inverter(wall("2026-06-21 12:00:00"))),
            zone=ZoneInfo(zone),
            ecu_clock=wall(text),
            now=NOON,
            monotonic=monotonic,
        )

    assert judgement.clock_offset_s is not None


@pytest.mark.parametrize("page_clock", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),  # Warsaw springs from 2:00 to 3:00
        datetime(2026, 10, 25, 1, 0, tzinfo=UTC),  # and falls from 3:00 to 2:00
    ],
    ids=["spring", "autumn"],
)
def test_daylight_saving_time_changes_nothing(change: datetime, *, page_clock: bool) -> None:
    """Through the hour that is skipped and the hour that comes twice, fresh rows stay fresh."""
    roof = Roof(page_clock=page_clock, now=change - timedelta(minutes=90))
    while roof.now < change + timedelta(minutes=90):
        roof.now += SWEEP
        judgement = roof.poll(roof.now - timedelta(minutes=1))

        assert is_online(judgement)
        assert judgement.clock_offset_s == -60
        assert judgement.clock_error_s == 0


def test_stale_rows_stay_stale_through_the_hour_that_comes_twice() -> None:
    """A row of 2:30 is not fresh again an hour later, when it is 2:30 once more."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    roof = Roof(now=first)
    roof.poll(first)
    roof.now = first + timedelta(hours=1)

    assert not is_online(roof.poll(first))


def test_the_doubled_hour_is_the_nearest() -> None:
    """2:30 in autumn is the one of the two that is nearer to now."""
    half_past_two = wall("2026-10-25 02:30:00")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)

    assert to_utc(half_past_two, WARSAW, near=first + SWEEP) == first
    assert to_utc(half_past_two, WARSAW, near=second + SWEEP) == second


def test_an_ecu_that_sets_its_clock_back_stays_online() -> None:
    """Rows that move backwards move."""
    roof = Roof(zone=None)
    roof.produce()
    roof.ecu_wrong = timedelta(hours=-8)

    assert roof.produce(12) == [True] * 12


def test_a_clock_put_right_keeps_the_roof_alive() -> None:
    """Rows that step back to the right time are about now, and the learnt error is forgotten."""
    roof = Roof(ecu_wrong=timedelta(hours=7))
    assert roof.produce(3)[-1]
    roof.ecu_wrong = timedelta(0)
    roof.now += SWEEP
    judgement = roof.poll(roof.now - timedelta(minutes=1))

    assert is_online(judgement)
    assert judgement.clock_error_s == 0
