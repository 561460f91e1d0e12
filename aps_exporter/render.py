"""A summary as text for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from aps_exporter.model import Inverter, PhaseVoltage
from aps_exporter.summary import Summary

__all__ = ["to_json", "to_text"]

NOTHING = "—"


def to_text(summary: Summary) -> str:
    """Write the reading as the original script's README shows it.

    ::

        Data source: http://192.168.1.102/cgi-bin/parameters

        408000012345-A: 120 W
        408000012345-B: — W

        Received panels: 1 / expected 2
        Raw total power: 120 W
        Total power: 120 W
        Avg voltage: 234.0 V
        Avg temp: 50.0 °C
        Avg frequency: 50.01 Hz
    """
    return "\n".join(_text_lines(summary))


def _text_lines(summary: Summary) -> Iterator[str]:
    expected = "" if summary.expected_count is None else f" / expected {summary.expected_count}"
    total = "Estimated total (scaled for missing panels)" if summary.scaled else "Total power"
    yield f"Data source: {summary.reading.source}"
    yield ""
    for row_id, power_w in _rows(summary):
        yield f"{row_id}: {_number(power_w)} W"
    yield ""
    yield f"Received panels: {summary.received}{expected}"
    yield f"Raw total power: {_number(summary.power_w)} W"
    yield f"{total}: {_number(summary.power_estimated_w)} W"
    yield f"Avg voltage: {_decimals(summary.grid_voltage_v, 1)} V"
    yield f"Avg temp: {_decimals(summary.temperature_c, 1)} °C"
    yield f"Avg frequency: {_decimals(summary.grid_frequency_hz, 2)} Hz"


def to_json(summary: Summary, now: datetime) -> str:
    """Write the reading as one JSON document; `now` is the local time to stamp it with."""
    newest = summary.reading.newest_report
    document = {
        "source": summary.reading.source,
        "timestamp": now.replace(tzinfo=None).isoformat(timespec="seconds"),
        "received_count": summary.received,
        "expected_count": summary.expected_count,
        "total_watts_raw": _json_number(summary.power_w),
        "total_watts_estimated": (
            _json_number(summary.power_estimated_w) if summary.scaled else None
        ),
        "total_watts_for_output": _json_number(summary.power_estimated_w),
        "avg_volt_v": _rounded(summary.grid_voltage_v, 1),
        "avg_temp_c": _rounded(summary.temperature_c, 1),
        "avg_freq_hz": _rounded(summary.grid_frequency_hz, 2),
        "scaled_due_to_missing": summary.scaled,
        "panels": {panel.id: _json_number(panel.power_w) for panel in summary.panels},
        "missing": list(summary.missing_ids),
        "reported_at": _time(newest),
        "inverters": {
            serial: _inverter(inverter) for serial, inverter in summary.inverters.items()
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _rows(summary: Summary) -> Iterator[tuple[str, float | None]]:
    """Give the roster's panels, and after them the inverters that were never contacted."""
    panels = {panel.id: panel.power_w for panel in summary.panels}
    yield from panels.items()
    for inverter in summary.reading.inverters:
        if not inverter.channels and inverter.serial not in panels:
            yield inverter.serial, None


def _inverter(inverter: Inverter | None) -> dict[str, object]:
    """Give an inverter's values, those of a missing one as null."""
    now = inverter if inverter and inverter.online else None
    return {
        "volts": _volts(now.grid_voltages) if now else None,
        "hertz": now.grid_frequency_hz if now else None,
        "celsius": _json_number(now.temperature_c) if now else None,
        "online": now is not None,
        "reported_at": _time(inverter.reported_at) if inverter else None,
    }


def _volts(lines: tuple[PhaseVoltage, ...]) -> float | dict[str, float | int | None] | None:
    """Give one number for a single-phase inverter, volts by phase for a three-phase one."""
    by_phase = {line.phase: _json_number(line.voltage_v) for line in lines}
    return by_phase.get("") if by_phase.keys() <= {""} else by_phase


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _json_number(value: float | None) -> float | int | None:
    """Give whole numbers without a decimal point, as the original did; others to 3 decimals."""
    if value is None:
        return None
    return int(value) if float(value).is_integer() else round(value, 3)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _number(value: float | None) -> str:
    return NOTHING if value is None else str(_json_number(value))


def _decimals(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"
