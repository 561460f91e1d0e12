"""The table of metrics, held against the naming rules of Prometheus; nothing is polled."""

from __future__ import annotations

import re

import pytest

from aps_exporter.metrics.families import FAMILIES, Family

ALWAYS_THERE = {"aps_up", "aps_ecu_status", "aps_poll_duration_seconds"}

# Every unit we use is a base unit (hertz is what node_exporter uses; watts, where a device gives
# nothing but power, is what OpenMetrics allows), and how it must be spelt.
UNITS = ("seconds", "celsius", "volts", "watts", "joules", "hertz")
NOT_UNITS = (
    "amps",
    "c",
    "degrees",
    "h",
    "hours",
    "hz",
    "kilojoules",
    "kilowatthours",
    "kw",
    "kwh",
    "milliseconds",
    "minutes",
    "ms",
    "percent",
    "s",
    "v",
    "volt",
    "w",
    "watt",
    "watthours",
    "wh",
)
QUANTITIES = {
    "power": "watts",
    "voltage": "volts",
    "frequency": "hertz",
    "temperature": "celsius",
    "energy": "joules",
    "duration": "seconds",
    "offset": "seconds",
    "timestamp": "seconds",
}
NOT_WORDS = ("counter", "gauge", "stats", "metric", "metrics", "sum", "count", "bucket", "created")
TARGET_LABELS = ("ecu", "site", "host", "instance", "job", "version", "type", "le", "quantile")


def words(name: str) -> list[str]:
    """Split a name at its underscores."""
    return name.split("_")


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Family:
    """Give each family of the table."""
    found = request.param
    assert isinstance(found, Family)
    return found


def test_the_table_is_that_of_the_design() -> None:
    """These are the names that dashboards and rules rely on, with their labels."""
    table = {family.name: family.labels for family in FAMILIES}

    assert (
        table.items()
        >= {
            "aps_up": (),
            "aps_ecu_status": ("status",),
            "aps_poll_duration_seconds": (),
            "aps_page_up": ("page",),
            "aps_page_unreadable_cells": (),
            "aps_panel_power_watts": ("inverter", "channel"),
            "aps_panel_dc_voltage_volts": ("inverter", "channel"),
            "aps_panel_online": ("inverter", "channel"),
            "aps_panel_info": ("inverter", "channel", "name", "group"),
            "aps_inverter_online": ("inverter",),
            "aps_inverter_grid_voltage_volts": ("inverter", "phase"),
            "aps_inverter_grid_frequency_hertz": ("inverter",),
            "aps_inverter_temperature_celsius": ("inverter",),
            "aps_inverter_signal_ratio": ("inverter",),
            "aps_inverter_last_report_timestamp_seconds": ("inverter",),
            "aps_power_watts": (),
            "aps_power_estimated_watts": (),
            "aps_average_grid_voltage_volts": (),
            "aps_average_grid_frequency_hertz": (),
            "aps_average_temperature_celsius": (),
            "aps_panels_received": (),
            "aps_panels_expected": (),
            "aps_panels_missing": (),
            "aps_inverters_online": (),
            "aps_inverters_expected": (),
            "aps_inverters_missing": (),
            "aps_energy_lifetime_joules_total": (),
            "aps_energy_today_joules": (),
            "aps_glitches_total": ("kind",),
            "aps_ecu_info": ("ecu_id", "firmware", "timezone", "interface"),
            "aps_ecu_clock_offset_seconds": (),
        }.items()
    )


def test_no_name_stands_twice() -> None:
    """One family, one row."""
    names = [family.name for family in FAMILIES]

    assert len(set(names)) == len(names)


def test_names_are_snake_case_with_our_prefix(family: Family) -> None:
    """Rule N1: one prefix, lower case, no colon, no double underscore."""
    assert re.fullmatch(r"aps(_[a-z][a-z0-9]*)+", family.name)


def test_units_are_base_units_in_full(family: Family) -> None:
    """Rules N2, N3, N5 and N6: base units in plural, at the end or before `_total`, one of them."""
    parts = words(family.name.removesuffix("_total"))
    units = [part for part in parts if part in UNITS]

    assert not set(parts) & set(NOT_UNITS)
    assert units in ([], parts[-1:])


def test_a_quantity_has_its_unit(family: Family) -> None:
    """Rule N2: a name that speaks of a quantity ends in that quantity's unit."""
    parts = words(family.name.removesuffix("_total"))
    if family.name.endswith(("_online", "_info")):
        return
    for quantity in QUANTITIES.keys() & set(parts):
        assert parts[-1] == QUANTITIES[quantity]


def test_only_counters_end_in_total(family: Family) -> None:
    """Rules N7 and N9: `_total` and the type counter come together."""
    assert (family.kind == "counter") == family.name.endswith("_total")


def test_names_hold_no_words_about_metrics(family: Family) -> None:
    """Rule N8: no `gauge`, no `count`, no `total` but the suffix."""
    parts = words(family.name.removesuffix("_total"))

    assert not set(parts) & {*NOT_WORDS, "total"}


def test_energy_of_the_day_is_a_gauge() -> None:
    """Rule N10: what resets daily is named for it and is no counter."""
    (today,) = (family for family in FAMILIES if "today" in family.name)

    assert today.kind == "gauge"


def test_times_are_unix_timestamps(family: Family) -> None:
    """Rule N11: a moment is `_timestamp_seconds`, and nothing is an age."""
    assert "age" not in words(family.name)
    assert ("timestamp" in family.name) == family.name.endswith("_timestamp_seconds")


def test_constant_facts_are_info(family: Family) -> None:
    """Rule N12: names, versions and zones are labels of `_info` gauges and of nothing else."""
    facts = {"name", "group", "firmware", "timezone", "interface", "ecu_id"}

    assert bool(facts & set(family.labels)) == family.name.endswith("_info")
    assert family.kind == "gauge" or not family.name.endswith("_info")


def test_labels_are_plain(family: Family) -> None:
    """Labels are snake case, once each, and none belongs to the target."""
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in family.labels)
    assert len(set(family.labels)) == len(family.labels)
    assert not set(family.labels) & set(TARGET_LABELS)


def test_help_is_a_sentence(family: Family) -> None:
    """Help is one line that says something, and ends."""
    assert family.help.endswith(".")
    assert len(family.help) > 20
    assert family.help.isprintable()
    assert family.help.isascii()


def test_a_family_with_wrong_labels_is_a_bug() -> None:
    """A sample that lacks a label is refused, not exposed."""
    broken = Family(
        name="aps_test", help="A test.", labels=("a", "b"), samples=lambda _: [(("x",), 1.0)]
    )
    with pytest.raises(ValueError, match="aps_test"):
        broken.fill(None)  # type: ignore[arg-type]  # the samples don't look at it
