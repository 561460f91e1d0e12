"""An invented roof of twenty panels, as the JSON of the page tells about it at any hour."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import datetime, timedelta, timezone

from aps_exporter.web.contract import (
    Day,
    Fleet,
    FleetEcu,
    InverterNow,
    Level,
    PanelNow,
    PanelState,
    Status,
)

ZONE = timezone(timedelta(hours=2))
STEP_S = 300
SUNRISE_H, SUNSET_H = 5.3, 21.6
SLOW = "408000012345-A"
SHADED = 0.62


def _layout() -> list[tuple[str, str, int, int]]:
    """List id, group, row and column: twelve panels to the south, eight to the east."""
    places = [("south", row, column) for row in (1, 2, 3) for column in (1, 2, 3, 4)]
    places += [("east", row, column) for row in (1, 2, 3) for column in (6, 7, 8)][:8]
    return [
        (f"{408000012345 + index // 2}-{'AB'[index % 2]}", group, row, column)
        for index, (group, row, column) in enumerate(places)
    ]


LAYOUT = _layout()
NAMES = {
    panel: f"{group.capitalize()} {number}"
    for group in ("south", "east")
    for number, panel in enumerate((p for p, side, _, _ in LAYOUT if side == group), 1)
}


def _watts(panel: str, group: str, hour: float) -> float | None:
    """Give what a panel makes: a bell over the sun's hours, clouds, and its own little faults."""
    if not SUNRISE_H < hour < SUNSET_H:
        return None
    length = SUNSET_H - SUNRISE_H
    height = math.sin(math.pi * (hour - SUNRISE_H) / length) ** 1.7
    side = 1.0 if group == "south" else max(0.12, 1.05 - 0.085 * (hour - 9.0))
    cloud = (
        1
        - 0.3 * max(0.0, math.sin(hour * 2.3 + 1)) ** 3
        - 0.12 * max(0.0, math.sin(hour * 11)) ** 6
    )
    own = 0.96 + 0.05 * math.sin(sum(map(ord, panel)) * 1.7)
    shade = SHADED if panel == SLOW else 1.0
    return float(round(330 * height * min(side, 1.0) * cloud * own * shade))


def _at(hour: float) -> datetime:
    return datetime(2026, 7, 18, tzinfo=ZONE) + timedelta(hours=hour)


def status(
    hour: float = 12.6,
    *,
    lost: Collection[str] = (),
    states: dict[str, PanelState] | None = None,
    names: dict[str, str] | None = None,
    refresh_s: float = 60.0,
) -> Status:
    """Tell how the roof is; `lost`: serials of inverters that are silent since 16:12."""
    names = NAMES | (names or {})
    told: dict[str, PanelState] = dict(states or {})
    roof: list[PanelNow] = []
    night = not SUNRISE_H < hour < SUNSET_H
    for panel, group, row, column in LAYOUT:
        serial, _, channel = panel.partition("-")
        state = "missing" if serial in lost else told.get(panel, "asleep" if night else "online")
        watts = _watts(panel, group, hour) if state == "online" else None
        if panel in told and told[panel] == "online":
            watts = 0.0
        typical = _watts("", group, hour)
        roof.append(
            PanelNow(
                id=panel,
                name=names[panel],
                inverter=serial,
                channel=channel,
                group=group,
                row=row,
                column=column,
                state=state,
                power_w=watts,
                share=None if watts is None or not typical else round(watts / typical, 3),
                dc_voltage_v=None if watts is None else 33.0,
            )
        )
    known = [panel["power_w"] for panel in roof if panel["power_w"] is not None]
    measured = sum(known) if known else None
    missing = sum(panel["state"] in ("missing", "never_contacted") for panel in roof)
    level: Level = "sleep" if night else "warn" if missing else "good"
    day_wh = sum(filter(None, day(hour, lost=lost)["total"])) * STEP_S / 3600
    scaled = measured is not None and missing and len(known) > 0
    reported = _at(min(hour, SUNSET_H) - 0.05).isoformat()
    inverters = list(dict.fromkeys(panel["inverter"] for panel in roof))
    return Status(
        schema=1,
        version="1.0.0",
        now=_at(hour).isoformat(),
        refresh_s=refresh_s,
        ecu={
            "name": "Lime Street",
            "host": "192.168.1.102",
            "id": "216000012345",
            "firmware": "C1.2.23",
            "interface": "php",
            "timezone": "Europe/Amsterdam",
            "status": "ok",
            "level": level,
            "sentence": (
                "The ECU answers but repeats its 21:33 rows: it is asleep."
                if night
                else f"The ECU answers, and misses {missing} of its panels."
                if missing
                else "The ECU answers, and every panel reports."
            ),
        },
        power={
            "measured_w": measured,
            "estimated_w": round(measured / len(known) * 20) if scaled and measured else None,
        },
        energy={"today_wh": round(day_wh, 1), "lifetime_wh": 31_456_780.0},
        panels={"received": len(known), "expected": 20, "missing": missing},
        inverters_online=sum(_online(roof, serial) for serial in inverters),
        inverters_expected=len(inverters),
        data={"read_at": _at(hour).isoformat(), "reported_at": reported, "age_s": 194.0},
        sun={
            "sunrise": _at(SUNRISE_H).isoformat(),
            "sunset": _at(SUNSET_H).isoformat(),
            "elevation_deg": 58.2 if not night else -12.0,
        },
        roof=roof,
        inverters=[_inverter(serial, roof, reported) for serial in inverters],
        pvoutput={
            "state": "ok",
            "sentence": "PVOutput takes what it is sent.",
            "waiting": 0,
            "last_upload": _at(hour - 0.06).isoformat(),
        },
        polls=[
            {
                "at": (_at(hour) - timedelta(minutes=minute)).isoformat(),
                "status": "ok" if minute != 7 else "timeout",
                "duration_s": 0.21 + minute / 100,
                "error": None if minute != 7 else "192.168.1.102 did not answer within 5 s",
            }
            for minute in range(20)
        ],
        links={
            "metrics": "metrics",
            "reading": "api/v1/reading",
            "status": "api/v1/status",
            "day": "api/v1/day",
            "roof_svg": "roof.svg",
        },
    )


