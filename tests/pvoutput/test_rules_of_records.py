"""Slots, records, answers, energy guards and the quota: the parts that are pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aps_exporter.ecu.curve import parse_curve
from aps_exporter.errors import EcuPageError
from aps_exporter.pvoutput.answers import Answer, Rate, Verdict, batch_codes, classify
from aps_exporter.pvoutput.budget import Budget
from aps_exporter.pvoutput.energy import DayGuard, LifetimeGuard
from aps_exporter.pvoutput.policy import Fields
from aps_exporter.pvoutput.records import Record, form, line, record_of, too_much_power
from aps_exporter.pvoutput.slots import Sample, coverage, label, mean, slot_start
from aps_exporter.pvoutput.system import System, parse_system

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ZONES = sorted(available_timezones() - {"localtime"})


def sample(minute: float, power_w: float, covers_s: float = 300.0, **values: float) -> Sample:
    """Make a sweep."""
    at = NOON + timedelta(minutes=minute)
    return Sample(at=at, power_w=power_w, covers_s=covers_s, **values)  # type: ignore[arg-type]


# --- slots -----------------------------------------------------------------------------------


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(ZONES),
    st.sampled_from([5, 10, 15]),
)
def test_slots_of_all_zones(moment: datetime, zone: str, interval: int) -> None:
    """A slot holds its moment, begins on a multiple of the interval, and is found again."""
    start = slot_start(moment, ZoneInfo(zone), interval)

    assert start <= moment < start + timedelta(minutes=interval)
    assert int(label(start, ZoneInfo(zone))[1][-2:]) % interval == 0
    assert slot_start(start, ZoneInfo(zone), interval) == start


def test_slots_lie_on_the_wall_clock() -> None:
    """At an offset of :45 a slot of ten minutes begins at :05 in UTC."""
    start = slot_start(NOON + timedelta(minutes=2), ZoneInfo("Asia/Kathmandu"), 10)

    assert label(start, ZoneInfo("Asia/Kathmandu")) == ("20260301", "17:40")
    assert start == NOON - timedelta(minutes=5)


def test_mean_weighs_by_time() -> None:
    """A sweep that stands for ten minutes weighs twice one that stands for five."""
    assert mean([sample(0, 100), sample(10, 400, 600)], lambda s: s.power_w) == 300


def test_mean_of_nothing() -> None:
    """Values that nobody has make no mean, and no 0."""
    assert mean([sample(0, 100)], lambda s: s.temperature_c) is None


@pytest.mark.parametrize(
    ("previous", "seconds"),
    [(None, 300), (-5, 300), (-10, 600), (-20, 1200), (-21, 300), (0, 300), (5, 300)],
)
def test_coverage(previous: int | None, seconds: int) -> None:
    """A sweep stands for the time since the previous one, after an outage for the usual time."""
    before = None if previous is None else NOON + timedelta(minutes=previous)

    assert coverage(NOON, before) == seconds


# --- records ---------------------------------------------------------------------------------


def test_form() -> None:
    """Powers and energies are integers, temperature and voltage have one decimal."""
    record = record_of(
        NOON,
        [sample(0, 1829.6, temperature_c=-0.04, grid_voltage_v=236.25, grid_frequency_hz=50.0)],
    )
    fields = Fields(frequency_key="v11")

    assert form(record, ZoneInfo("Europe/Oslo"), fields) == {
        "d": "20260301",
        "t": "13:00",
        "v2": "1830",
        "v5": "0.0",
        "v6": "236.2",
        "v11": "50",
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (Fields(), "20260301,12:00,,1830,,,31.5,236.2"),
        (Fields(temperature=False), "20260301,12:00,,1830,,,,236.2"),
        (Fields(voltage=False), "20260301,12:00,,1830,,,31.5"),
        (Fields(temperature=False, voltage=False), "20260301,12:00,,1830"),
        (Fields(frequency_key="v7"), "20260301,12:00,,1830,,,31.5,236.2,50.012"),
        (Fields(frequency_key="v12"), "20260301,12:00,,1830,,,31.5,236.2,,,,,,50.012"),
    ],
)
def test_line(fields: Fields, expected: str) -> None:
    """A line of a batch leaves empty what is not sent, and ends with the last value."""
    record = Record(
        start=NOON,
        power_w=1830,
        temperature_c=31.5,
        grid_voltage_v=236.2,
        grid_frequency_hz=50.01234,
    )

    assert line(record, ZoneInfo("UTC"), fields) == expected


def test_measured_zero_is_sent() -> None:
    """0 W and 0 °C are values, not gaps."""
    record = record_of(NOON, [sample(0, 0.0, temperature_c=0.0)])

    assert line(record, ZoneInfo("UTC"), Fields()) == "20260301,12:00,,0,,,0.0"


def test_lifetime_energy_has_its_flag() -> None:
    """Energy since installation is marked with c1=2, today's is not."""
    record = Record(start=NOON, power_w=5, energy_wh=4_379_520, lifetime=True)
    today = Record(start=NOON, power_w=5, energy_wh=2600)

    assert form(record, ZoneInfo("UTC"), Fields())["c1"] == "2"
    assert form(today, ZoneInfo("UTC"), Fields()) == {
        "d": "20260301",
        "t": "12:00",
        "v1": "2600",
        "v2": "5",
    }


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("temperature_c", -50.1, False),
        ("temperature_c", 120.0, True),
        ("grid_voltage_v", 49.0, False),
        ("grid_voltage_v", 400.0, True),
        ("grid_voltage_v", 601.0, False),
    ],
)
def test_impossible_values_are_left_out(field: str, value: float, kept: bool) -> None:  # noqa: FBT001
    """A broken sensor doesn't cost the record."""
    record = record_of(NOON, [sample(0, 10, **{field: value})])

    assert (getattr(record, field) is not None) is kept


