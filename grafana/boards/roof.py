"""The Roof dashboard: one ECU, for the person who lives under it."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat
from grafana_foundation_sdk.models import common as common_model

from grafana.boards.layout import Line, board, targets
from grafana.boards.parts import at_once, mapped, override, steps, tile
from grafana.boards.promql import ECU, STATUSES, status_code
from grafana.boards.roof_inverters import (
    ages,
    availability,
    frequency,
    pvoutput,
    temperature,
    voltage,
)
from grafana.boards.roof_panels import curve, heat, missing, ranking

__all__ = ["roof"]


def roof() -> dashboard.Dashboard:
    """Lay out the dashboard."""
    return board(
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
            Line(height=8, panels=((16, curve()), (8, missing()))),
            Line(
                height=11,
                section="Panels",
                panels=((15, heat()), (9, ranking())),
            ),
            Line(
                height=8,
                section="Inverters and grid",
                panels=((12, availability()), (12, temperature())),
            ),
            Line(height=8, panels=((12, voltage()), (12, frequency()))),
            Line(
                height=6,
                section="Reports and PVOutput",
                panels=((12, ages()), (12, pvoutput())),
            ),
        ),
    ).with_variable(targets("ECU", "aps_up"))


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
        .with_target(at_once(status_code(ECU), "status"))
        .mappings(mapped(dict(enumerate(STATUSES.values()))))
        .thresholds(steps("text"))
    )
