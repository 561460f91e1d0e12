"""Totals, averages, the estimate, and who is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aps_exporter.model import Channel, Inverter, PhaseVoltage, Reading
from aps_exporter.summary import Panel, PanelName, Roster, Summary, split_panel_id

NOW = datetime(2026, 5, 4, 10, 34, 5, tzinfo=UTC)


def inverter(  # the facts of one inverter
    serial: str,
    *powers: float | None,
    volts: float | None = 230.0,
    hertz: float | None = 50.0,
    celsius: float | None = 40.0,
    stale: bool = False,
) -> Inverter:
    """Make an inverter with channels A, B, … of these powers."""
    return Inverter(
        serial=serial,
        channels=tuple(
            Channel(id=f"{serial}-{name}", name=name, power_w=power)
            for name, power in zip("ABCD", powers, strict=False)
        ),
        grid_voltages=() if volts is None else (PhaseVoltage(phase="", voltage_v=volts),),
        grid_frequency_hz=hertz,
        temperature_c=celsius,
        stale=stale,
    )


def offline(serial: str, panels: int = 2) -> Inverter:
    """Make an inverter whose cells are all dashes."""
    return inverter(serial, *[None] * panels, volts=None, hertz=None, celsius=None)


def reading(*inverters: Inverter) -> Reading:
    """Make a reading of these inverters."""
    return Reading(source="", interface="cgi", read_at=NOW, inverters=inverters)


def summarize(*inverters: Inverter, expected: int | None = None, scale: bool = False) -> Summary:
    """Summarize a reading against a new roster."""
    return Roster(expected_count=expected, scale_missing=scale).summarize(reading(*inverters))


def test_totals_are_over_online_panels_only() -> None:
    """A panel without a power adds nothing; a measured zero and negative watts add themselves."""
    summary = summarize(inverter("408000000001", 120, -5), inverter("408000000002", 0, None))

    assert summary.power_w == 115
    assert summary.received == 3
    assert summary.expected == 4
    assert summary.missing == 1
    assert summary.missing_ids == ("408000000002-B",)


def test_stale_rows_count_for_nothing() -> None:
    """Watts, volts and degrees of an old report are in no total and no average."""
    summary = summarize(
        inverter("408000000001", 120, celsius=20),
        inverter("408000000002", 500, volts=999, celsius=99, stale=True),
    )

    assert summary.power_w == 120
    assert summary.grid_voltage_v == 230
    assert summary.temperature_c == 20
    assert summary.received == 1
    assert summary.inverters_online == 1
    assert summary.missing_ids == ("408000000002-A",)


def test_with_nothing_received_there_is_no_total() -> None:
    """A roof that is wholly offline has no sum, no estimate and no averages, and not 0."""
    summary = summarize(offline("408000000001"), expected=2, scale=True)

    assert summary.power_w is None
    assert summary.power_estimated_w is None
    assert not summary.scaled
    assert summary.grid_voltage_v is None
    assert summary.grid_frequency_hz is None
    assert summary.temperature_c is None
    assert summary.received == 0
    assert summary.missing == 2
    assert summary.inverters_online == 0


def test_an_empty_table_has_nobody() -> None:
    """A restarted ECU lists nobody, and nobody is expected yet."""
    summary = summarize()

    assert summary.power_w is None
    assert (summary.received, summary.expected, summary.missing) == (0, 0, 0)
    assert summary.panels == ()


def test_averages_are_per_panel() -> None:
    """Each online panel carries its inverter's values: four panels weigh four times."""
    summary = summarize(
        inverter("801000000001", 1, 1, 1, 1, volts=240, hertz=50.1, celsius=10),
        inverter("408000000001", 1, None, volts=230, hertz=49.6, celsius=60),
    )

    assert summary.grid_voltage_v == 238
    assert summary.grid_frequency_hz == pytest.approx(50.0)
    assert summary.temperature_c == 20


def test_averages_leave_out_who_lacks_the_value() -> None:
    """An inverter without a temperature doesn't count as 0 degrees."""
    summary = summarize(
        inverter("408000000001", 1, celsius=-10, volts=None),
        inverter("408000000002", 1, celsius=None, volts=231),
    )

    assert summary.temperature_c == -10
    assert summary.grid_voltage_v == 231


def test_an_inverter_without_watts_is_in_no_average() -> None:
    """Averages are over online panels; volts alone make an inverter online, but no panel."""
    summary = summarize(inverter("408000000001", 5), inverter("408000000002", None, volts=250))

    assert summary.grid_voltage_v == 230
    assert summary.inverters_online == 2
    assert summary.received == 1


def test_volts_between_lines_count_as_those_of_a_line() -> None:
    """A QT2 says 400 V between lines over TCP where its neighbours say 231 V."""
    lines = tuple(PhaseVoltage(phase=phase, voltage_v=400.0) for phase in ("AB", "BC", "CA"))
    qt2 = replace(inverter("901000012345", 300.0), grid_voltages=lines)

    assert summarize(qt2).grid_voltage_v == pytest.approx(230.94, abs=0.01)


def test_a_three_phase_inverter_has_the_mean_of_its_phases() -> None:
    """The volts of a three-phase inverter are those of its lines on average."""
    phases = tuple(
        PhaseVoltage(phase=phase, voltage_v=volts)
        for phase, volts in (("A", 231.0), ("B", 233.0), ("C", 229.0))
    )
    channel = Channel(id="504000000001-1", name="1", power_w=200.0)
    summary = summarize(Inverter(serial="504000000001", channels=(channel,), grid_voltages=phases))

    assert summary.grid_voltage_v == 231


