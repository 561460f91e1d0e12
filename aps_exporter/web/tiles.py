"""Every panel and every inverter of an ECU as the roof's page shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from statistics import median
from typing import Final

from aps_exporter.model import Inverter
from aps_exporter.roster.states import State
from aps_exporter.summary import Panel, Summary
from aps_exporter.web.contract import InverterNow, PanelNow, PanelState
from aps_exporter.web.layout import lay_out
from aps_exporter.web.look import Look

__all__ = ["inverters", "rounded", "tiles"]

MOST_SHARE: Final = 1.5


def tiles(look: Look) -> list[PanelNow]:
    """Give all panels in reading order, and inverters that have no panel yet as if they were one.

    Panels whose answer is too old to be about now are stale.
    """
    summary = look.summary
    if summary is None:
        return []
    panels = (*summary.panels, *_powerless(summary))
    spots = lay_out(panels)
    typical_w = _typical_w(summary.panels)
    return [
        _tile(look, summary, panel, spots[panel.id], typical_w.get(panel.group))
        for panel in sorted(panels, key=lambda panel: spots[panel.id])
    ]


def inverters(look: Look) -> list[InverterNow]:
    """Give all inverters; values only of those that report."""
    summary = look.summary
    if summary is None:
        return []
    reported = cache(look.reported)  # one sweep, one time
    return [
        _inverter(
            look,
            summary.inverter_states.get(serial, "never_contacted"),
            serial,
            inverter,
            reported(look.last_reports.get(serial)),
        )
        for serial, inverter in summary.inverters.items()
    ]


def _powerless(summary: Summary) -> Iterator[Panel]:
    """Give a panel for each inverter that the ECU knows and has never contacted."""
    with_panels = {panel.inverter for panel in summary.panels}
    for serial, inverter in summary.inverters.items():
        if serial not in with_panels and inverter is not None and not inverter.channels:
            yield Panel(id=serial, inverter=serial, channel="", name=serial, group="")


def _typical_w(panels: tuple[Panel, ...]) -> Mapping[str, float]:
    """Give the median power of each group's panels that are online."""
    watts: dict[str, list[float]] = {}
    for panel in panels:
        if panel.power_w is not None:
            watts.setdefault(panel.group, []).append(panel.power_w)
    return {group: median(values) for group, values in watts.items()}


def _tile(
    look: Look, summary: Summary, panel: Panel, spot: tuple[int, int], typical_w: float | None
) -> PanelNow:
    power_w, volts = panel.power_w, panel.dc_voltage_v
    if look.faded:
        power_w = volts = None
    share = power_w / typical_w if power_w is not None and typical_w else None
    return {
        "id": panel.id,
        "name": panel.name,
        "inverter": panel.inverter,
        "channel": panel.channel,
        "group": panel.group,
        "row": spot[0],
        "column": spot[1],
        "state": "online" if power_w is not None else _panel_state(look, summary, panel),
        "power_w": rounded(power_w, 1),
        "share": None if share is None else min(max(round(share, 3), 0.0), MOST_SHARE),
        "dc_voltage_v": volts,
    }


def _panel_state(look: Look, summary: Summary, panel: Panel) -> PanelState:
    """Say why a panel shows no power."""
    state = summary.panel_states.get(panel.id, "never_contacted")
    return _silence(look, state, summary.inverters.get(panel.inverter))


def _inverter(
    look: Look, state: State, serial: str, inverter: Inverter | None, last_report: str | None
) -> InverterNow:
    now = inverter if inverter and not look.faded and inverter.online else None
    return {
        "serial": serial,
        "name": serial,
        "state": "online" if now else _silence(look, state, inverter),
        "grid_voltages": [
            {"phase": line.phase, "voltage_v": line.voltage_v}
            for line in (now.grid_voltages if now else ())
        ],
        "grid_frequency_hz": now.grid_frequency_hz if now else None,
        "temperature_c": now.temperature_c if now else None,
        "signal_ratio": now.signal_ratio if now else None,
        "last_report": last_report,
    }


def _silence(look: Look, state: State, inverter: Inverter | None) -> PanelState:
    """Say why an inverter shows no values, by its own state or that of a panel on it."""
    # Rows with panels show that the ECU has heard of it, before we were there to see it.
    repeats = inverter is not None and inverter.stale and bool(inverter.channels)
    if state == "never_contacted" and not repeats:
        return "never_contacted"
    if look.asleep:
        return "asleep"
    return "stale" if repeats or look.faded else "missing"


def rounded(value: float | None, digits: int) -> float | None:
    """Round what is known."""
    return None if value is None else round(value, digits)
