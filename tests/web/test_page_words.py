"""How the roof's page writes numbers, times and states."""

from __future__ import annotations

import pytest

from aps_exporter.web import words
from aps_exporter.web.roof_words import classes, lists, texts
from tests.web import invented_roof

GAP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("watts", "written"),
    [
        (None, "—"),
        (0.0, "0 W"),
        (-3.0, "-3 W"),
        (354.5, "355 W"),
        (999.4, "999 W"),
        (1000.0, "1.00 kW"),
        (3554.0, "3.55 kW"),
        (41_255.0, "41.26 kW"),
    ],
)
def test_power(watts: float | None, written: str) -> None:
    """Watts become kilowatts from a thousand on; unknown is a dash, never 0."""
    assert words.power(watts) == written.replace(" ", GAP)


@pytest.mark.parametrize(
    ("watt_hours", "written"),
    [(None, "—"), (850.0, "850 Wh"), (12_340.0, "12.3 kWh"), (4_560_000.0, "4.56 MWh")],
)
def test_energy(watt_hours: float | None, written: str) -> None:
    """Energy is written in the unit that leaves few digits."""
    assert words.energy(watt_hours) == written.replace(" ", GAP)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, "—"),
        (-2.0, "0 s"),
        (119.9, "119 s"),
        (120.0, "2 min"),
        (7199.0, "119 min"),
        (7200.0, "2 h"),
        (172_800.0, "2 d"),
    ],
)
def test_age(seconds: float | None, written: str) -> None:
    """An age is rounded down, and one from the future is none."""
    assert words.age(seconds) == written.replace(" ", GAP)


def test_a_time_of_another_day_has_its_date() -> None:
    """Times stand as the ECU's zone has them."""
    now = "2026-07-18T23:59:00+02:00"

    assert words.clock("2026-07-18T00:01:00+02:00", now) == "00:01"
    assert words.clock("2026-07-17T23:59:00+02:00", now) == "2026-07-17 23:59"
    assert words.clock(None, now) == "—"


@pytest.mark.parametrize(
    ("share", "watts", "colour"),
    [
        (0.0, 0.0, "zero"),
        (None, 0.0, "zero"),
        (0.01, 1.0, "s0"),
        (0.55, 100.0, "s6"),
        (1.4, 300.0, "s10"),
        (-0.2, -3.0, "s0"),
        (None, 100.0, "s5"),
        (None, None, ""),
    ],
)
def test_the_colour_goes_by_the_share(share: float | None, watts: float, colour: str) -> None:
    """Eleven steps of one hue; 0 W looks like nothing else."""
    assert words.step(share, watts) == colour


def test_missing_panels_are_named() -> None:
    """The first ones by name, the others by their number."""
    lost = [f"{serial}" for serial in range(408000012345, 408000012349)]
    said = texts(invented_roof.status(lost=lost))

    assert said["panels"] == "12 of 20"
    assert said["panels.note"] == (
        "missing: South 1, South 2, South 3, South 4, South 5, South 6 and 2 more"
    )


def test_an_estimate_says_that_it_is_one() -> None:
    """It shows beside the measured sum and only where something is missing."""
    scaled = invented_roof.status(lost=["408000012347"])
    whole = invented_roof.status()

    assert texts(scaled)["estimate.note"] == "scaled up to all 20 panels"
    assert texts(scaled)["estimate"] != texts(scaled)["power"]
    assert classes(scaled)["estimate"] == "fact"
    assert classes(whole)["estimate"] == "fact gone"


def test_missing_at_night_is_no_alarm() -> None:
    """A sleeping roof is calm, one that lacks panels by day is not."""
    night = invented_roof.status(23.5, lost=["408000012347"])
    day = invented_roof.status(lost=["408000012347"])

    assert classes(night)["main"] == "calm"
    assert classes(day)["main"] == ""
    assert texts(night)["power.note"] == "no panel reports any power now"


def test_what_is_not_known_is_left_out() -> None:
    """Before the first reading there are dashes and no notes."""
    status = invented_roof.unread()
    said = texts(status)

    assert {said[key] for key in ("power", "panels", "energy", "age")} == {"—"}
    assert {said[f"{key}.note"] for key in ("energy", "age", "pvoutput")} == {""}
    assert said["sun"] == ""
    assert classes(status)["pvoutput"] == "card gone"
    assert classes(status)["main"] == " empty"


def test_what_waits_for_pvoutput() -> None:
    """The page says how many records wait, and when the last one left."""
    status = invented_roof.status()
    status["pvoutput"] = {
        "state": "waiting",
        "sentence": "It waits.",
        "waiting": 3,
        "last_upload": None,
    }

    assert texts(status)["pvoutput.note"] == "3 wait"
    assert texts(invented_roof.status())["pvoutput.note"] == "nothing waits, last upload at 12:32"


def test_phases_and_short_names() -> None:
    """Three phases stand side by side; an id as a name is cut to what tells panels apart."""
    status = invented_roof.status(names={"408000012345-A": "408000012345-A"})
    status["inverters"][0]["grid_voltages"] = [
        {"phase": phase, "voltage_v": 230.4} for phase in "ABC"
    ]
    said = lists(status)

    assert said["v0"][2] == "A 230 V, B 230 V, C 230 V".replace(" ", GAP).replace(f",{GAP}", ", ")
    assert said["t0"][2] == "…2345-A"
    assert said["p0"][0] == "408000012345-A"


def test_columns_without_a_value_hide() -> None:
    """Where nobody has a group, a DC voltage or a signal, the tables lack these columns."""
    status = invented_roof.status()
    for panel in status["roof"]:
        panel["group"], panel["dc_voltage_v"] = "", None
    for inverter in status["inverters"]:
        inverter["signal_ratio"] = None
    shown, full = classes(status), classes(invented_roof.status())

    assert (shown["panels.table"], shown["inverters.table"]) == ("short plain", "short")
    assert (full["panels.table"], full["inverters.table"]) == ("", "")
