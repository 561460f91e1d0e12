"""Builds the JSON of today's curves, and has the ECU fill in what nobody watched."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.curve import lead, parse_curve
from aps_exporter.errors import EcuError
from aps_exporter.history import STEP_S
from aps_exporter.station import Station
from aps_exporter.web.contract import Day

__all__ = ["day_json", "fill_from_ecu"]

SCHEMA: Final = 1

_log: Final = logging.getLogger(__name__)


def day_json(station: Station) -> Day:
    """Give today's record; asks the ECU nothing."""
    record = station.history.record(station.now())
    source = {
        (True, True): "both",
        (True, False): "watched",
        (False, True): "ecu",
        (False, False): "none",
    }
    return {
        "schema": SCHEMA,
        "date": record.day.isoformat(),
        "start": record.start.isoformat(timespec="seconds"),
        "step_s": STEP_S,
        "total": [*record.total_w],
        "source": source[record.watched, record.from_ecu],
        "panels": {panel: [*watts] for panel, watts in record.panels_w.items()},
    }


def fill_from_ecu(station: Station) -> None:
    """Get the curve that the ECU keeps of today, and enter it where nobody watched."""
    summary, history, now = station.history.latest, station.history, station.now()
    if station.day_curve is None or summary is None:
        return
    try:
        curve = parse_curve(station.day_curve(Deadline.after(station.settings.timeout)))
    except EcuError as error:
        _log.info("ECU %s: its curve of today can't be had: %s", station.name, error)
        history.no_curve(now)
        return
    ahead = lead(curve, summary.reading) if curve else None
    if curve and ahead is None:
        _log.info("ECU %s: the times of its curve don't fit those of its rows", station.name)
        history.no_curve(now)
        return
    points = [replace(point, at=point.at - ahead) for point in curve if ahead is not None]
    history.fill([point for point in points if point.at <= now])
