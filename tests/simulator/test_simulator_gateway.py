"""The simulated ECU's day, night and troubles, told by its pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.model import EcuInfo, Inverter, Table
from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.faults import parse_fault
from aps_exporter.simulator.gateway import Gateway
from aps_exporter.simulator.plant import SWEEP_S
from aps_exporter.simulator.settings import FAMILIES, SimulatorSettings

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOON = datetime(2026, 6, 21, 12, 30, tzinfo=AMSTERDAM)
NIGHT = datetime(2026, 6, 21, 23, 30, tzinfo=AMSTERDAM)
SMALL_HOURS = datetime(2026, 6, 22, 2, 0, tzinfo=AMSTERDAM)


def _ecu(at: datetime, **settings: object) -> Gateway:
    """Make an ECU whose clock stands still until it is moved."""
    return Gateway(SimulatorSettings(**settings), Clock(at, 0))  # type: ignore[arg-type]  # by name


def _table(ecu: Gateway) -> Table:
    cgi = ecu.settings.family == "cgi"
    return parse_table(_page(ecu, "/cgi-bin/parameters" if cgi else "/index.php/realtimedata"))


def _home(ecu: Gateway) -> EcuInfo:
    cgi = ecu.settings.family == "cgi"
    return parse_home(_page(ecu, "/cgi-bin/home" if cgi else "/index.php/home"))


def _page(ecu: Gateway, path: str) -> bytes:
    page = ecu.page(path, "http://127.0.0.1")
    if page is None:
        pytest.fail(f"no page at {path}")
    return page


def _curve(ecu: Gateway) -> list[dict[str, int]]:
    points = json.loads(_page(ecu, "/index.php/realtimedata/old_power_graph"))["power"]
    assert isinstance(points, list)
    return points


def _power_w(table: Table) -> float:
    return sum(c.power_w or 0 for inverter in table.inverters for c in inverter.channels)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hour", [6, 9, 12, 15, 21])
def test_both_pages_tell_of_the_same_sweep(family: str, hour: int) -> None:
    """The home page's power and counts are those of the table's rows."""
    ecu = _ecu(NOON.replace(hour=hour), family=family)
    table, home = _table(ecu), _home(ecu)

    assert home.power_w == _power_w(table)
    assert home.inverters_online == sum(inverter.online for inverter in table.inverters)
    assert home.inverters == len(table.inverters) == 5


def test_all_rows_share_a_time_that_moves_every_five_minutes() -> None:
    """Pages change once in 300 seconds, at a second of the ECU's own, after the sweep is over."""
    ecu = _ecu(NOON)
    seen: list[datetime] = []
    for _ in range(60):
        times = {inverter.reported_at for inverter in _table(ecu).inverters}
        assert len(times) == 1
        seen += [at for at in times if at and at not in seen]
        ecu.clock.advance(15)

    steps = {b - a for a, b in pairwise(seen)}

    assert steps == {timedelta(seconds=SWEEP_S)}
    assert len(seen) == 4


def test_a_sweep_shows_once_it_is_over() -> None:
    """The newest row is between a sweep's duration and that plus five minutes old."""
    ecu = _ecu(NOON)
    for _ in range(20):
        age = ecu.wall(ecu.clock.now()) - ecu.shown().inverters[0].reported_at  # type: ignore[operator]  # it is noon
        assert timedelta(seconds=40) <= age < timedelta(seconds=340)
        ecu.clock.advance(17)


@pytest.mark.parametrize("family", FAMILIES)
def test_dusk_rows_stay_by_night(family: str) -> None:
    """At 23:30 the table still shows the last rows of the evening with their old time."""
    table = _table(_ecu(NIGHT, family=family))
    newest = max(each.reported_at for each in table.inverters if each.reported_at)

    assert _power_w(table) > 0
    assert newest.hour in (21, 22)


def test_php_says_dusks_power_by_night_and_cgi_none() -> None:
    """The php home page repeats the last sweep's power; the CGI one says 0 W, 0 online."""
    php, cgi = _home(_ecu(NIGHT, family="php")), _home(_ecu(NIGHT, family="cgi"))

    assert php.power_w is not None
    assert php.power_w > 0
    assert (cgi.power_w, cgi.inverters_online) == (0.0, 0)
    assert cgi.energy_today_wh is not None
    assert cgi.energy_today_wh > 5000


def test_the_php_table_is_empty_from_one_at_night_until_the_first_answer() -> None:
    """After the nightly restart there are no rows; the first inverter brings them all back."""
    ecu = _ecu(SMALL_HOURS)

    assert _table(ecu).inverters == ()
    assert (_home(ecu).power_w, _home(ecu).inverters_online, _home(ecu).inverters) == (0.0, 0, 5)
    while not (inverters := _table(ecu).inverters):
        ecu.clock.advance(SWEEP_S)

    assert len(inverters) == 5
    assert ecu.wall(ecu.clock.now()).hour in (5, 6)


