"""Builds the JSON that says how an ECU is now; docs/api-status.md describes every field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from aps_exporter import __version__
from aps_exporter.errors import EcuError
from aps_exporter.pvoutput.status import Snapshot
from aps_exporter.station import Outcome, Station
from aps_exporter.web.contract import (
    DataAge,
    EcuNow,
    Fleet,
    FleetEcu,
    FleetFailure,
    Level,
    PanelCounts,
    Poll,
    PVOutputNow,
    Status,
    Sun,
)
from aps_exporter.web.look import Look, daylight, look_at
from aps_exporter.web.tiles import inverters, rounded, tiles

__all__ = ["SCHEMA", "failures_json", "fleet_json", "status_json"]

SCHEMA: Final = 1
"""Of these documents; it changes when a reader would have to."""
LATE: Final = timedelta(hours=1)
"""A record that waits for longer, several of PVOutput's intervals, doesn't only wait."""

_BADNESS: Final[dict[Level, int]] = {"bad": 0, "warn": 1, "good": 2, "sleep": 3}


def status_json(station: Station, *, among_others: bool = False) -> Status:
    """Say how an ECU is; asks it nothing. `among_others`: it is one of several."""
    look = look_at(station)
    current = look.current
    ecu = look.summary.reading.ecu if look.summary else None
    each_inverter = inverters(look)
    return {
        "schema": SCHEMA,
        "version": __version__,
        "now": look.now.isoformat(timespec="seconds"),
        "refresh_s": station.look_s,
        "ecu": _ecu(station, look),
        "power": {
            "measured_w": rounded(current.power_w if current else None, 1),
            "estimated_w": current.power_estimated_w if current and current.scaled else None,
        },
        "energy": {
            "today_wh": ecu.energy_today_wh if ecu else None,
            "lifetime_wh": ecu.energy_lifetime_wh if ecu else None,
        },
        "panels": _panels(look),
        "inverters_online": sum(inverter["state"] == "online" for inverter in each_inverter),
        "inverters_expected": len(each_inverter),
        "data": _data(look),
        "sun": _sun(station, look),
        "roof": tiles(look),
        "inverters": each_inverter,
        "pvoutput": _pvoutput(station.publishing(), look) if station.publishing else None,
        "polls": [_poll(look, outcome) for outcome in reversed([*station.outcomes])],
        "links": _links(station.name if among_others else None),
    }


def fleet_json(
    stations: Mapping[str, Station], failures: Iterable[tuple[str, Outcome]], now: datetime
) -> Fleet:
    """Say how each of several ECUs is, the worst first; asks them nothing.

    `failures` are the last one of each target.
    """
    ecus = [_fleet_ecu(name, station) for name, station in stations.items()]
    ecus.sort(key=lambda ecu: (_BADNESS[ecu["level"]], -ecu["panels"]["missing"], ecu["name"]))
    return {
        "schema": SCHEMA,
        "now": now.isoformat(timespec="seconds"),
        "ecus": ecus,
        "failures": failures_json(failures, now),
    }


def failures_json(failures: Iterable[tuple[str, Outcome]], now: datetime) -> list[FleetFailure]:
    """Say of targets how they failed last."""
    return [_failure(target, outcome, now) for target, outcome in failures]


def _failure(target: str, outcome: Outcome, now: datetime) -> FleetFailure:
    error = outcome.result
    return {
        "target": target,
        "at": outcome.at.astimezone(now.tzinfo).isoformat(timespec="seconds"),
        "status": error.status if isinstance(error, EcuError) else "ok",
        "error": str(error) if isinstance(error, EcuError) else "",
    }


def _fleet_ecu(name: str, station: Station) -> FleetEcu:
    look = look_at(station)
    level, sentence = look.judge()
    return {
        "name": name,
        "labels": dict(station.labels),
        "level": level,
        "sentence": sentence,
        "power_w": rounded(look.current.power_w if look.current else None, 1),
        "panels": _panels(look),
        "age_s": look.age_s,
    }


def _ecu(station: Station, look: Look) -> EcuNow:
    level, sentence = look.judge()
    reading = look.summary.reading if look.summary else None
    info = reading.ecu if reading else None
    return {
        "name": station.name,
        "host": station.settings.host,
        "id": info.ecu_id if info else None,
        "firmware": info.firmware if info else None,
        "interface": reading.interface if reading else None,
        "timezone": reading.timezone if reading else None,
        "status": look.status,
        "level": level,
        "sentence": sentence,
    }


def _panels(look: Look) -> PanelCounts:
    expected = look.summary.expected if look.summary else None
    return {"received": look.received, "expected": expected, "missing": look.missing}


def _data(look: Look) -> DataAge:
    reading = look.summary.reading if look.summary else None
    return {
        "read_at": look.iso(reading.read_at if reading else None),
        "reported_at": look.reported(reading.newest_report if reading else None),
        "age_s": look.age_s,
    }


def _sun(station: Station, look: Look) -> Sun | None:
    times = daylight(station, look.now)
    if times is None:
        return None
    return {
        "sunrise": look.iso(times[0]),
        "sunset": look.iso(times[1]),
        "elevation_deg": rounded(look.sun_elevation_deg, 1),
    }


def _pvoutput(snapshot: Snapshot, look: Look) -> PVOutputNow:
    state, sentence = _forwarding(snapshot, look)
    return {
        "state": state,
        "sentence": sentence,
        "waiting": snapshot.queue_records,
        "last_upload": look.iso(snapshot.last_success),
    }


def _forwarding(snapshot: Snapshot, look: Look) -> tuple[str, str]:
    """Say in a word and in a sentence how the forwarding to PVOutput goes."""
    oldest, hold = snapshot.queue_oldest, snapshot.hold_until
    # The first that applies.
    cases = (
        (
            not snapshot.active,
            "standby",
            "Another process forwards to PVOutput from the same outbox.",
        ),
        (
            snapshot.auth_ok is False,
            "refused",
            "PVOutput refuses the API key or the system id.",
        ),
        (
            oldest is not None and look.now - oldest > LATE,
            "failing",
            f"Statuses wait since {oldest and look.clock(oldest)}.",
        ),
        (
            not snapshot.outbox_on_disk,
            "failing",
            "The outbox can't be written to the disk; memory keeps it for now.",
        ),
        (
            hold is not None and hold > look.now,
            "waiting",
            f"Nothing is sent before {hold and look.clock(hold)}.",
        ),
        (snapshot.queue_records > 0, "waiting", "The next upload is due soon."),
        (snapshot.last_success is None, "idle", "Nothing has been sent yet."),
    )
    applying = ((state, sentence) for applies, state, sentence in cases if applies)
    return next(applying, ("ok", "PVOutput has everything."))


def _poll(look: Look, outcome: Outcome) -> Poll:
    result = outcome.result
    if isinstance(result, EcuError):
        status, error = result.status, str(result)
    else:
        status, error = ("ok" if result.reading.inverters else "empty"), None
    return {
        "at": outcome.at.astimezone(look.now.tzinfo).isoformat(timespec="seconds"),
        "status": status,
        "duration_s": round(outcome.duration_s, 3),
        "error": error,
    }


def _links(ecu: str | None) -> dict[str, str]:
    """Give the addresses, relative to the page's, of what belongs to the ECU."""
    pages = {
        "reading": "api/v1/reading",
        "status": "api/v1/status",
        "day": "api/v1/day",
        "roof_svg": "roof.svg",
    }
    if ecu is None:
        return {"metrics": "metrics", **pages}
    name = quote(ecu, safe="")
    of_one = {key: f"{address}?ecu={name}" for key, address in pages.items()}
    return {"fleet": "./", "metrics": f"probe?target={name}", **of_one}
