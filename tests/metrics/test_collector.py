"""What a scrape of one ECU exposes, as a whole, in both formats."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics_writer
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as read_text

from aps_exporter.deadline import Deadline
from aps_exporter.errors import (
    EcuError,
    EcuPageError,
    EcuStatus,
    EcuTimeoutError,
    EcuUnreachableError,
)
from aps_exporter.metrics.collector import EcuCollector
from aps_exporter.metrics.families import FAMILIES
from aps_exporter.metrics.interfaces import InterfaceCollector
from aps_exporter.model import Channel, EcuInfo, Inverter, PhaseVoltage, Reading, UnreadableCell
from aps_exporter.summary import PanelName, Roster

# Neither has types of its own.
generate_openmetrics: Callable[[CollectorRegistry], bytes] = openmetrics_writer.generate_latest
read_openmetrics: Callable[[str], Iterable[Metric]] = (
    openmetrics_parser.text_string_to_metric_families
)
GOLDEN = Path(__file__).parents[1] / "golden"
REPORTED = datetime.fromisoformat("2026-05-04 12:30:05")
EARLIER = datetime.fromisoformat("2026-05-04 10:10:05")
ALWAYS_THERE = {"aps_up", "aps_ecu_status", "aps_poll_duration_seconds"}
# The families of the contract that vanish with a poll.
VANISHING = {
    "aps_page_unreadable_cells",
    "aps_panel_power_watts",
    "aps_panel_dc_voltage_volts",
    "aps_panel_online",
    "aps_panel_info",
    "aps_inverter_online",
    "aps_inverter_grid_voltage_volts",
    "aps_inverter_grid_frequency_hertz",
    "aps_inverter_temperature_celsius",
    "aps_inverter_signal_ratio",
    "aps_inverter_last_report_timestamp_seconds",
    "aps_power_watts",
    "aps_power_estimated_watts",
    "aps_average_grid_voltage_volts",
    "aps_average_grid_frequency_hertz",
    "aps_average_temperature_celsius",
    "aps_panels_received",
    "aps_panels_expected",
    "aps_panels_missing",
    "aps_inverters_online",
    "aps_inverters_expected",
    "aps_inverters_missing",
    "aps_glitches_total",
    "aps_ecu_clock_offset_seconds",
}
ROOF = Reading(
    source="http://192.168.1.102/index.php/realtimedata",
    interface="php",
    read_at=datetime(2026, 5, 4, 10, 34, 5, tzinfo=UTC),
    inverters=(
        Inverter(
            serial="408000012345",
            channels=(
                Channel(id="408000012345-A", name="A", power_w=120.0, dc_voltage_v=36.0),
                Channel(id="408000012345-B", name="B", power_w=0.0, dc_voltage_v=35.5),
            ),
            grid_voltages=(PhaseVoltage(phase="", voltage_v=234.0),),
            grid_frequency_hz=50.0,
            temperature_c=-7.0,
            signal_ratio=0.75,
            reported_at=REPORTED,
        ),
        Inverter(
            serial="504000012345",
            channels=(
                Channel(id="504000012345-1", name="1", power_w=235.0),
                Channel(id="504000012345-2", name="2", power_w=None),
            ),
            grid_voltages=(
                PhaseVoltage(phase="A", voltage_v=231.0),
                PhaseVoltage(phase="B", voltage_v=233.0),
            ),
            grid_frequency_hz=50.1,
            temperature_c=45.0,
            reported_at=REPORTED,
        ),
        Inverter(
            serial="408000012346",
            channels=(Channel(id="408000012346-A", name="A", power_w=99.0, dc_voltage_v=30.0),),
            grid_voltages=(PhaseVoltage(phase="", voltage_v=230.0),),
            grid_frequency_hz=49.9,
            temperature_c=30.0,
            signal_ratio=0.25,
            reported_at=EARLIER,
            stale=True,
        ),
        Inverter(serial="801000090002", channels=(), reported_at=REPORTED),
    ),
    unreadable=(UnreadableCell(row="504000012345-2", column="power", text="3 W / 400 W"),),
    ecu=EcuInfo(
        ecu_id="215000012345",
        firmware="C1.1.9",
        timezone="Europe/Warsaw",
        energy_lifetime_wh=4_379_520.0,
        energy_today_wh=2_600.0,
        power_w=355.0,
        unreadable=(UnreadableCell(row="inverters", column="value", text="many"),),
    ),
    timezone="Europe/Warsaw",
    clock_offset_s=-240.0,
    poll_duration_s=0.125,
    glitches={"lifetime_zero": 0, "voltage": 3},
)


def collector(
    read: Callable[[Deadline], Reading],
    *,
    expected: int | None = None,
    names: dict[str, PanelName] | None = None,
) -> EcuCollector:
    """Make a collector with a roster of its own."""
    roster = Roster(expected_count=expected, scale_missing=expected is not None, names=names or {})
    return EcuCollector(read=read, summarize=roster.summarize, deadline=Deadline.after(5))


def failing(error: Exception) -> Callable[[Deadline], Reading]:
    """Make a read that fails."""

    def read(_: Deadline) -> Reading:
        raise error

    return read


def scrape(found: EcuCollector) -> dict[str, dict[tuple[str, ...], float]]:
    """Give family → label values in the family's order → value."""
    order = {family.name: family.labels for family in FAMILIES}
    scraped: dict[str, dict[tuple[str, ...], float]] = {}
    for metric in found.collect():
        for sample in metric.samples:
            labels = tuple(sample.labels[name] for name in order[sample.name])
            series = scraped.setdefault(sample.name, {})
            assert labels not in series, f"{sample.name}{labels} twice"
            series[labels] = sample.value
    return scraped


