"""The roof under its sky."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from aps_exporter.simulator.plant import SWEEP_S, Plant
from aps_exporter.simulator.settings import FAMILIES, SimulatorSettings
from aps_exporter.simulator.sun import Sky, Slope, noise

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
SUMMER = datetime(2026, 6, 21, 12, tzinfo=UTC)
WINTER = datetime(2026, 12, 21, 12, tzinfo=UTC)


def _plant(**settings: object) -> Plant:
    return Plant(SimulatorSettings(**settings), SUMMER.date())  # type: ignore[arg-type]  # by name


def _day(plant: Plant, day: datetime) -> range:
    start = day.replace(hour=0, tzinfo=AMSTERDAM)
    return range(plant.slot(start) + 1, plant.slot(start + timedelta(days=1)) + 1)


@pytest.mark.parametrize(
    ("at", "degrees"),
    [
        (datetime(2026, 6, 21, 11, 41, tzinfo=UTC), 61.3),
        (datetime(2026, 12, 21, 11, 37, tzinfo=UTC), 14.5),
        (datetime(2026, 3, 20, 11, 47, tzinfo=UTC), 38.0),
    ],
)
def test_the_sun_stands_at_noon_where_almanacs_say(at: datetime, degrees: float) -> None:
    """At solar noon the elevation is 90° less the latitude plus the declination, due south."""
    east, north, up = Sky(latitude_deg=52.1, longitude_deg=5.2, seed=1).sun(at.timestamp())

    assert math.degrees(math.asin(up)) == pytest.approx(degrees, abs=1.0)
    assert east == pytest.approx(0, abs=0.03)
    assert north < 0


def test_east_wakes_before_west() -> None:
    """In the morning a slope to the east gets more light than one to the west."""
    sky = Sky(latitude_deg=52.1, longitude_deg=5.2, seed=1)
    morning = datetime(2026, 6, 21, 6, tzinfo=UTC).timestamp()
    normals = [Slope(name="", azimuth_deg=side, tilt_deg=35).normal() for side in (90, 270)]
    (east, west), is_morning = sky.light(morning, tuple(normals))

    assert is_morning
    assert east > 2 * west > 0


def test_noise_wanders_without_jumps() -> None:
    """Neighbouring moments have neighbouring noise, between 0 and 1."""
    values = [noise(7, 3, step / 50) for step in range(2000)]

    assert all(0 <= value <= 1 for value in values)
    assert max(abs(a - b) for a, b in pairwise(values)) < 0.05
    assert max(values) - min(values) > 0.7


def test_the_same_seed_gives_the_same_sweep() -> None:
    """Two plants with one seed agree in everything; another seed gives another day."""
    assert _plant(seed=4).sweep(SUMMER) == _plant(seed=4).sweep(SUMMER)
    assert _plant(seed=4).sweep(SUMMER) != _plant(seed=5).sweep(SUMMER)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("day", [SUMMER, WINTER], ids=["summer", "winter"])
def test_every_value_is_plausible(family: str, day: datetime) -> None:
    """All day long watts, volts, hertz and degrees stay within what real pages show."""
    plant = _plant(family=family)
    for slot in _day(plant, day)[::6]:
        sweep = plant.sweep(plant.begin(slot))
        powers = [c.power_w for i in sweep.inverters for c in i.channels if c.power_w is not None]
        online = [inverter for inverter in sweep.inverters if inverter.online]

        assert all(0 <= power <= 300 and power.is_integer() for power in powers)
        assert sum(powers) == sweep.power_w == plant.power_w(slot)
        assert bool(online) == plant.awake(slot)
        for inverter in online:
            assert inverter.reported_at is not None
            assert all(220 <= each.voltage_v <= 250 for each in inverter.grid_voltages)
            assert inverter.grid_frequency_hz in (49.9, 50.0, 50.1)
            assert -15 <= (inverter.temperature_c or -99) <= 80
            assert all(20 <= (channel.dc_voltage_v or 0) <= 45 for channel in inverter.channels)


def test_a_three_phase_inverter_has_three_voltages_and_four_channels() -> None:
    """A YC1000 reports phases A, B and C."""
    inverter = _plant(family="php-3phase").sweep(SUMMER).inverters[0]

    assert [each.phase for each in inverter.grid_voltages] == ["A", "B", "C"]
    assert [channel.name for channel in inverter.channels] == ["1", "2", "3", "4"]


def test_kinds_can_be_mixed() -> None:
    """Kinds are repeated over the inverters, and serials go on counting."""
    plant = _plant(kinds=("qs1", "yc600"), inverters=3)

    assert list(plant.groups) == [
        *(f"801000090001-{channel}" for channel in "1234"),
        *("408000090002-A", "408000090002-B"),
        *(f"801000090003-{channel}" for channel in "1234"),
    ]
    assert set(plant.groups.values()) == {"east", "south", "west"}


def test_at_dusk_some_inverters_have_gone_while_others_make_a_watt_or_two() -> None:
    """On the way into the night a sweep shows offline inverters beside 0, 1 or 2 W."""
    plant = _plant(inverters=9)
    sweeps = [plant.sweep(plant.begin(slot)) for slot in _day(plant, SUMMER)]
    mixed = [sweep for sweep in sweeps if len({i.online for i in sweep.inverters}) == 2]
    powers = {c.power_w for sweep in mixed for i in sweep.inverters for c in i.channels}

    assert any(sweep.at.hour < 8 for sweep in mixed)
    assert any(sweep.at.hour > 16 for sweep in mixed)
    assert {None, 1.0, 2.0} <= powers


def test_energy_is_the_sum_of_the_sweeps() -> None:
    """Each sweep's power counts for five minutes, across midnights too."""
    plant = _plant()
    slots = range(plant.slot(SUMMER), plant.slot(SUMMER) + 700)

    assert plant.energy_wh(slots[0], slots[-1]) == pytest.approx(
        sum(plant.sweep(plant.begin(slot)).power_w for slot in slots) * SWEEP_S / 3600
    )


