"""The Fleet dashboard: many ECUs, the worst first, for whoever looks after them."""

from __future__ import annotations

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model

from grafana.boards.layout import Line, board, targets
from grafana.boards.parts import (
    as_table,
    at_once,
    bars,
    falling,
    graph,
    listing,
    mapped,
    over_time,
    override,
    steps,
    strip,
    tile,
)
from grafana.boards.promql import STATUSES, day, grid_volts, status_code, weakest

__all__ = ["fleet"]

ECUS = 'instance=~"$instance"'
DAY = f"(count({day(ECUS)}) > 0)"
"""It is day for the fleet where it is day beyond doubt at one of its ECUs."""
SILENT = f"sum by (instance) (aps_inverters_missing{{{ECUS}}})"
TROUBLE = (
    f"100 * (1 - max by (instance) (aps_up{{{ECUS}}}))"
    f" + (100 * ({SILENT} / sum by (instance) (aps_inverters_expected{{{ECUS}}})"
    f" and on () {DAY})"
    f" or max by (instance) (aps_up{{{ECUS}}}) * 0)"
)


def fleet() -> dashboard.Dashboard:
    """Lay out the dashboard."""
    return board(
        uid="aps-fleet",
        title="APsystems fleet",
        description="All ECUs: which need somebody, and what they make.",
        start="now/d",
        lines=(
            Line(
                height=4,
                panels=(
                    (6, _answering()),
                    (6, _silent()),
                    (4, _power()),
                    (4, _today()),
                    (4, _oldest()),
                ),
            ),
            Line(height=8, panels=((24, _ecus()),)),
            Line(height=9, panels=((12, _curves()), (12, _states()))),
            Line(height=10, panels=((12, _weakest()), (12, _voltage()))),
        ),
    ).with_variable(
        targets("ECUs", "aps_up")
        .multi(True)  # noqa: FBT003  # the SDK's
        .include_all(True)  # noqa: FBT003  # the SDK's
        .all_value(".+")
        .current(model.VariableOption(text="All", value="$__all", selected=True))
    )


def _answering() -> stat.Panel:
    return (
        tile(
            1, "ECUs", "ECUs that answer with readings we understand, and those that don't.", "none"
        )
        .text_mode(common_model.BigValueTextMode.VALUE_AND_NAME)
        .with_target(at_once(f"count(aps_up{{{ECUS}}} == 1) or vector(0)", "answer", "A"))
        .with_target(at_once(f"count(aps_up{{{ECUS}}} == 0) or vector(0)", "don't", "B"))
        .override_by_name("don't", _alarmed())
    )


def _silent() -> stat.Panel:
    return (
        tile(
            2,
            "Silent by day",
            "Inverters and panels that should report and don't. Counted while at least one ECU has "
            "half of its inverters making 20 W on a panel.",
            "none",
        )
        .text_mode(common_model.BigValueTextMode.VALUE_AND_NAME)
        .with_target(
            at_once(f"sum(aps_inverters_missing{{{ECUS}}}) and on () {DAY}", "inverters", "A")
        )
        .with_target(at_once(f"sum(aps_panels_missing{{{ECUS}}}) and on () {DAY}", "panels", "B"))
        .override_by_regexp("inverters|panels", _alarmed())
    )


def _alarmed() -> list[model.DynamicConfigValue]:
    return override(
        thresholds={
            "mode": "absolute",
            "steps": [{"color": "green", "value": None}, {"color": "orange", "value": 1}],
        }
    )


def _power() -> stat.Panel:
    return (
        tile(3, "Power now", "Sum over all panels of all ECUs that report.", "watt")
        .decimals(1)
        .with_target(at_once(f"sum(aps_power_watts{{{ECUS}}})", "power"))
        .thresholds(steps("orange"))
    )


def _today() -> stat.Panel:
    return (
        tile(4, "Energy today", "Sum of what the answering ECUs count since midnight.", "kwatth")
        .decimals(1)
        .with_target(at_once(f"sum(aps_energy_today_joules{{{ECUS}}}) / 3.6e6", "today"))
        .thresholds(steps("green"))
    )


def _oldest() -> stat.Panel:
    return (
        tile(
            5,
            "Most outdated ECU",
            "Time since the newest report of the ECU where that is longest ago.",
            "s",
        )
        .decimals(0)
        .with_target(
            at_once(
                "max(time() - max by (instance)"
                f" (aps_inverter_last_report_timestamp_seconds{{{ECUS}}}))",
                "age",
            )
        )
        .thresholds(steps("green", (900, "yellow"), (1800, "orange")))
    )