def registry(found: EcuCollector) -> CollectorRegistry:
    """Register a collector alone."""
    registry = CollectorRegistry()
    registry.register(found)
    return registry


def golden_collector() -> EcuCollector:
    """Make the collector of the golden files."""
    names = {"408000012345-A": PanelName(name='East "1"\\', group="east")}
    return collector(lambda _: ROOF, expected=5, names=names)


def test_the_text_is_as_it_always_was() -> None:
    """The text format of a whole roof is that of its golden file."""
    text = generate_latest(registry(golden_collector())).decode()

    assert text == (GOLDEN / "metrics.txt").read_text(encoding="utf-8")


def test_openmetrics_is_as_it_always_was() -> None:
    """The OpenMetrics format of a whole roof is that of its golden file."""
    text = generate_openmetrics(registry(golden_collector())).decode()

    assert text == (GOLDEN / "metrics.openmetrics.txt").read_text(encoding="utf-8")


def test_both_formats_read_back() -> None:
    """Their own parsers read both formats, with the same samples in each."""

    def samples(families: list[Metric]) -> set[tuple[str, tuple[tuple[str, str], ...], float]]:
        return {
            (sample.name, tuple(sorted(sample.labels.items())), sample.value)
            for family in families
            for sample in family.samples
        }

    found = registry(golden_collector())
    text = samples(list(read_text(generate_latest(found).decode())))
    openmetrics = samples(list(read_openmetrics(generate_openmetrics(found).decode())))

    assert text == openmetrics
    assert len(text) > 50


@pytest.mark.parametrize(
    "generate", [generate_latest, generate_openmetrics], ids=["text", "openmetrics"]
)
@pytest.mark.parametrize(
    "read", [lambda _: ROOF, failing(EcuTimeoutError("slow"))], ids=["fine", "failing"]
)
def test_promtool_has_no_complaint(
    require: Callable[[str], str],
    generate: Callable[[CollectorRegistry], bytes],
    read: Callable[[Deadline], Reading],
) -> None:
    """`promtool check metrics` is silent about both formats.

    It reads the older one only, where the help of a counter stands under its whole name.
    """
    counters = [family.name for family in FAMILIES if family.kind == "counter"]
    exposed = generate(registry(collector(read))).decode()
    for name in counters:
        exposed = exposed.replace(f" {name.removesuffix('_total')} ", f" {name} ")
    done = subprocess.run(
        [require("promtool"), "check", "metrics"],
        input=exposed.encode(),
        capture_output=True,
        check=False,
        timeout=30,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_describe_names_the_whole_table_without_polling() -> None:
    """Registering a collector asks no ECU, and knows every name."""
    found = collector(failing(AssertionError("polled")))
    described = {metric.name for metric in found.describe()}

    assert described == {family.name.removesuffix("_total") for family in FAMILIES}
    registry(found)


def test_no_created_series() -> None:
    """Counters have no `_created` beside them."""
    assert b"_created" not in generate_openmetrics(registry(golden_collector()))


def test_every_family_has_a_value_on_a_whole_roof() -> None:
    """No row of the table is dead."""
    assert scrape(golden_collector()).keys() >= VANISHING | ALWAYS_THERE


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EcuUnreachableError("refused"), "unreachable"),
        (EcuTimeoutError("slow"), "timeout"),
        (EcuPageError("404", "page_gone"), "page_gone"),
        (EcuPageError("what?", "page_unrecognised"), "page_unrecognised"),
        (EcuPageError("cut", "page_truncated"), "page_truncated"),
    ],
)
def test_a_failing_poll_has_a_status_and_no_values(error: EcuError, status: str) -> None:
    """`aps_up` is 0, the status is named, and nothing of the roof is left to look like news."""
    scraped = scrape(collector(failing(error), names={"408000012345-A": PanelName(name="x")}))

    assert scraped.keys() == ALWAYS_THERE | {"aps_page_up"}
    assert scraped["aps_up"] == {(): 0}
    assert {labels for labels, value in scraped["aps_ecu_status"].items() if value} == {(status,)}
    assert scraped["aps_ecu_status"].keys() == {(name,) for name in get_args(EcuStatus)}
    assert scraped["aps_page_up"] == {("table",): 0, ("home",): 0}
    assert 0 <= scraped["aps_poll_duration_seconds"][()] < 1