def test_energy_of_the_day_restarts_at_local_midnight() -> None:
    """At midnight the day's energy is 0 again, lifetime goes on."""
    ecu = _ecu(NIGHT)
    before = _home(ecu)
    ecu.clock.advance(3600)
    after = _home(ecu)

    assert before.energy_today_wh is not None
    assert before.energy_today_wh > 5000
    assert after.energy_today_wh == 0
    assert after.energy_lifetime_wh == before.energy_lifetime_wh


def test_lifetime_never_falls_whatever_happens() -> None:
    """Through two days of faults that come and go the counter only grows."""
    ecu = _ecu(NOON)
    last = 0.0
    for step in range(96):
        if step % 7 == 3:
            ecu.switch_on(parse_fault("inverter-silent=all"))
        if step % 7 == 5:
            ecu.switch_off("inverter-silent")
        lifetime = ecu.shown().info.energy_lifetime_wh
        assert lifetime is not None
        assert lifetime >= last
        last = lifetime
        ecu.clock.advance(1800)


def test_the_curve_is_what_the_home_page_said() -> None:
    """The day's curve holds each sweep's power at its true epoch, and the day's energy."""
    ecu = _ecu(NOON)
    said: dict[int, float | None] = {}
    for _ in range(12):
        at = ecu.shown().inverters[0].reported_at
        assert at is not None
        epoch_ms = int(at.replace(tzinfo=AMSTERDAM).timestamp() * 1000)
        said[epoch_ms] = _home(ecu).power_w
        ecu.clock.advance(SWEEP_S)
    points = {point["time"]: point["each_system_power"] for point in _curve(ecu)}

    assert said.items() <= points.items()
    assert {b - a for a, b in pairwise(points)} == {300_000}


def test_the_curve_is_todays_and_ends_with_the_day() -> None:
    """By night the curve stands, without a closing zero; after midnight it is empty."""
    evening = _curve(_ecu(NIGHT))

    assert 150 < len(evening) < 220
    assert evening[-1]["each_system_power"] > 0
    assert _curve(_ecu(SMALL_HOURS)) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_silent_inverter_has_dashes_and_costs_power(family: str) -> None:
    """A silent inverter is offline on the table, and missing from power, energy and counts."""
    ecu, healthy = _ecu(NOON, family=family), _ecu(NOON, family=family)
    serial = ecu.plant.units[1].serial
    ecu.switch_on(parse_fault(f"inverter-silent={serial}"))

    assert [each.online for each in _table(ecu).inverters] == [True, False, True, True, True]
    assert _home(ecu).power_w == _power_w(_table(ecu))
    assert _home(ecu).inverters_online == 4
    for each in (ecu, healthy):
        each.clock.advance(3600)
        each.shown()

    lost = [_wh(each.shown().info.energy_today_wh) for each in (healthy, ecu)]

    assert lost[0] - lost[1] > 100


def _wh(energy_wh: float | None) -> float:
    assert energy_wh is not None
    return energy_wh


def test_a_fault_from_the_start_shows_in_the_curve_at_once() -> None:
    """The point of the first sweep shown lacks the silent inverter, as the table does."""
    ecu = _ecu(NOON, faults=("inverter-silent=801000090001",))

    assert _curve(ecu)[-1]["each_system_power"] == _home(ecu).power_w


def test_a_roof_can_be_wholly_offline() -> None:
    """With all inverters silent the rows are there, none online, 0 W on the home page."""
    ecu = _ecu(NOON, faults=("inverter-silent=all",))

    assert [each.online for each in _table(ecu).inverters] == [False] * 5
    assert (_home(ecu).power_w, _home(ecu).inverters_online) == (0.0, 0)


def _first(ecu: Gateway) -> Inverter:
    return _table(ecu).inverters[0]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (
            "inverter-never-contacted=501000090001",
            lambda it: it.channels == () and it.reported_at is not None and not it.online,
        ),
        (
            "channel-dead=501000090001-2",
            lambda it: [c.power_w == 0 for c in it.channels] == [False, True, False, False],
        ),
        (
            "over-voltage=B",
            lambda it: [v.voltage_v > 260 for v in it.grid_voltages] == [False, True, False],
        ),
        ("hot-inverter=501000090001", lambda it: (it.temperature_c or 0) > 90),
    ],
)
def test_equipment_faults_show_on_the_table(fault: str, says: Callable[[Inverter], bool]) -> None:
    """Each fault shows where it was asked for, and is gone when it is switched off."""
    ecu = _ecu(NOON, family="php-3phase")

    assert not says(_first(ecu))
    ecu.switch_on(parse_fault(fault))

    assert says(_first(ecu))
    assert not says(_table(ecu).inverters[1]) or fault.startswith("over-voltage")
    ecu.switch_off(*fault.split("="))

    assert not says(_first(ecu))


