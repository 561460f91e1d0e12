"""The roof's inverters, the grid that they feed, and where their numbers go."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, stat, statetimeline, timeseries
from grafana_foundation_sdk.models import common as common_model

from grafana.boards.parts import (
    DASHED,
    at_once,
    fixed,
    graph,
    legend,
    mapped,
    over_time,
    override,
    steps,
    strip,
    tile,
)
from grafana.boards.promql import ECU, day, grid_volts

__all__ = ["ages", "availability", "frequency", "pvoutput", "temperature", "voltage"]


def availability() -> statetimeline.Panel:
    """Show when each inverter reported."""
    return (
        strip(
            11,
            "Inverters reporting",
            "Green: reported. Red: silent by day, which is while at least half of the inverters "
            "make 20 W on a panel. Empty: asleep.",
        )
        .mappings(mapped({1: ("reports", "green"), 0: ("silent", "red")}))
        .with_target(
            over_time(
                f"max by (inverter) (aps_inverter_online{{{ECU}}} == 1"
                f" or aps_inverter_online{{{ECU}}} and on (instance) {day(ECU)})",
                "{{inverter}}",
            )
        )
    )


def temperature() -> timeseries.Panel:
    """Draw how warm each inverter is."""
    return (
        graph(
            12,
            "Inverter temperature",
            "Inside each inverter. Dashed: 75 °C, where a warning is due, and 85 °C.",
            "celsius",
        )
        .line_width(1)
        .legend(legend(common_model.LegendPlacement.RIGHT))
        .thresholds(steps("transparent", (75, "orange"), (85, "red")))
        .thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_model.GraphThresholdsStyleMode.DASHED)
        )
        .with_target(over_time(f"aps_inverter_temperature_celsius{{{ECU}}}", "{{inverter}}"))
    )


def voltage() -> timeseries.Panel:
    """Draw the grid's voltage between its limits."""
    volts = grid_volts(ECU)
    return (
        graph(
            13,
            "Grid voltage",
            "Highest, mean and lowest over all inverters and phases; volts between two phases, as "
            "of a QT2, are divided by √3. The limit lines are those of "
            "the alert rules for this ECU's profile; without the rules, EN 50160's.",
            "volt",
        )
        .decimals(0)
        .with_target(over_time(f"max by (instance) {volts}", "highest", "A"))
        .with_target(over_time(f"avg by (instance) {volts}", "mean", "B"))
        .with_target(over_time(f"min by (instance) {volts}", "lowest", "C"))
        .with_target(over_time(_limit("high", 253), "upper limit", "D"))
        .with_target(over_time(_limit("low", 207), "lower limit", "E"))
        .override_by_name(
            "highest",
            [
                fixed("purple"),
                *override(custom_fillBelowTo="lowest", custom_fillOpacity=20, custom_lineWidth=1),
            ],
        )
        .override_by_name("mean", [fixed("purple")])
        .override_by_name("lowest", [fixed("purple"), *override(custom_lineWidth=1)])
        .override_by_regexp(
            ".* limit", [fixed("red"), *override(custom_lineStyle=DASHED, custom_lineWidth=1)]
        )
    )


def _limit(side: str, otherwise: int) -> str:
    """Ask for the limit that the alert rules hold for the ECU's grid profile."""
    ecu = f"(aps_up{{{ECU}}} * 0 + 1)"
    return (
        f"max(aps:grid_voltage_{side}_volts:limit * on (profile) group_right () {ecu})"
        f" or vector({otherwise})"
    )


def frequency() -> timeseries.Panel:
    """Draw the grid's frequency."""
    hertz = f"aps_inverter_grid_frequency_hertz{{{ECU}}}"
    return (
        graph(
            14,
            "Grid frequency",
            "Highest, mean and lowest over all inverters; they tell tenths of a hertz.",
            "hertz",
        )
        .decimals(2)
        .with_target(over_time(f"max by (instance) ({hertz})", "highest", "A"))
        .with_target(over_time(f"avg by (instance) ({hertz})", "mean", "B"))
        .with_target(over_time(f"min by (instance) ({hertz})", "lowest", "C"))
        .override_by_name(
            "highest",
            [
                fixed("blue"),
                *override(custom_fillBelowTo="lowest", custom_fillOpacity=20, custom_lineWidth=1),
            ],
        )
        .override_by_name("mean", [fixed("blue")])
        .override_by_name("lowest", [fixed("blue"), *override(custom_lineWidth=1)])
    )


def ages() -> timeseries.Panel:
    """Draw how old the reports are."""
    report = f"aps_inverter_last_report_timestamp_seconds{{{ECU}}}"
    return (
        graph(
            15,
            "Age of reports",
            "Time since the newest report of any inverter, and since the oldest of those on the "
            "page. By day both saw between nothing and five minutes; at night they climb out of "
            "the picture, which ends at 40 minutes.",
            "s",
        )
        .min(0)
        .max(2400)
        .with_target(over_time(f"time() - min by (instance) ({report})", "oldest", "B"))
        .with_target(over_time(f"time() - max by (instance) ({report})", "newest", "A"))
        .override_by_name("oldest", [fixed("yellow"), *override(custom_lineWidth=1)])
        .override_by_name("newest", [fixed("green")])
    )


def pvoutput() -> stat.Panel:
    """Say how uploads stand."""
    return (
        tile(
            16,
            "PVOutput",
            "Whether PVOutput takes our key, how many records wait, and how long ago it last took "
            "one. Empty when the exporter doesn't publish.",
            "none",
        )
        .text_mode(common_model.BigValueTextMode.VALUE_AND_NAME)
        .with_target(at_once(f"aps_pvoutput_auth_ok{{{ECU}}}", "key", "A"))
        .with_target(at_once(f"aps_pvoutput_queue_records{{{ECU}}}", "records wait", "B"))
        .with_target(
            at_once(
                f"time() - aps_pvoutput_last_success_timestamp_seconds{{{ECU}}}",
                "last taken",
                "C",
            )
        )
        .override_by_name(
            "key", override(mappings=mapped({1: ("taken", "green"), 0: ("refused", "red")}))
        )
        .override_by_name("last taken", override(unit="s", decimals=0))
    )