def test_a_bug_is_not_hidden_in_a_scrape() -> None:
    """Only the ECU's failures are metrics; ours are exceptions."""
    with pytest.raises(ZeroDivisionError):
        collector(failing(ZeroDivisionError())).collect()


def test_an_empty_table_is_up_and_empty() -> None:
    """A restarted ECU answers: it is up, lists nobody, and has no total."""
    scraped = scrape(collector(lambda _: replace(ROOF, inverters=())))

    assert scraped["aps_up"] == {(): 1}
    assert scraped["aps_ecu_status"][("empty",)] == 1
    assert scraped["aps_ecu_status"][("ok",)] == 0
    assert scraped["aps_panels_received"] == {(): 0}
    assert "aps_power_watts" not in scraped
    assert scraped["aps_energy_today_joules"] == {(): 2_600 * 3600}


def test_a_roof_wholly_offline_is_up_without_a_total() -> None:
    """Nothing received is no 0 W: there is no sample of power at all."""
    asleep = tuple(replace(inverter, stale=True) for inverter in ROOF.inverters)
    scraped = scrape(collector(lambda _: replace(ROOF, inverters=asleep), expected=5))

    assert scraped["aps_ecu_status"][("ok",)] == 1
    assert set(scraped["aps_panel_online"].values()) == {0}
    assert scraped["aps_panels_missing"] == {(): 5}
    assert not scraped.keys() & {
        "aps_power_watts",
        "aps_power_estimated_watts",
        "aps_panel_power_watts",
        "aps_panel_dc_voltage_volts",
        "aps_inverter_grid_voltage_volts",
        "aps_inverter_grid_frequency_hertz",
        "aps_inverter_temperature_celsius",
        "aps_average_grid_voltage_volts",
        "aps_average_grid_frequency_hertz",
        "aps_average_temperature_celsius",
    }


def test_an_offline_panel_has_no_power_sample() -> None:
    """Offline is 0 in `aps_panel_online`, and nothing in `aps_panel_power_watts`; 0 W is 0 W."""
    scraped = scrape(golden_collector())

    assert scraped["aps_panel_power_watts"] == {
        ("408000012345", "A"): 120,
        ("408000012345", "B"): 0,
        ("504000012345", "1"): 235,
    }
    assert scraped["aps_panel_online"] == {
        ("408000012345", "A"): 1,
        ("408000012345", "B"): 1,
        ("504000012345", "1"): 1,
        ("504000012345", "2"): 0,
        ("408000012346", "A"): 0,
    }


def test_a_signal_is_that_of_an_inverter_online() -> None:
    """The ECU keeps the last signal of an inverter that is silent; it says nothing about now."""
    scraped = scrape(golden_collector())

    assert scraped["aps_inverter_signal_ratio"] == {("408000012345",): 0.75}


def test_every_kind_of_glitch_is_counted_from_zero() -> None:
    """A kind that has not occurred is 0, so that the first one is an increase."""
    scraped = scrape(golden_collector())

    assert scraped["aps_glitches_total"] == {("lifetime_zero",): 0, ("voltage",): 3}


def test_what_comes_over_tcp_is_no_page() -> None:
    """Over TCP the ECU is up and tells of itself, while neither page is."""
    scraped = scrape(collector(lambda _: replace(ROOF, interface="tcp")))

    assert scraped["aps_up"] == {(): 1}
    assert scraped["aps_page_up"] == {("table",): 0, ("home",): 0}
    assert ("215000012345", "C1.1.9", "Europe/Warsaw", "tcp") in scraped["aps_ecu_info"]