def unread() -> Status:
    """Tell of a roof that nobody has read yet."""
    nothing = status()
    nothing["ecu"] |= {"status": "unreachable", "level": "bad", "sentence": "It doesn't answer."}
    nothing["ecu"] |= {"id": None, "firmware": None, "interface": None, "timezone": None}
    nothing["power"] = {"measured_w": None, "estimated_w": None}
    nothing["energy"] = {"today_wh": None, "lifetime_wh": None}
    nothing["panels"] = {"received": 0, "expected": None, "missing": 0}
    nothing["inverters_online"] = nothing["inverters_expected"] = 0
    nothing["data"] = {"read_at": None, "reported_at": None, "age_s": None}
    nothing["sun"] = {"sunrise": None, "sunset": None, "elevation_deg": None}
    nothing["pvoutput"], nothing["roof"], nothing["inverters"] = None, [], []
    nothing["polls"] = []
    return nothing


def _online(roof: list[PanelNow], serial: str) -> bool:
    return any(panel["inverter"] == serial and panel["state"] == "online" for panel in roof)


def _inverter(serial: str, roof: list[PanelNow], reported: str) -> InverterNow:
    online = _online(roof, serial)
    state = next(panel["state"] for panel in roof if panel["inverter"] == serial)
    heard = online or state in ("stale", "asleep")
    return {
        "serial": serial,
        "name": serial,
        "state": "online" if online else state,
        "grid_voltages": [{"phase": "", "voltage_v": 234.0}] if online else [],
        "grid_frequency_hz": 50.01 if online else None,
        "temperature_c": 41.0 if online else None,
        "signal_ratio": 0.82 if online else None,
        "last_report": reported if heard else _at(16.2).isoformat(),
    }


def day(hour: float = 12.6, *, lost: Collection[str] = ()) -> Day:
    """Tell the day up to an hour."""
    panels: dict[str, list[float | None]] = {}
    for panel, group, _row, _column in LAYOUT:
        gone = panel.partition("-")[0] in lost
        panels[panel] = [
            None if gone and index > 194 else _watts(panel, group, index * STEP_S / 3600)
            for index in range(int(hour * 3600 / STEP_S))
        ]
    columns = [
        [value for value in now if value is not None] for now in zip(*panels.values(), strict=True)
    ]
    return Day(
        schema=1,
        date="2026-07-18",
        start=_at(0).isoformat(),
        step_s=STEP_S,
        total=[sum(known) if known else None for known in columns],
        source="both",
        panels=panels,
    )


def fleet(hour: float = 12.6) -> Fleet:
    """Tell about twelve ECUs, worst first."""
    places = "Mill Lane,Harbour 3,School,Lime Street,Barn,Town Hall,Fire Brigade,Dairy,Church,Depot"
    told: list[tuple[Level, str, float | None, int, float | None]] = [
        ("bad", "The ECU does not answer: connection refused since 11:02.", None, 0, 5_620.0),
        ("bad", "The ECU's page is gone: its firmware took it away.", None, 0, 180_000.0),
        ("warn", "The ECU answers, and misses 2 of its panels.", 2890.0, 18, 190.0),
    ]
    told += [
        ("good", "The ECU answers, and every panel reports.", 4200.0 - n * 310, 20, 60.0 * n)
        for n in range(6)
    ]
    told += [
        ("sleep", "The ECU answers but repeats its 17:42 rows: it is asleep.", None, 0, 9_000.0)
    ]
    ecus: list[FleetEcu] = [
        {
            "name": name,
            "labels": {"site": f"site {number}", "installer": "north"},
            "level": level,
            "sentence": sentence,
            "power_w": watts,
            "panels": {
                "received": received,
                "expected": 20,
                "missing": 20 - received if level != "sleep" else 0,
            },
            "age_s": age_s,
        }
        for number, (name, (level, sentence, watts, received, age_s)) in enumerate(
            zip(places.split(","), told, strict=True)
        )
    ]
    return {
        "schema": 1,
        "now": _at(hour).isoformat(),
        "ecus": ecus,
        "failures": [
            {
                "target": name,
                "at": _at(hour).isoformat(),
                "status": status,
                "error": f"{name}: {status}",
            }
            for name, status in (("Mill Lane", "unreachable"), ("Harbour 3", "page_gone"))
        ],
    }
