"""Who is expected, missing, new, never contacted, unused or retired."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from aps_exporter.model import Channel, Inverter, Reading
from aps_exporter.roster import memory as roster_memory
from aps_exporter.summary import PanelName, Roster, Summary
from tests.roster.roof import DAY, EAST, NOON, WEST, inverter, reading

HOUR = timedelta(hours=1)


def noons(days: int) -> Iterator[datetime]:
    """Yield the noon of each day."""
    for day in range(days):
        yield NOON + day * DAY


def last(roster: Roster, readings: Iterator[Reading]) -> Summary:
    """Show a roster all these readings, and give what the last one makes of it."""
    return [roster.summarize(each) for each in readings][-1]


def test_an_input_without_a_panel_is_unused_after_a_week() -> None:
    """An input that made nothing on seven days of production is neither received nor expected."""
    roster = Roster()

    summary = last(roster, (reading(inverter(EAST, 90, 95, 0), at=at) for at in noons(7)))

    assert summary.panel_states[f"{EAST}-3"] == "unused"
    assert [panel.id for panel in summary.panels] == [f"{EAST}-1", f"{EAST}-2"]
    assert (summary.received, summary.expected, summary.missing) == (2, 2, 0)
    assert summary.inverters_online == 1


def test_an_input_that_shows_a_dash_may_be_unused_too() -> None:
    """Whether the ECU prints 0 W or no value for an empty input makes no difference."""
    summary = last(Roster(), (reading(inverter(EAST, 90, None), at=at) for at in noons(7)))

    assert summary.panel_states[f"{EAST}-2"] == "unused"
    assert summary.missing_ids == ()


def test_six_days_are_no_week() -> None:
    """A panel under the snow for six days is still expected."""
    summary = last(Roster(), (reading(inverter(EAST, 90, 0), at=at) for at in noons(6)))

    assert summary.panel_states[f"{EAST}-2"] == "expected"
    assert summary.expected == 2


@pytest.mark.parametrize(
    "powers_w",
    [
        pytest.param((0, 0), id="night"),
        pytest.param((8, 0), id="dusk, when inputs reach zero one after the other"),
        pytest.param((None, None), id="offline"),
    ],
)
def test_the_dark_makes_nobody_unused(powers_w: tuple[float | None, ...]) -> None:
    """What inputs do without real production says nothing about them."""
    summary = last(Roster(), (reading(inverter(EAST, *powers_w), at=at) for at in noons(30)))

    assert "unused" not in summary.panel_states.values()
    assert summary.expected == 2


def test_repeated_rows_make_nobody_unused() -> None:
    """Rows that an ECU repeats all night are no production."""
    readings = (reading(inverter(EAST, 90, 0, stale=True), at=at) for at in noons(30))

    assert "unused" not in last(Roster(), readings).panel_states.values()


def test_an_unreadable_cell_is_not_nothing() -> None:
    """An input whose power could not be read may well make some."""
    readings = (
        reading(inverter(EAST, 90, None), at=at, unreadable=f"{EAST}-2") for at in noons(30)
    )

    assert last(Roster(), readings).panel_states[f"{EAST}-2"] == "never_contacted"


def test_many_readings_of_one_day_are_one_day() -> None:
    """A day counts once, however often it was read."""
    moments = [day + minute * HOUR / 60 for day in (NOON, NOON + 7 * DAY) for minute in range(100)]
    readings = (reading(inverter(EAST, 90, 0), at=at) for at in moments)

    assert last(Roster(), readings).expected == 2


def test_a_wrong_time_zone_makes_no_week_of_four_days() -> None:
    """Where the ECU's midnight is at noon, each day's light has two dates but is one day."""

    def ecu_clock(at: datetime) -> datetime:
        return at.replace(tzinfo=None) + 12 * HOUR

    moments = [noon + shift for noon in noons(7) for shift in (-HOUR, HOUR)]
    readings = [reading(inverter(EAST, 90, 0, at=ecu_clock(at)), at=at) for at in moments]
    roster = Roster()

    assert last(roster, iter(readings[:12])).panel_states[f"{EAST}-2"] == "expected"
    assert last(roster, iter(readings[12:])).panel_states[f"{EAST}-2"] == "unused"


def test_one_watt_in_the_week_is_a_panel() -> None:
    """An input that ever made a watt is never unused, even if it is dead since."""
    roster = Roster()
    roster.summarize(reading(inverter(EAST, 90, 1), at=NOON - DAY))

    summary = last(roster, (reading(inverter(EAST, 90, 0), at=at) for at in noons(60)))

    assert summary.panel_states[f"{EAST}-2"] == "expected"


def test_a_panel_that_is_put_on_an_unused_input_counts_at_once() -> None:
    """The first watt ends that an input is unused."""
    roster = Roster()
    last(roster, (reading(inverter(EAST, 90, 0), at=at) for at in noons(30)))

    summary = roster.summarize(reading(inverter(EAST, 90, 3), at=NOON + 30 * DAY))

    assert (summary.received, summary.expected, summary.power_w) == (2, 2, 93)


def test_a_panel_in_the_configuration_is_never_unused() -> None:
    """Who names a panel says that it exists."""
    roster = Roster(names={f"{EAST}-2": PanelName(name="Dormer")})

    summary = last(roster, (reading(inverter(EAST, 90, 0), at=at) for at in noons(30)))

    assert summary.panel_states[f"{EAST}-2"] == "expected"


@pytest.mark.parametrize("powers_w", [(0,), (0, 0, 0, 0)])
def test_without_siblings_that_produce_nobody_is_unused(powers_w: tuple[float, ...]) -> None:
    """An inverter that makes nothing at all is broken, not unused."""
    readings = (
        reading(inverter(EAST, *powers_w), inverter(WEST, 200, 200), at=at) for at in noons(30)
    )

    assert last(Roster(), readings).expected == len(powers_w) + 2


def test_unused_inputs_do_not_hide_a_lost_inverter() -> None:
    """Of 9 panels on 12 inputs, losing an inverter with 3 leaves 6, not 8 of 9."""
    serials = [f"80100009000{number}" for number in range(3)]
    roster = Roster(expected_count=9, scale_missing=True)
    everybody = [inverter(serial, 100, 100, 100, 0) for serial in serials]
    last(roster, (reading(*everybody, at=at) for at in noons(7)))

    summary = roster.summarize(reading(*everybody[:2], at=NOON + 7 * DAY))

    assert (summary.received, summary.missing) == (6, 3)
    assert summary.power_estimated_w == 900
    assert summary.missing_ids == tuple(f"{serials[2]}-{number}" for number in (1, 2, 3))


@pytest.mark.parametrize("expected_count", [12, 9], ids=["rows of the page", "panels"])
def test_unused_inputs_are_not_estimated(expected_count: int) -> None:
    """Whether people count the page's rows or their panels, empty inputs add no power."""
    serials = [f"80100009000{number}" for number in range(3)]
    roster = Roster(expected_count=expected_count, scale_missing=True)
    everybody = [inverter(serial, 100, 100, 100, 0) for serial in serials]
    summary = last(roster, (reading(*everybody, at=at) for at in noons(8)))

    assert (summary.received, summary.expected, summary.missing) == (9, 9, 0)
    assert summary.power_estimated_w == summary.power_w == 900