def test_lifetime_never_falls_and_grows_by_what_is_made() -> None:
    """Before and after the first day, lifetime grows by each sweep's energy and never otherwise."""
    plant = _plant()
    slots = range(plant.slot(SUMMER - timedelta(days=2)), plant.slot(SUMMER + timedelta(days=2)))
    counts = [plant.lifetime_wh(slot) for slot in slots]
    steps = [b - a for a, b in pairwise(counts)]

    assert steps == pytest.approx([plant.power_w(slot) / 12 for slot in slots[1:]], abs=1e-6)
    assert min(counts) > 1_000_000


def test_a_jump_over_months_counts_mean_days() -> None:
    """Lifetime grows over a jump by what such a time brings about, and on the way back shrinks."""
    plant = _plant()
    start = plant.lifetime_wh(plant.slot(SUMMER))
    year = plant.lifetime_wh(plant.slot(SUMMER + timedelta(days=365))) - start
    back = plant.lifetime_wh(plant.slot(SUMMER - timedelta(days=365))) - start

    assert 4_000_000 < year < 7_000_000
    assert -7_000_000 < back < -4_000_000
    assert start == plant.lifetime_wh(plant.slot(SUMMER))


def test_a_skipped_day_counts_in_full_once_it_is_visited() -> None:
    """Going back into days that a jump has skipped, the counter still never falls."""
    plant = _plant()
    plant.lifetime_wh(plant.slot(SUMMER + timedelta(days=90)))
    first = plant.slot(SUMMER + timedelta(days=30))
    counts = [plant.lifetime_wh(slot) for slot in range(first, first + 600)]

    assert counts == sorted(counts)


def test_a_summer_day_brings_more_than_a_winter_day() -> None:
    """Six kilowatts peak bring 15 to 50 kWh around midsummer, 1 to 12 kWh around midwinter."""
    plant = _plant()
    summer, winter = (
        plant.energy_wh(slots[0], slots[-1]) / 1000
        for slots in (_day(plant, SUMMER), _day(plant, WINTER))
    )

    assert 15 < summer < 50
    assert 1 < winter < 12
