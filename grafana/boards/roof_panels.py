"""The roof's panels: their power, who is missing, and who is weak."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, statushistory, table, timeseries
from grafana_foundation_sdk.models import dashboard as model

from grafana.boards.parts import (
    DASHED,
    as_table,
    at_once,
    bars,
    cells,
    color,
    falling,
    fixed,
    graph,
    listing,
    over_time,
    override,
    steps,
)
from grafana.boards.promql import BY_PANEL, ECU, day, weakest

__all__ = ["curve", "heat", "missing", "ranking"]

INFO = f"{BY_PANEL} group_left (name, group) aps_panel_info{{{ECU}}}"


def curve() -> timeseries.Panel:
    """Draw today's power upon yesterday's."""
    return (
        graph(
            7,
            "Power",
            "Measured power, the estimate where panels are missing, and the same hours one day "
            "earlier.",
            "watt",
        )
        .min(0)
        .with_target(over_time(f"aps_power_watts{{{ECU}}} offset 1d", "a day earlier", "C"))
        .with_target(
            over_time(
                f"aps_power_estimated_watts{{{ECU}}} > on (instance) aps_power_watts{{{ECU}}}",
                "estimated",
                "B",
            )
        )
        .with_target(over_time(f"aps_power_watts{{{ECU}}}", "measured", "A"))
        .override_by_name("measured", [fixed("orange"), *override(custom_fillOpacity=25)])
        .override_by_name(
            "estimated", [fixed("semi-dark-orange"), *override(custom_lineStyle=DASHED)]
        )
        .override_by_name("a day earlier", [fixed("blue"), *override(custom_lineWidth=1)])
    )


def missing() -> table.Panel:
    """Name who is missing, and since when."""
    last_power = f"max_over_time(timestamp(aps_panel_power_watts{{{ECU}}})[7d:10m])"
    silent = f"(time() - {last_power} or {BY_PANEL} aps_panel_online{{{ECU}}} * 0 + 7 * 86400)"
    return (
        listing(
            8,
            "Missing panels",
            "Panels that should report and don't, by day: while at least half of the inverters "
            "make 20 W on a panel. Silent for: time without a power, up to seven days.",
            {"name": "Panel", "group": "Group", "inverter": "Inverter", "Value": "Silent for"},
            hidden=("instance", "job", "channel"),
        )
        .with_target(
            as_table(
                f"({silent} * {INFO} and {BY_PANEL} aps_panel_online{{{ECU}}} == 0)"
                f" and on (instance) {day(ECU)}"
            )
        )
        .no_value("Nobody is missing, or it is night")
        .override_by_name("Silent for", override(unit="s", decimals=0))
        .sort_by(falling("Silent for"))
    )


def heat() -> statushistory.Panel:
    """Show each panel's power over the day."""
    return (
        cells(
            9,
            "Power of each panel over time",
            "A row per panel, a cell per quarter of an hour. A gap is a panel without a power; "
            "a dark cell among bright ones is shade, dirt or a fault.",
            "watt",
        )
        .min(0)
        .color_scheme(color(model.FieldColorModeId.CONTINUOUS_BL_YL_RD))
        .with_target(
            over_time(
                "max by (group, name) "
                f"(avg_over_time(aps_panel_power_watts{{{ECU}}}[$__interval]) * {INFO})",
                "{{name}}",
            )
        )
    )


def ranking() -> bargauge.Panel:
    """Rank panels by what they made."""
    return (
        bars(
            10,
            "Weakest panels against their group",
            "What a panel made over the time range, as a share of the median of its group (all "
            "panels where no groups are configured). The twenty weakest, weakest first.",
            "percentunit",
        )
        .min(0)
        .max(1.1)
        .decimals(0)
        .thresholds(steps("red", (0.5, "orange"), (0.8, "yellow"), (0.9, "green")))
        .with_target(at_once(weakest(20, ECU), "{{name}}"))
    )