def _ecus() -> table.Panel:
    report = f"max by (instance) (aps_inverter_last_report_timestamp_seconds{{{ECUS}}})"
    queries = {
        "A": TROUBLE,
        "B": f"max by (instance, status) (aps_ecu_status{{{ECUS}}} == 1)",
        "C": SILENT,
        "D": f"sum by (instance) (aps_panels_missing{{{ECUS}}})",
        "E": f"sum by (instance) (aps_power_watts{{{ECUS}}})",
        "F": f"sum by (instance) (aps_energy_today_joules{{{ECUS}}}) / 3.6e6",
        "G": f"time() - {report}",
        "I": f'count by (instance) (ALERTS{{alertstate="firing", {ECUS}}})',
        "H": f"max by (instance, firmware) (aps_ecu_info{{{ECUS}}})",
    }
    made = listing(
        6,
        "ECUs, worst first",
        "Trouble is 100 for an ECU that doesn't answer, else the share of its inverters that are "
        "silent while it is day. Alerts: those of our rules that fire. A click on an ECU opens its "
        "roof.",
        {
            "instance": "ECU",
            "Value #A": "Trouble",
            "status": "State",
            "Value #I": "Alerts",
            "Value #C": "Inverters missing",
            "Value #D": "Panels missing",
            "Value #E": "Power",
            "Value #F": "Today",
            "Value #G": "Newest report",
            "firmware": "Firmware",
        },
        hidden=("Value #B", "Value #H"),
    )
    for ref, expr in queries.items():
        made.with_target(as_table(expr, ref))
    trouble = [{"color": "green", "value": None}, {"color": "orange", "value": 1}]
    return (
        made.override_by_name(
            "Trouble",
            override(
                decimals=0,
                thresholds={"mode": "absolute", "steps": [*trouble, {"color": "red", "value": 50}]},
                custom_cellOptions={"type": "color-background", "mode": "gradient"},
            ),
        )
        .override_by_name(
            "State",
            override(
                mappings=[
                    model.ValueMap(
                        options={
                            status: model.ValueMappingResult(text=text, color=paint, index=index)
                            for index, (status, (text, paint)) in enumerate(STATUSES.items())
                        }
                    )
                ],
                custom_cellOptions={"type": "color-text"},
            ),
        )
        .override_by_name(
            "Alerts", [*override(custom_cellOptions={"type": "color-text"}), *_alarmed()]
        )
        .override_by_name("Power", override(unit="watt"))
        .override_by_name("Today", override(unit="kwatth", decimals=1))
        .override_by_name("Newest report", override(unit="s", decimals=0))
        .override_by_name(
            "ECU",
            override(
                links=[{"title": "Its roof", "url": "/d/aps-roof?var-instance=${__value.raw}"}]
            ),
        )
        .sort_by(falling("Trouble"))
    )


def _curves() -> timeseries.Panel:
    return (
        graph(7, "Power of each ECU", "Stacked: the upper edge is the whole fleet.", "watt")
        .min(0)
        .line_width(1)
        .fill_opacity(40)
        .stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A"))
        .with_target(over_time(f"sum by (instance) (aps_power_watts{{{ECUS}}})", "{{instance}}"))
    )


def _states() -> statetimeline.Panel:
    return (
        strip(8, "How each ECU answered", "The end of each poll, as one of the seven statuses.")
        .mappings(mapped(dict(enumerate(STATUSES.values()))))
        .with_target(over_time(status_code(ECUS), "{{instance}}"))
    )


def _weakest() -> bargauge.Panel:
    return (
        bars(
            9,
            "Weakest panels of the fleet",
            "What a panel made over the time range, as a share of the median of its group on the "
            "same ECU. The ten weakest, weakest first.",
            "percentunit",
        )
        .min(0)
        .max(1.1)
        .decimals(0)
        .thresholds(steps("red", (0.5, "orange"), (0.8, "yellow"), (0.9, "green")))
        .with_target(at_once(weakest(10, ECUS), "{{instance}} · {{name}}"))
    )


def _voltage() -> timeseries.Panel:
    return (
        graph(
            10,
            "Highest grid voltage of each ECU",
            "Over all inverters and phases, a QT2's volts divided by √3; ECUs that rise together "
            "share a transformer.",
            "volt",
        )
        .decimals(0)
        .line_width(1)
        .with_target(over_time(f"max by (instance) {grid_volts(ECUS)}", "{{instance}}"))
    )
