"""Where the sun stands, and the configuration and metrics of it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from aps_exporter.assembly import make_sun_collectors
from aps_exporter.config import Settings, load_settings
from aps_exporter.errors import ConfigError
from aps_exporter.metrics.sun import SUN_FAMILIES, SunCollector
from aps_exporter.simulator.sun import Sky
from aps_exporter.sun import DAYLIGHT_DEG, Place

SOLSTICE = datetime(2026, 6, 21, 8, 24, tzinfo=UTC)
"""Of June 2026, as almanacs give it."""
TILT = 23.44
"""Of the earth's axis, in degrees."""


@pytest.mark.parametrize(
    ("latitude", "elevation_deg"), [(90, TILT), (-90, -TILT)], ids=["north pole", "south pole"]
)
@pytest.mark.parametrize("longitude", [-180, -77.5, 0, 180])
def test_the_poles_at_the_solstice(latitude: float, elevation_deg: float, longitude: float) -> None:
    """At the poles the sun is as high all day as the axis is tilted."""
    place = Place(latitude=latitude, longitude=longitude)

    for hours in range(0, 24, 6):
        at = SOLSTICE + timedelta(hours=hours)

        assert place.sun_elevation_deg(at) == pytest.approx(elevation_deg, abs=0.02)


@pytest.mark.parametrize("latitude", [-60, -33.9, 0, TILT, 52.1, 66])
def test_the_highest_of_the_longest_day(latitude: float) -> None:
    """At the solstice the noon sun is overhead at the tropic, and lower by each degree from it."""
    place = Place(latitude=latitude, longitude=0)
    day = [SOLSTICE.replace(hour=11) + timedelta(minutes=minute) for minute in range(120)]

    highest = max(map(place.sun_elevation_deg, day))

    assert highest == pytest.approx(90 - abs(latitude - TILT), abs=0.1)


def test_the_sun_agrees_with_the_simulated_one() -> None:
    """The simulator's formulas, written independently and for a degree, say about the same."""
    place, sky = (
        Place(latitude=52.1, longitude=5.2),
        Sky(latitude_deg=52.1, longitude_deg=5.2, seed=1),
    )
    year = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=7 * step) for step in range(1250)]

    apart = [
        abs(place.sun_elevation_deg(at) - math.degrees(math.asin(sky.sun(at.timestamp())[2])))
        for at in year
    ]

    assert max(apart) < 1.5


def test_any_zone_means_the_same_moment() -> None:
    """A moment in another zone is the same moment."""
    place = Place(latitude=52.1, longitude=5.2)
    elsewhere = SOLSTICE.astimezone(timezone(timedelta(hours=10)))

    assert place.sun_elevation_deg(elsewhere) == place.sun_elevation_deg(SOLSTICE)


def exposition(elevation_deg: float) -> str:
    """Write what the collector gives for an elevation."""
    registry = CollectorRegistry()
    registry.register(SunCollector(elevation_deg=lambda _: elevation_deg, now=lambda: SOLSTICE))
    return generate_latest(registry).decode()


@pytest.mark.parametrize(
    ("elevation_deg", "daylight"),
    [(90, "1.0"), (DAYLIGHT_DEG, "1.0"), (DAYLIGHT_DEG - 0.001, "0.0"), (0, "0.0"), (-61, "0.0")],
)
def test_daylight_begins_some_way_above_the_horizon(elevation_deg: float, daylight: str) -> None:
    """It is daylight from the elevation on that the help text says."""
    assert f"aps_daylight {daylight}\n" in exposition(elevation_deg)
    assert f"at least {DAYLIGHT_DEG:g} degrees" in exposition(elevation_deg)