def test_negative_power_is_no_generation() -> None:
    """A roof that draws some watts generates 0."""
    assert record_of(NOON, [sample(0, -3)]).power_w == 0


def test_too_much_power() -> None:
    """Beyond 150 % of the system's size PVOutput refuses; without a size nobody knows."""
    assert too_much_power(7500, 5000) is None
    assert too_much_power(9999, None) is None
    assert too_much_power(7501, 5000) == "not sent: 7501 W is over 150 % of the system's 5000 W"


# --- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "text", "verdict"),
    [
        (200, "OK 200: Added Status", Verdict.OK),
        (200, "OK 200: Updated Status", Verdict.OK),
        (200, "", Verdict.TRANSIENT),
        (0, "PVOutput can't be reached: Connection refused", Verdict.TRANSIENT),
        (302, "", Verdict.TRANSIENT),
        (408, "timeout", Verdict.TRANSIENT),
        (425, "too early", Verdict.TRANSIENT),
        (429, "too many", Verdict.TRANSIENT),
        (500, "oops", Verdict.TRANSIENT),
        (599, "", Verdict.TRANSIENT),
        (400, "Bad request 400: Load in progress", Verdict.LOADING),
        (403, "Forbidden 403: Exceeded 60 requests per hour", Verdict.RATE_LIMIT),
        (403, "Forbidden 403: Exceeded number requests per hour", Verdict.RATE_LIMIT),
        (403, "Forbidden 403: Exceeded 1 request per second", Verdict.TOO_FAST),
        (403, "Forbidden 403: Donation Mode", Verdict.DONATION),
        (403, "Forbidden 403: Read only key", Verdict.CONFIG),
        (403, "Forbidden", Verdict.CONFIG),
        (401, "Unauthorized 401: Invalid API Key", Verdict.CONFIG),
        (401, "Unauthorized 401: Invalid System ID", Verdict.CONFIG),
        (400, "Bad request 400: Invalid future [20260302]", Verdict.CLOCK),
        (400, "Bad request 400: Date is in the future [20260302]", Verdict.CLOCK),
        (400, "Bad request 400: Date is older than 14 days [20260201]", Verdict.EXPIRED),
        (400, "Bad request 400: Date is too far in the past [20260201]", Verdict.EXPIRED),
        (
            400,
            "Bad request 400: Energy value [10] lower than previously recorded value: [20]",
            Verdict.ENERGY,
        ),
        (
            400,
            "Bad request 400: Energy value [76500] too high for system size [5200]",
            Verdict.ENERGY,
        ),
        (400, "Bad Request 400: Moon powered", Verdict.MOON),
        (400, "Bad request 400: Power value [9] too high for system size [3]", Verdict.PERMANENT),
        (400, "Bad request 400: No statuses added or updated", Verdict.PERMANENT),
        (400, "what?", Verdict.PERMANENT),
        (404, "nowhere", Verdict.UNSUPPORTED),
        (405, "Method Not Allowed 405: POST or GET only", Verdict.UNSUPPORTED),
        (413, "too large", Verdict.UNSUPPORTED),
    ],
)
def test_answers(status: int, text: str, verdict: Verdict) -> None:
    """Each known answer has its meaning, in any letter case; an unknown 400 is for good."""
    assert classify(Answer(status=status, text=text)) is verdict
    assert classify(Answer(status=status, text=text.upper())) is verdict