def test_a_silent_inverter_is_missing() -> None:
    """An inverter that reported before and whose row is gone is missing with its panels."""
    roster = Roster()
    roster.summarize(reading(inverter(EAST, 90, 95), inverter(WEST, 80)))

    summary = roster.summarize(reading(inverter(WEST, 80), at=NOON + HOUR))

    assert summary.inverter_states == {WEST: "expected", EAST: "missing"}
    assert summary.missing_ids == (f"{EAST}-1", f"{EAST}-2")


def test_never_contacted_then_contacted_is_one_inverter() -> None:
    """An inverter gets its inputs after first contact, and stays one inverter."""
    roster = Roster()

    before = roster.summarize(reading(inverter(EAST), inverter(WEST, 80)))
    after = roster.summarize(reading(inverter(EAST, 90, 95), inverter(WEST, 80), at=NOON + HOUR))

    assert before.inverter_states == {EAST: "never_contacted", WEST: "expected"}
    assert after.inverter_states == {EAST: "expected", WEST: "expected"}
    assert len(after.inverters) == 2
    assert after.expected == 3


def test_a_known_inverter_that_lost_its_inputs_is_missing() -> None:
    """After a restart the ECU prints bare ids until first contact; who was there is missing."""
    roster = Roster()
    roster.summarize(reading(inverter(EAST, 90, 95)))

    summary = roster.summarize(reading(inverter(EAST), at=NOON + HOUR))

    assert summary.inverter_states == {EAST: "missing"}
    assert summary.missing_ids == (f"{EAST}-1", f"{EAST}-2")