ESTIMATES = [
    # raw of so many panels, expected, scaling → estimate
    pytest.param([120, 115, 120], 4, True, 473, id="the README's 355 W of 3 of 4"),
    pytest.param([120, 115, 120], 4, False, 355, id="not wanted"),
    pytest.param([120, 115, 120], None, True, 355, id="nothing expected"),
    pytest.param([120, 115, 120], 3, True, 355, id="all there"),
    pytest.param([120, 115, 120], 2, True, 355, id="more than expected"),
    pytest.param([0, 0], 4, True, 0, id="dark"),
    pytest.param([-1], 3, True, -3, id="negative"),
    pytest.param([100], 1000, True, 100_000, id="one of a thousand"),
    # Python rounds a tie to the even number, and so did the original.
    pytest.param([1, 0], 3, True, 2, id="1.5 W"),
    pytest.param([1, 0], 5, True, 2, id="2.5 W"),
    pytest.param([3, 0], 5, True, 8, id="7.5 W"),
]


@pytest.mark.parametrize(("powers", "expected", "scale", "estimate"), ESTIMATES)
def test_the_estimate_scales_by_who_is_missing(
    powers: list[float], expected: int | None, *, scale: bool, estimate: float
) -> None:
    """The sum is scaled to all expected panels where wanted and needed, else it is the sum."""
    inverters = [inverter(f"40800000000{n}", power) for n, power in enumerate(powers)]
    summary = summarize(*inverters, expected=expected, scale=scale)

    assert summary.power_w == sum(powers)
    assert summary.power_estimated_w == estimate
    assert summary.scaled == (scale and expected is not None and expected > len(powers))


def test_more_received_than_expected_is_not_missing() -> None:
    """Missing is never negative, and `expected_count` counts rather than the roster."""
    summary = summarize(inverter("408000000001", 1, 2), expected=1)

    assert (summary.received, summary.expected, summary.missing) == (2, 1, 0)


def test_expected_count_beats_the_roster() -> None:
    """An owner who expects 24 panels misses 22, although two were ever seen."""
    summary = summarize(inverter("408000000001", 1, 2), expected=24)

    assert summary.missing == 22
    assert summary.missing_ids == ()


def test_who_was_ever_seen_is_expected() -> None:
    """A row that is gone from the page is missing, by name, behind those of the page."""
    roster = Roster()
    roster.summarize(reading(inverter("408000000001", 1), inverter("408000000002", 2)))
    summary = roster.summarize(reading(inverter("408000000002", 2)))

    assert [panel.id for panel in summary.panels] == ["408000000002-A", "408000000001-A"]
    assert summary.missing_ids == ("408000000001-A",)
    assert summary.expected == 2
    assert summary.inverters["408000000001"] is None
    assert summary.inverters_online == 1


def test_panels_of_the_configuration_are_expected() -> None:
    """A panel that was only ever named in the configuration is missing, with its inverter."""
    roster = Roster(
        names={
            "408000000001-B": PanelName(name="East 2", group="east"),
            "408000000009-A": PanelName(name="Shed"),
        }
    )
    summary = roster.summarize(reading(inverter("408000000001", 1)))

    assert summary.panels[1:] == (
        Panel(
            id="408000000001-B",
            inverter="408000000001",
            channel="B",
            name="East 2",
            group="east",
        ),
        Panel(id="408000000009-A", inverter="408000000009", channel="A", name="Shed", group=""),
    )
    assert summary.missing == 2
    assert dict(summary.inverters)["408000000009"] is None


def test_a_panel_has_its_id_for_a_name_unless_named() -> None:
    """Names and groups come from the configuration."""
    roster = Roster(names={"408000000001-A": PanelName(name="East 1", group="east")})
    first, second = roster.summarize(reading(inverter("408000000001", 1, 2))).panels

    assert (first.name, first.group) == ("East 1", "east")
    assert (second.name, second.group) == ("408000000001-B", "")


def test_an_inverter_never_contacted_is_an_inverter_and_no_panel() -> None:
    """Its panels are unknown, so it misses as an inverter only."""
    never = Inverter(serial="801000000009", channels=())
    summary = summarize(inverter("408000000001", 1), never)

    assert summary.missing_ids == ()
    assert summary.inverters == {"408000000001": summary.reading.inverters[0], never.serial: never}
    assert summary.inverters_online == 1
    assert len(summary.inverters) == 2


def test_an_inverter_with_one_input_is_its_panel() -> None:
    """A bare id with a power is a panel without a channel name."""
    single = Inverter(
        serial="106000000001", channels=(Channel(id="106000000001", name="", power_w=230.0),)
    )
    (panel,) = summarize(single).panels

    assert (panel.inverter, panel.channel, panel.online) == ("106000000001", "", True)


def test_dc_voltage_is_of_online_panels() -> None:
    """A stale panel has no DC voltage either."""
    channel = Channel(id="408000000001-A", name="A", power_w=1.0, dc_voltage_v=36.0)
    fresh = Inverter(serial="408000000001", channels=(channel,))
    old = Inverter(serial="408000000001", channels=(channel,), stale=True)

    assert summarize(fresh).panels[0].dc_voltage_v == 36
    assert summarize(old).panels[0].dc_voltage_v is None


@pytest.mark.parametrize(
    ("panel_id", "parts"),
    [
        ("408000012345-A", ("408000012345", "A")),
        ("801000012345-4", ("801000012345", "4")),
        ("INV-XXXX-B", ("INV-XXXX", "B")),
        ("INV-XXXX", ("INV-XXXX", "")),
        ("106000012345", ("106000012345", "")),
    ],
)
def test_a_panels_id_is_split_at_the_last_dash(panel_id: str, parts: tuple[str, str]) -> None:
    """The channel is one letter or digit; what has none is an inverter with one input."""
    assert split_panel_id(panel_id) == parts