def test_stale_sweeps_stand_still_until_the_fault_goes() -> None:
    """While sweeps have stopped, neither rows nor energy move; then they catch up."""
    ecu = _ecu(NOON, faults=("stale-sweep",))
    before = _table(ecu), _home(ecu).energy_today_wh
    ecu.clock.advance(7200)

    assert (_table(ecu), _home(ecu).energy_today_wh) == before
    ecu.switch_off("stale-sweep")

    assert _table(ecu) != before[0]
    assert _wh(_home(ecu).energy_today_wh) > _wh(before[1])


@pytest.mark.parametrize(
    ("argument", "zone", "ahead"),
    [
        ("+7", "Europe/Amsterdam", 7),
        ("-1.5", "Europe/Amsterdam", -1.5),
        ("Asia/Shanghai", "Asia/Shanghai", 6),
    ],
)
def test_a_wrong_clock_moves_every_time_on_the_pages(
    argument: str, zone: str, ahead: float
) -> None:
    """Hours leave the zone's name as it was; a zone changes both."""
    wrong, right = _ecu(NOON, faults=(f"clock-zone={argument}",)), _ecu(NOON)
    times = [(each.shown().inverters[0].reported_at, _home(each).clock) for each in (wrong, right)]

    assert _home(wrong).timezone == zone
    for moved, true in zip(*times, strict=True):
        assert moved is not None
        assert true is not None
        assert moved - true == timedelta(hours=ahead)


def test_a_restarted_ecu_has_no_rows_but_its_energy() -> None:
    """Just after a restart there are headings only, 0 W and 0 online; lifetime is there."""
    ecu, healthy = _ecu(NOON, faults=("empty-table",)), _ecu(NOON)

    assert _table(ecu) == Table(inverters=())
    assert (_home(ecu).power_w, _home(ecu).inverters_online) == (0.0, 0)
    assert _home(ecu).energy_lifetime_wh == _home(healthy).energy_lifetime_wh


def test_odd_cells_are_on_the_table() -> None:
    """The fault spoils cells in all rows; what can't be read is counted."""
    table = _table(_ecu(NOON, inverters=6, faults=("odd-cells",)))

    assert len(table.unreadable) >= 3
    assert table.inverters[0].channels[0].power_w == 120.5


def test_chinese_pages_say_the_same() -> None:
    """Whatever the language, the values are the same."""
    english, chinese = _ecu(NOON), _ecu(NOON, faults=("chinese",))

    assert b"Current Power" not in _page(chinese, "/index.php/realtimedata")
    assert _table(chinese) == _table(english)
    assert _home(chinese) == _home(english)
    assert _page(_ecu(NOON, language="chinese"), "/") == _page(chinese, "/")


def test_moving_the_clock_back_forgets_what_was_to_come() -> None:
    """Losses of sweeps that have not happened yet don't count."""
    ecu = _ecu(NOON, faults=("inverter-silent=all",))
    ecu.clock.advance(86400)
    ecu.shown()
    ecu.switch_off("inverter-silent")
    ecu.clock.jump(NOON - timedelta(hours=1))
    healthy = _ecu(NOON - timedelta(hours=1))
    for _ in range(3):
        assert ecu.shown() == healthy.shown()
        for each in (ecu, healthy):
            each.clock.advance(3600)


def test_losses_of_many_days_are_remembered_in_sum() -> None:
    """A dead roof's lifetime stands still for as long as it is dead."""
    ecu = _ecu(NOON, faults=("inverter-silent=all",))
    before = ecu.shown().info.energy_lifetime_wh
    for _ in range(6):
        ecu.clock.advance(43200)
        after = ecu.shown().info.energy_lifetime_wh

    assert after == pytest.approx(before)


def test_a_newer_argument_replaces_the_older() -> None:
    """A fault of the pages is on once; faults of inverters add up."""
    ecu = _ecu(NOON, faults=("drip=1", "drip=2", "inverter-silent=801000090001"))
    ecu.switch_on(parse_fault("inverter-silent=801000090002"))
    ecu.switch_on(parse_fault("inverter-silent=801000090002"))

    assert [str(fault) for fault in ecu.faults] == [
        "drip=2",
        "inverter-silent=801000090001",
        "inverter-silent=801000090002",
    ]


def test_each_family_has_its_own_paths() -> None:
    """What stands at the other family's paths is nothing."""
    assert _ecu(NOON, family="php").page("/cgi-bin/parameters", "") is None
    assert _ecu(NOON, family="cgi").page("/index.php/realtimedata", "") is None
    assert _ecu(NOON, family="php").page("/index.php/management", "") is None
