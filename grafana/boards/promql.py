"""Queries and words that more than one dashboard uses."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BY_PANEL", "ECU", "STATUSES", "day", "grid_volts", "status_code", "weakest"]

ECU = 'instance="$instance"'
BY_PANEL = "on (job, instance, inverter, channel)"
ROOT_OF_3 = 1.7320508
STATUSES: Mapping[str, tuple[str, str]] = {
    "ok": ("answers", "green"),
    "empty": ("table empty", "yellow"),
    "unreachable": ("unreachable", "red"),
    "timeout": ("too slow", "orange"),
    "page_gone": ("page gone", "purple"),
    "page_unrecognised": ("page not understood", "purple"),
    "page_truncated": ("page cut off", "orange"),
}
"""Values of the label `status` of `aps_ecu_status`, as people say them, and their colour."""


def day(matcher: str) -> str:
    """Tell the ECUs where it is day beyond doubt: half of the inverters make 20 W on a panel.

    Where the place is known, the sun is the better witness, and one inverter that produces enough:
    then most of a roof may be lost. Who is silent by day is missed. At dawn and dusk slopes wake
    and sleep one after the other.
    """
    best = f"max by (instance, inverter) (aps_panel_power_watts{{{matcher}}})"
    producing = f"count by (instance) ({best} >= 20)"
    half = f"0.5 * max by (instance) (aps_inverters_expected{{{matcher}}})"
    sun = f"max by (instance) (aps_daylight{{{matcher}}}) == 1"
    return f"({producing} >= {half} or {producing} and on (instance) ({sun}))"


def grid_volts(matcher: str) -> str:
    """Tell the volts of each phase, also where an inverter measures between two of them."""
    volts = "aps_inverter_grid_voltage_volts"
    return (
        f'({volts}{{{matcher}, phase!~"AB|BC|CA"}}'
        f' or {volts}{{{matcher}, phase=~"AB|BC|CA"}} / {ROOT_OF_3})'
    )


def status_code(*matchers: str) -> str:
    """Tell an ECU's status as the number of its place in `STATUSES`."""
    terms = []
    for code, status in enumerate(STATUSES):
        selector = ", ".join((f'status="{status}"', *matchers))
        terms.append(f"{code} * max by (instance) (aps_ecu_status{{{selector}}})")
    return " + ".join(terms[1:])


def weakest(number: int, matcher: str) -> str:
    """Rank panels by what they made over the time range, as a share of their group's median.

    Panels that made nothing count, as long as somebody knows that they should be there.
    """
    made = (
        f"(sum_over_time(aps_panel_power_watts{{{matcher}}}[$__range])"
        f" or aps_panel_online{{{matcher}}} * 0)"
        f" * {BY_PANEL} group_left (name, group) aps_panel_info{{{matcher}}}"
    )
    median = f"quantile by (instance, group) (0.5, {made}) > 0"
    return f"sort(bottomk({number}, {made} / on (instance, group) group_left () ({median})))"