def test_interfaces_are_told_also_when_a_poll_fails() -> None:
    """What was never asked is absent, and all of it before the first poll."""
    up: dict[str, bool] = {}
    found = InterfaceCollector(up=lambda: up)
    assert found.collect() == []
    up |= {"web": False}
    up |= {"tcp": True}
    (family,) = found.collect()

    assert [metric.name for metric in found.describe()] == ["aps_interface_up"]
    assert {s.labels["interface"]: s.value for s in family.samples} == {"web": 0, "tcp": 1}


def test_a_stale_inverter_still_says_when_it_last_reported() -> None:
    """Its report's time is the one value that a sleeping inverter has."""
    times = scrape(golden_collector())["aps_inverter_last_report_timestamp_seconds"]

    assert times[("408000012346",)] == datetime(2026, 5, 4, 8, 10, 5, tzinfo=UTC).timestamp()
    assert times[("408000012345",)] == datetime(2026, 5, 4, 10, 30, 5, tzinfo=UTC).timestamp()


def test_a_proven_clock_error_is_taken_off_the_reports_time() -> None:
    """Timestamps are when it really was."""
    ahead = replace(ROOF, clock_error_s=6 * 3600.0)
    times = scrape(collector(lambda _: ahead))["aps_inverter_last_report_timestamp_seconds"]

    assert times[("408000012345",)] == datetime(2026, 5, 4, 4, 30, 5, tzinfo=UTC).timestamp()


def test_without_a_zone_there_are_no_timestamps() -> None:
    """A wall clock without a zone is no moment."""
    scraped = scrape(collector(lambda _: replace(ROOF, timezone=None, clock_offset_s=None)))

    assert not scraped.keys() & {
        "aps_inverter_last_report_timestamp_seconds",
        "aps_ecu_clock_offset_seconds",
    }


def test_a_missing_home_page_costs_what_it_says_and_no_more() -> None:
    """Without the home page there is no energy and no info, and the roof is there."""
    scraped = scrape(collector(lambda _: replace(ROOF, ecu=None)))

    assert scraped["aps_page_up"] == {("table",): 1, ("home",): 0}
    assert scraped["aps_power_watts"] == {(): 355}
    assert scraped["aps_page_unreadable_cells"] == {(): 1}
    assert not scraped.keys() & {
        "aps_energy_lifetime_joules_total",
        "aps_energy_today_joules",
        "aps_ecu_info",
    }


def test_energy_is_in_joules() -> None:
    """4379.52 kWh are 15.766272 GJ."""
    scraped = scrape(golden_collector())

    assert scraped["aps_energy_lifetime_joules_total"] == {(): 15_766_272_000}
    assert scraped["aps_energy_today_joules"] == {(): 9_360_000}


def test_counts_and_the_estimate() -> None:
    """Three of five panels make 355 W, so five would make 592 W."""
    scraped = scrape(golden_collector())
    values = {name: scraped[name][()] for name in sorted(scraped) if () in scraped[name]}

    assert values["aps_power_watts"] == 355
    assert values["aps_power_estimated_watts"] == 592
    assert values["aps_panels_received"] == 3
    assert values["aps_panels_expected"] == 5
    assert values["aps_panels_missing"] == 2
    assert values["aps_inverters_online"] == 2
    assert values["aps_inverters_expected"] == 4
    assert values["aps_inverters_missing"] == 2
    assert values["aps_page_unreadable_cells"] == 2
    assert values["aps_poll_duration_seconds"] == 0.125


def test_no_value_is_nan() -> None:
    """What isn't known is absent."""
    for read in (lambda _: ROOF, failing(EcuTimeoutError("slow"))):
        for series in scrape(collector(read)).values():
            assert not any(math.isnan(value) or math.isinf(value) for value in series.values())


def test_series_are_unique_on_an_odd_roof() -> None:
    """One-channel inverters, dashes in serials and repeated shapes give each series once."""
    channels = {
        "106000012345": [""],
        "INV-XXXX": ["A", "B"],
        "INV": ["X"],
        "408000012345": ["A", "1"],
    }
    inverters = tuple(
        Inverter(
            serial=serial,
            channels=tuple(
                Channel(id=f"{serial}-{name}" if name else serial, name=name, power_w=1.0)
                for name in names
            ),
        )
        for serial, names in channels.items()
    )
    scraped = scrape(collector(lambda _: replace(ROOF, inverters=inverters)))

    assert scraped["aps_panel_power_watts"].keys() == {
        (serial, name) for serial, names in channels.items() for name in names
    }


def test_the_deadline_reaches_the_poll() -> None:
    """The collector hands its deadline to whoever reads."""
    deadlines = []

    def read(deadline: Deadline) -> Reading:
        deadlines.append(deadline)
        return ROOF

    found = collector(read)
    found.collect()

    assert deadlines == [found.deadline]