def test_a_bare_id_in_the_configuration_gives_way_to_the_inputs() -> None:
    """An inverter that was listed before its first contact does not miss a panel for ever."""
    roster = Roster(names={EAST: PanelName(name="Garage")})

    before = roster.summarize(reading(inverter(EAST)))
    after = roster.summarize(reading(inverter(EAST, 90, 95), at=NOON + HOUR))

    assert before.missing_ids == (EAST,)
    assert (after.missing_ids, after.expected) == ((), 2)


def test_the_one_panel_of_an_inverter_without_inputs_stays_one() -> None:
    """A YC250's panel has the inverter's id, online and missing."""
    yc250 = Inverter(serial=EAST, channels=(Channel(id=EAST, name="", power_w=200.0),))
    roster = Roster()

    online = roster.summarize(reading(yc250))
    missing = roster.summarize(reading(inverter(EAST), at=NOON + HOUR))

    assert (online.received, online.expected, online.power_w) == (1, 1, 200)
    assert missing.missing_ids == (EAST,)


def test_founders_are_not_new() -> None:
    """Whoever is there on a roster's first day was there before it."""
    roster = Roster()
    roster.summarize(reading(inverter(EAST, 90)))

    summary = roster.summarize(reading(inverter(EAST, 90), inverter(WEST, 80), at=NOON + 5 * HOUR))

    assert set(summary.inverter_states.values()) == {"expected"}


def test_who_joins_later_is_new_for_a_week() -> None:
    """A replacement inverter and its panels are new for a week, and then as all others."""
    roster = Roster()
    roster.summarize(reading(inverter(EAST, 90)))
    both = inverter(EAST, 90), inverter(WEST, 80)

    joined = roster.summarize(reading(*both, at=NOON + 3 * DAY))
    week_later = roster.summarize(reading(*both, at=NOON + 10 * DAY))

    assert joined.inverter_states == {EAST: "expected", WEST: "new"}
    assert joined.panel_states == {f"{EAST}-1": "expected", f"{WEST}-1": "new"}
    assert week_later.inverter_states == {EAST: "expected", WEST: "expected"}


def test_a_listed_panel_that_was_never_seen_was_never_contacted() -> None:
    """A panel that only the configuration knows is expected, and has a state of its own."""
    roster = Roster(names={f"{WEST}-1": PanelName(name="Shed", group="west")})

    summary = roster.summarize(reading(inverter(EAST, 90)))

    assert summary.panel_states[f"{WEST}-1"] == "never_contacted"
    assert summary.missing_ids == (f"{WEST}-1",)


def test_a_page_of_invented_ids_does_not_fill_the_memory() -> None:
    """There is a number of members that no roof has, and none are remembered beyond it."""
    roster = Roster()
    most = roster_memory.MOST_MEMBERS
    roster.summarize(reading(*(inverter(f"{serial:012d}", 1) for serial in range(most // 2 + 5))))

    summary = roster.summarize(reading(inverter(EAST, 90), at=NOON + HOUR))

    assert len(summary.inverters) + len(summary.panels) == most + 2
    assert summary.power_w == 90
