"""The power curve of today that PHP ECUs keep, and by how much its clock is off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aps_exporter.errors import EcuPageError
from aps_exporter.model import Reading

__all__ = ["CurvePoint", "lead", "parse_curve"]

SWEEP_S: Final = 300.0
_QUARTER_S: Final = 900.0
_SLACK_S: Final = 120.0
_RECENT: Final = timedelta(minutes=30)
_MOST_W: Final = 10_000_000
"""Beyond any ECU: one serves a few hundred inverters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """What one sweep brought, as the ECU remembers it."""

    at: datetime
    """UTC, as far as the ECU's clock is right."""
    power_w: float
    """The whole system's."""


def lead(curve: Sequence[CurvePoint], reading: Reading) -> timedelta | None:
    """Tell by how much the curve's times are ahead: whole quarter hours; ``None`` if that is open.

    The curve's last point is the sweep that the rows show, or the next one, as it is fetched
    later. The curve is in UTC by the ECU's clock: a wrong zone shifts the rows only, so that the
    rows' `clock_error_s` is no answer.
    """
    newest = reading.newest_report
    at = reading.utc(newest) if newest else None
    if at is None:
        return None
    ahead_s = (curve[-1].at - at).total_seconds()
    whole_s = (ahead_s + _SLACK_S) // _QUARTER_S * _QUARTER_S
    if ahead_s - whole_s > SWEEP_S + _SLACK_S:
        return None
    # Old or future rows may be off themselves, by an error of their zone that is not yet known.
    recent = -timedelta(seconds=_SLACK_S) <= reading.read_at - at <= _RECENT
    return timedelta(seconds=whole_s) if recent or whole_s == 0 else None


def parse_curve(body: bytes) -> list[CurvePoint]:
    """Read the page `old_power_graph`, oldest point first.

    ``{"power":[{"time":1644476905000,"each_system_power":24},...],"today_energy":"4.06",...}``

    Times are milliseconds of true UTC. Raises `EcuPageError` when it is not such a page.
    """
    try:
        points = json.loads(body)["power"]
        pairs = sorted((int(p["time"]), float(p["each_system_power"])) for p in points)
        moments = [(datetime.fromtimestamp(ms // 1000, UTC), w) for ms, w in pairs]
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError) as error:
        message = "the ECU's power curve is not the JSON that we know"
        raise EcuPageError(message, "page_unrecognised") from error
    return [CurvePoint(at=at, power_w=w) for at, w in moments if 0 <= w <= _MOST_W]