def test_the_exposition_of_the_sun(require: Callable[[str], str]) -> None:
    """Both metrics are gauges without labels, and promtool has nothing to say against them."""
    text = exposition(41.20749)

    run = subprocess.run(
        [require("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )

    assert [line for line in text.splitlines() if not line.startswith("# HELP")] == [
        "# TYPE aps_sun_elevation_degrees gauge",
        "aps_sun_elevation_degrees 41.207",
        "# TYPE aps_daylight gauge",
        "aps_daylight 1.0",
    ]
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_description_is_the_table() -> None:
    """`describe()` names what the table has, and asks for no time."""
    collector = SunCollector(elevation_deg=lambda _: math.nan, now=lambda: SOLSTICE)

    assert [metric.name for metric in collector.describe()] == [row.name for row in SUN_FAMILIES]


def test_a_place_in_the_configuration_gives_a_sun() -> None:
    """With latitude and longitude there is a collector for just that place."""
    (collector,) = make_sun_collectors(
        Settings(host="192.168.1.102", latitude=90, longitude=0), now=lambda: SOLSTICE
    )

    assert collector.collect()[0].samples[0].value == pytest.approx(TILT, abs=0.02)


def test_without_a_place_no_astronomy_is_loaded() -> None:
    """An exporter that does not know where it is has no sun, and does not load the library."""
    code = (
        "import sys; from aps_exporter.assembly import make_sun_collectors as make;"
        "from aps_exporter.config import Settings;"
        "print(make(Settings(host='192.168.1.102')), 'ephem' in sys.modules)"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout == "() False\n"


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ({"latitude": 90.1, "longitude": 5.2}, "latitude: must be at most 90 (got 90.1)"),
        ({"latitude": -91, "longitude": 5.2}, "latitude: must be at least -90 (got -91)"),
        ({"latitude": 52.1, "longitude": 180.5}, "longitude: must be at most 180 (got 180.5)"),
        ({"latitude": 52.1, "longitude": -181}, "longitude: must be at least -180 (got -181)"),
        (
            {"latitude": 52.1},
            "longitude: latitude and longitude belong together: give both or none",
        ),
        (
            {"longitude": 5.2},
            "longitude: latitude and longitude belong together: give both or none (got 5.2)",
        ),
        ({"latitude": "52°N", "longitude": 5.2}, 'latitude: must be a number (got "52°N")'),
        ({"latitude": True, "longitude": 5.2}, "latitude: must be a number (got true)"),
        ({"latitude": math.nan, "longitude": 5.2}, "latitude: must be at most 90 (got NaN)"),
    ],
)
def test_impossible_places(tmp_path: Path, place: dict[str, object], problem: str) -> None:
    """A place that isn't on the earth is a configuration error, and the only one."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"host": "192.168.1.102", **place}))

    with pytest.raises(ConfigError) as raised:
        load_settings(file, {})

    assert raised.value.problems == (f"{file}: {problem}",)


def test_a_possible_place(tmp_path: Path) -> None:
    """Numbers and, as from the environment, numbers as text make a place."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"host": "192.168.1.102", "latitude": "-33.9", "longitude": 18}))

    settings = load_settings(file, {})

    assert (settings.latitude, settings.longitude) == (-33.9, 18.0)


@pytest.mark.parametrize(
    ("day", "rises", "sets"),
    [("2026-06-21", "04:43", "21:21"), ("2026-12-21", "08:04", "15:53")],
)
def test_sunrise_and_sunset(day: str, rises: str, sets: str) -> None:
    """In Greenwich the sun rises and sets within a minute or two of what almanacs say."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/London"))
    times = Place(latitude=51.48, longitude=0).daylight(midnight)

    for at, expected in zip(times, (rises, sets), strict=True):
        assert at is not None
        told = datetime.fromisoformat(f"{day} {expected}").replace(tzinfo=midnight.tzinfo)

        assert abs(at - told) <= timedelta(minutes=2)


@pytest.mark.parametrize("day", ["2026-06-21", "2026-12-21"])
def test_a_day_without_sunrise(day: str) -> None:
    """Within the polar circle there are days on which the sun neither rises nor sets."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)

    assert Place(latitude=80, longitude=0).daylight(midnight) == (None, None)
