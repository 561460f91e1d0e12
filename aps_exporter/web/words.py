"""How the roof's page writes numbers and states; static/words.js writes them alike."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["STATES", "age", "clock", "energy", "number", "percent", "power", "step"]

NOTHING: Final = "—"
GAP: Final = "\N{NO-BREAK SPACE}"

STATES: Final = {
    "online": "online",
    "new": "online, new",
    "expected": "online",
    "missing": "missing",
    "never_contacted": "never contacted",
    "stale": "stale",
    "asleep": "asleep",
    "unused": "unused",
}
"""State → how people call it; one that isn't here is its own word."""

_KILO: Final = 1000.0
_MEGA: Final = 1e6
_STEPS: Final = 10


def number(value: float | None, digits: int, unit: str) -> str:
    """Write ``50.01 Hz``; halves go up, as they do in JavaScript."""
    if value is None:
        return NOTHING
    scale = 10**digits
    return f"{math.floor(value * scale + 0.5) / scale:.{digits}f}{GAP}{unit}"


def power(watts: float | None) -> str:
    """Write ``355 W`` or ``3.55 kW``."""
    if watts is None or abs(watts) < _KILO:
        return number(watts, 0, "W")
    return number(watts / _KILO, 2, "kW")


def energy(watt_hours: float | None) -> str:
    """Write ``850 Wh``, ``12.3 kWh`` or ``4.56 MWh``."""
    if watt_hours is None or abs(watt_hours) < _KILO:
        return number(watt_hours, 0, "Wh")
    if abs(watt_hours) < _MEGA:
        return number(watt_hours / _KILO, 1, "kWh")
    return number(watt_hours / _MEGA, 2, "MWh")


def percent(ratio: float | None) -> str:
    """Write ``93 %``."""
    return number(None if ratio is None else ratio * 100, 0, "%")


def age(seconds: float | None) -> str:
    """Write ``34 s``, ``3 min``, ``5 h`` or ``3 d``, rounded down from a unit's double on."""
    for size, unit, until in ((1, "s", 120), (60, "min", 7200), (3600, "h", 172800)):
        if seconds is None or seconds < until:
            whole = None if seconds is None else float(max(seconds, 0) // size)
            return number(whole, 0, unit)
    return number(float((seconds or 0) // 86400), 0, "d")


def clock(moment: str | None, now: str) -> str:
    """Write the time of an ISO 8601 moment as it stands there, and its date if not `now`'s."""
    if moment is None:
        return NOTHING
    day, time = moment[:10], moment[11:16]
    return time if day == now[:10] else f"{day} {time}"


def step(share: float | None, watts: float | None) -> str:
    """Choose one of eleven colours; a panel that can't be held against others gets a middle one."""
    if not watts:
        return "zero" if watts == 0 else ""
    if share is None:
        return "s5"
    return f"s{min(max(math.floor(share * _STEPS + 0.5), 0), _STEPS)}"