@given(st.integers(0, 999), st.text(max_size=60), st.booleans())
def test_every_answer_has_a_meaning(status: int, text: str, html: bool) -> None:  # noqa: FBT001
    """There is no answer without a meaning, and no page for people is a success."""
    verdict = classify(Answer(status=status, text=text, html=html))

    assert isinstance(verdict, Verdict)
    assert not (html and verdict is not Verdict.TRANSIENT)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("20260301,12:00,1;20260301,12:05,0", {("20260301", "12:00"): 1, ("20260301", "12:05"): 0}),
        ("20260301,12:00,1;", {("20260301", "12:00"): 1}),
        ("20260301,12:00,1;2026", None),
        ("OK 200: Added Status", None),
        ("", None),
    ],
)
def test_batch_codes(text: str, codes: dict[tuple[str, str], int] | None) -> None:
    """The answer to a batch is read wholly or not at all."""
    assert batch_codes(text) == codes


ROOF = "Roof,5000,4000,14,360,Acme,14,300,APsystems,N,20.0,No,20240101,-27.46,153.02,5"


@pytest.mark.parametrize(
    ("text", "system"),
    [
        (
            f"{ROOF},Australia/Brisbane;;2",
            System(
                name="Roof", size_w=5000, interval=5, timezone="Australia/Brisbane", donation=True
            ),
        ),
        (f"{ROOF},;;0", System(name="Roof", size_w=5000, interval=5, donation=False)),
        (
            f"East; and, {ROOF},Australia/Brisbane;;0",
            System(name="East; and", interval=5, timezone="Australia/Brisbane", donation=False),
        ),
        (f"{ROOF},Nowhere/Else;", System(name="Roof", size_w=5000, interval=5)),
        (
            ROOF.replace("153.02,5", "153.02,7") + ",UTC;",
            System(name="Roof", size_w=5000, timezone="UTC"),
        ),
        ("", System()),
        ("OK 200: Added Status", System()),
    ],
)
def test_getsystem(text: str, system: System) -> None:
    """What getsystem tells is taken where it makes sense; a comma in a name shifts nothing."""
    assert parse_system(text) == system


@given(st.text(max_size=200))
def test_getsystem_of_any_text(text: str) -> None:
    """No answer to getsystem breaks anything."""
    parse_system(text)


# --- energy ----------------------------------------------------------------------------------


def passed(
    guard: DayGuard | LifetimeGuard, values: Sequence[tuple[int, float]]
) -> list[float | None]:
    """Run (day, value) through a guard, as kept between lives."""
    results = []
    for day, value in values:
        results.append(guard.passed(date(2026, 3, day), value))
        guard = type(guard).restored(guard.kept())
    return results


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # in the middle of a day it has to move first
        ([(1, 500), (1, 500), (1, 520)], [None, None, 520]),
        # the next day it has to restart
        ([(1, 0), (1, 9), (2, 9), (2, 9), (2, 0), (2, 1)], [0, 9, None, None, 0, 1]),
        # a glitch, and a reset before midnight
        ([(1, 0), (1, 9), (1, 0), (1, 10)], [0, 9, None, 10]),
        # stale, from a day of which we saw only the half
        ([(1, 0), (1, 9), (2, 20), (2, 0), (2, 3)], [0, 9, None, 0, 3]),
        ([(1, -1), (1, float("nan"))], [None, None]),
    ],
)
def test_energy_of_the_day(values: list[tuple[int, float]], expected: list[float | None]) -> None:
    """Only a counter that is surely today's is let through, and it never falls."""
    assert passed(DayGuard(), values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([(1, 100), (1, 100), (1, 130)], [100, 100, 130]),
        ([(1, 100), (1, 0), (1, 99), (1, 101)], [100, None, None, 101]),
        ([(1, 100), (1, float("inf"))], [100, None]),
    ],
)
def test_energy_since_installation(
    values: list[tuple[int, float]], expected: list[float | None]
) -> None:
    """The counter since installation is never 0 and never falls."""
    assert passed(LifetimeGuard(), values) == expected


