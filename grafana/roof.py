"""The Roof dashboard: one ECU, for the person who lives under it."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, common, dashboard, stat, statushistory, table
from grafana_foundation_sdk.builders import statetimeline, timeseries
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model

from grafana.parts import (
    STATUSES,
    Line,
    at_once,
    bars,
    board,
    cells,
    color,
    fixed,
    graph,
    listing,
    mapped,
    over_time,
    override,
    status_code,
    steps,
    strip,
    tile,
)

__all__ = ["roof"]

ECU = 'instance="$instance"'
BY_PANEL = "on (instance, inverter, channel)"
INFO = f"{BY_PANEL} group_left (name, group) aps_panel_info{{{ECU}}}"
MOST_REPORT = (
    f"on (instance) (aps_inverters_online{{{ECU}}} >= 0.5 * aps_inverters_expected{{{ECU}}})"
)
"""By day: what is silent then is missed, what is silent with most others sleeps."""
DASHED = {"fill": "dash", "dash": [8, 6]}


def roof() -> dashboard.Dashboard:
    """Lay out the dashboard."""
    made = board(
        uid="aps-roof",
        title="APsystems roof",
        description="One ECU: its power, its panels, its inverters and the grid that they feed.",
        start="now/d",
        lines=(
            Line(
                height=4,
                panels=(
                    (4, _power()),
                    (4, _estimate()),
                    (5, _present()),
                    (4, _today()),
                    (3, _age()),
                    (4, _status()),
                ),
            ),
            Line(height=9, panels=((16, _curve()), (8, _missing()))),
            Line(height=11, section="Panels", panels=((15, _heat()), (9, _ranking()))),
            Line(
                height=8,
                section="Inverters and grid",
                panels=((12, _availability()), (12, _temperature())),
            ),
            Line(height=8, panels=((12, _voltage()), (12, _frequency()))),
            Line(
                height=6,
                section="Reports and PVOutput",
                panels=((12, _ages()), (12, _pvoutput())),
            ),
        ),
    )
    return (
        made.with_variable(
            dashboard.QueryVariable("instance")
            .label("ECU")
            .datasource(model.DataSourceRef(type_val="prometheus", uid="${datasource}"))
            .query("label_values(aps_up, instance)")
            .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(model.VariableSort.ALPHABETICAL_ASC)
        )
        .with_variable(_limit("voltage_low", "Lowest volts", "207"))
        .with_variable(_limit("voltage_high", "Highest volts", "253"))
    )


def _limit(name: str, label: str, volts: str) -> dashboard.TextBoxVariable:
    return (
        dashboard.TextBoxVariable(name)
        .label(label)
        .description("A limit line of the grid voltage; what your country's grid code says.")
        .default_value(volts)
        .current(model.VariableOption(text=volts, value=volts, selected=True))
    )


def _power() -> stat.Panel:
    return (
        tile(
            1,
            "Power now",
            "Sum over the panels that report. Empty while none does, as at night.",
            "watt",
        )
        .with_target(at_once(f"aps_power_watts{{{ECU}}}", "measured"))
        .thresholds(steps("orange"))
    )


def _estimate() -> stat.Panel:
    return (
        tile(
            2,
            "Estimated with all panels",
            "The power scaled up for missing panels, if scale_missing says so; else the same sum.",
            "watt",
        )
        .with_target(at_once(f"aps_power_estimated_watts{{{ECU}}}", "estimated"))
        .thresholds(steps("semi-dark-orange"))
    )


def _present() -> stat.Panel:
    return (
        tile(
            3,
            "Panels",
            "Panels that report now, and how many should: expected_count, else all ever seen. "
            "The table below names the missing.",
            "none",
        )
        .with_target(at_once(f"aps_panels_received{{{ECU}}}", "report", "A"))
        .with_target(at_once(f"aps_panels_expected{{{ECU}}}", "expected", "B"))
        .with_target(at_once(f"aps_panels_missing{{{ECU}}}", "missing", "C"))
        .text_mode(common_model.BigValueTextMode.VALUE_AND_NAME)
        .override_by_name(
            "missing",
            override(
                thresholds={
                    "mode": "absolute",
                    "steps": [{"color": "green", "value": None}, {"color": "orange", "value": 1}],
                }
            ),
        )
    )


def _today() -> stat.Panel:
    return (
        tile(
            4,
            "Energy today",
            "What the ECU counts since its own midnight (the joules of the metric, as kWh).",
            "kwatth",
        )
        .decimals(1)
        .with_target(at_once(f"aps_energy_today_joules{{{ECU}}} / 3.6e6", "today"))
        .thresholds(steps("green"))
    )


def _age() -> stat.Panel:
    return (
        tile(
            5,
            "Newest report",
            "Time since an inverter last reported. An ECU asks them every five minutes; by day "
            "more than half an hour is too old. Empty while the ECU's time zone is unknown.",
            "s",
        )
        .decimals(0)
        .with_target(
            at_once(
                f"time() - max by (instance) (aps_inverter_last_report_timestamp_seconds{{{ECU}}})",
                "age",
            )
        )
        .thresholds(steps("green", (900, "yellow"), (1800, "orange")))
    )


def _status() -> stat.Panel:
    return (
        tile(
            6,
            "ECU",
            "How the last poll of the ECU ended. The runbook says what to do about each.",
            "none",
        )
        .with_target(at_once(status_code(f", {ECU}"), "status"))
        .mappings(mapped(dict(enumerate(STATUSES.values()))))
        .thresholds(steps("text"))
    )


def _curve() -> timeseries.Panel:
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
        .override_by_name(
            "measured", [fixed("orange"), *override(custom_fillOpacity=25)]
        )
        .override_by_name(
            "estimated", [fixed("semi-dark-orange"), *override(custom_lineStyle=DASHED)]
        )
        .override_by_name("a day earlier", [fixed("blue"), *override(custom_lineWidth=1)])
    )


def _missing() -> table.Panel:
    last_power = f"max_over_time(timestamp(aps_panel_power_watts{{{ECU}}})[7d:10m])"
    silent = (
        f"(time() - {last_power}"
        f" or {BY_PANEL} aps_panel_online{{{ECU}}} * 0 + 7 * 86400)"
    )
    return (
        listing(
            8,
            "Missing panels",
            "Panels that should report and don't, while at least half of the inverters do. "
            "Silent since: time without a power; seven days means at least that.",
            {"name": "Panel", "group": "Group", "inverter": "Inverter", "Value": "Silent since"},
            hidden=("instance", "job", "channel"),
        )
        .with_target(
            at_once(
                f"({silent} * {INFO} and {BY_PANEL} aps_panel_online{{{ECU}}} == 0)"
                f" and {MOST_REPORT}"
            ).format("table")
        )
        .no_value("Nobody is missing (or most of the roof sleeps)")
        .override_by_name("Silent since", override(unit="s", decimals=0))
        .sort_by([common.TableSortByFieldState("Silent since").desc(True)])
    )


def _heat() -> statushistory.Panel:
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


def _ranking() -> bargauge.Panel:
    made = (
        f"(sum_over_time(aps_panel_power_watts{{{ECU}}}[$__range])"
        f" or aps_panel_online{{{ECU}}} * 0) * {INFO}"
    )
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
        .with_target(
            at_once(
                f"sort(bottomk(20, {made} / on (instance, group) group_left ()"
                f" (quantile by (instance, group) (0.5, {made}) > 0)))",
                "{{name}}",
            )
        )
    )


def _availability() -> statetimeline.Panel:
    return (
        strip(
            11,
            "Inverters reporting",
            "Green: reported. Red: silent while at least half of the others report. Grey: most "
            "are silent, as at night.",
        )
        .mappings(
            mapped({1: ("reports", "green"), 0: ("silent", "red"), 2: ("roof asleep", "#7F7F7F55")})
        )
        .with_target(
            over_time(
                f"max by (inverter) (aps_inverter_online{{{ECU}}} and {MOST_REPORT}"
                f" or aps_inverter_online{{{ECU}}} * 0 + 2)",
                "{{inverter}}",
            )
        )
    )


def _temperature() -> timeseries.Panel:
    return (
        graph(
            12,
            "Inverter temperature",
            "Inside each inverter. Dashed: 75 °C, where a warning is due, and 85 °C.",
            "celsius",
        )
        .line_width(1)
        .thresholds(steps("transparent", (75, "orange"), (85, "red")))
        .thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_model.GraphThresholdsStyleMode.DASHED)
        )
        .with_target(
            over_time(f"aps_inverter_temperature_celsius{{{ECU}}}", "{{inverter}}")
        )
    )


def _voltage() -> timeseries.Panel:
    volts = f"aps_inverter_grid_voltage_volts{{{ECU}}}"
    return (
        graph(
            13,
            "Grid voltage",
            "Highest, mean and lowest over all inverters and phases. The limit lines are the "
            "dashboard's two variables: set them to your grid code's.",
            "volt",
        )
        .decimals(0)
        .with_target(over_time(f"max by (instance) ({volts})", "highest", "A"))
        .with_target(over_time(f"avg by (instance) ({volts})", "mean", "B"))
        .with_target(over_time(f"min by (instance) ({volts})", "lowest", "C"))
        .with_target(over_time("vector($voltage_high)", "upper limit", "D"))
        .with_target(over_time("vector($voltage_low)", "lower limit", "E"))
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


def _frequency() -> timeseries.Panel:
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


def _ages() -> timeseries.Panel:
    report = f"aps_inverter_last_report_timestamp_seconds{{{ECU}}}"
    return (
        graph(
            15,
            "Age of reports",
            "Time since the newest report of any inverter, and since the oldest of those on the "
            "page. By day both saw between nothing and five minutes; at night they climb.",
            "s",
        )
        .min(0)
        .with_target(over_time(f"time() - min by (instance) ({report})", "oldest", "B"))
        .with_target(over_time(f"time() - max by (instance) ({report})", "newest", "A"))
        .override_by_name("oldest", [fixed("yellow"), *override(custom_lineWidth=1)])
        .override_by_name("newest", [fixed("green")])
    )


def _pvoutput() -> stat.Panel:
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