def test_a_replaced_ecu_counts_anew() -> None:
    """A lower counter is believed on another day, when it is there a second time."""
    guard = LifetimeGuard()
    values = [(1, 5000.0), (1, 3.0), (1, 4.0), (2, 5.0), (2, 6.0), (2, 7.0)]
    results = [guard.passed(date(2026, 3, day), value) for day, value in values]

    assert results == [5000.0, None, None, 5.0, 6.0, 7.0]


# --- the quota -------------------------------------------------------------------------------


def test_reserve_for_news() -> None:
    """The backlog leaves a request for each slot to come, and a few for others."""
    budget = Budget()
    budget.learn(Rate(limit=60, remaining=17, reset=NOON.timestamp() + 3600), NOON)
    luck = random.Random(1)  # noqa: S311  nothing secret

    assert budget.exhausted_until(NOON, backlog=False, interval=5, luck=luck) is None
    assert budget.exhausted_until(NOON, backlog=True, interval=5, luck=luck) == NOON + timedelta(
        hours=1
    )
    budget.learn(Rate(limit=60, remaining=18, reset=NOON.timestamp() + 3600), NOON)
    assert budget.exhausted_until(NOON, backlog=True, interval=5, luck=luck) is None


def test_without_headers_half_for_the_backlog() -> None:
    """Without headers at most half of sixty requests an hour go to the backlog."""
    budget, luck = Budget(), random.Random(1)  # noqa: S311  nothing secret
    sent = 0
    while budget.exhausted_until(NOON, backlog=True, interval=5, luck=luck) is None:
        budget.count(NOON, backlog=True)
        sent += 1

    assert sent == 30
    assert budget.exhausted_until(NOON, backlog=False, interval=5, luck=luck) is None


def test_backoff_grows_and_is_capped() -> None:
    """Pauses grow with each failure to a quarter of an hour, and one success forgets them."""
    budget, luck = Budget(), random.Random(1)  # noqa: S311  nothing secret
    pauses = []
    for _ in range(40):
        budget.failed(NOON, luck)
        pauses.append(budget.hold_until - NOON.timestamp())
    budget.succeeded()
    budget.failed(NOON, luck)

    assert all(0 <= pause <= min(5 * 2**n, 900) for n, pause in enumerate(pauses))
    assert max(pauses) > 600
    assert budget.hold_until - NOON.timestamp() <= 5


def test_a_clock_that_was_set_back() -> None:
    """A pause that would last for more than two hours is from another time."""
    budget = Budget()
    budget.hold_until = NOON.timestamp() + 86_400
    budget.count(NOON + timedelta(days=1), backlog=False)

    assert budget.ready_at(NOON) == NOON


def test_budget_outlives_the_process() -> None:
    """What is kept is taken up again; what isn't a number is not."""
    budget = Budget(remaining=7, used=3, failures=2)

    assert Budget.restored(budget.kept()) == budget
    assert Budget.restored({"used": "many", "limit": float("nan")}) == Budget()


# --- the ECU's own curve ---------------------------------------------------------------------


def test_curve() -> None:
    """The ECU's curve has milliseconds of UTC and whole watts; the order doesn't matter."""
    body = (
        b'{"power":[{"time":1772366456000,"each_system_power":30},'
        b'{"time":1772366156000,"each_system_power":24}],"today_energy":"4.06","subtitle":""}'
    )
    first, second = parse_curve(body)

    assert (first.at, first.power_w) == (datetime(2026, 3, 1, 11, 55, 56, tzinfo=UTC), 24)
    assert (second.at, second.power_w) == (datetime(2026, 3, 1, 12, 0, 56, tzinfo=UTC), 30)


def test_impossible_watts() -> None:
    """Impossible watts are left out of the curve."""
    body = b'{"power":[{"time":1772366756000,"each_system_power":-1}]}'

    assert parse_curve(body) == []


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"power":5}', b'{"power":[{}]}', b'{"power":[{"time":"x"}]}']
)
def test_no_curve(body: bytes) -> None:
    """What isn't the curve is our own error."""
    with pytest.raises(EcuPageError):
        parse_curve(body)


def test_empty_curve() -> None:
    """A day without a point has an empty curve."""
    assert parse_curve(b'{"power":[],"today_energy":"0","subtitle":"No Data"}') == []


@given(st.binary(max_size=200))
def test_curve_of_any_bytes(body: bytes) -> None:
    """Any bytes are a curve or our own error."""
    with suppress(EcuPageError):
        parse_curve(body)
