"""The power curve that PHP ECUs keep of today: fills the slots that nobody measured."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from aps_exporter.errors import EcuError, EcuPageError
from aps_exporter.model import Reading
from aps_exporter.pvoutput.builder import Builder
from aps_exporter.pvoutput.site import Site
from aps_exporter.pvoutput.slots import SWEEP_S, Sample, coverage, label

__all__ = ["Backfill", "lead", "parse_curve"]

log = logging.getLogger(__name__)

_GAP: Final = timedelta(seconds=1.5 * SWEEP_S)
_SILENCE: Final = timedelta(minutes=10)
_PAUSE: Final = timedelta(minutes=5)
_TRIES: Final = 3
"""How often a page that is no curve is asked for: that ECU has none, or will be itself again."""
_QUARTER_S: Final = 900.0
_SLACK_S: Final = 120.0
_RECENT: Final = timedelta(minutes=30)
_MOST_W: Final = 10_000_000
"""Beyond any ECU: one serves a few hundred inverters."""


class Backfill:
    """Asks the ECU for its curve after a gap in our own sweeps, once for each gap."""

    def __init__(self, fetch: Callable[[], bytes], builder: Builder, site: Site) -> None:
        """Take how to fetch the page, which may raise `EcuError`."""
        self._fetch = fetch
        self._builder = builder
        self._site = site
        self._tries_left = 0
        self._gap_seen = datetime.min.replace(tzinfo=UTC)
        self._tried: datetime | None = None
        self._read: datetime | None = None
        self._swept: datetime | None = None
        self._told = ""

    def hear(self, reading: Reading, now: datetime) -> None:
        """Look at the time between two readings, whatever they tell: a gap may end at night.

        The first one has all of today before it.
        """
        if reading.interface != "php":
            return
        if self._read is None or reading.read_at - self._read > _SILENCE:
            self._arm(now)
        self._read = reading.read_at

    def swept(self, at: datetime, now: datetime) -> None:
        """Look at the time between two sweeps."""
        if self._swept is not None and at - self._swept > _GAP:
            self._arm(now)
        self._swept = at

    def step(self, reading: Reading, now: datetime) -> None:
        """Fill the gap if there is one and this ECU keeps a curve.

        A failure is tried again until the day is over, for then the curve is gone.
        """
        if self._tries_left == 0:
            return
        zone = self._site.zone
        if reading.interface != "php" or label(self._gap_seen, zone)[0] != label(now, zone)[0]:
            self._tries_left = 0
            return
        if self._tried is not None and timedelta(0) <= now - self._tried < _PAUSE:
            return
        self._tried = now
        try:
            curve = parse_curve(self._fetch())
        except EcuError as error:
            if isinstance(error, EcuPageError):
                self._tries_left -= 1
            self._tell(f"the ECU's power curve can't be had: {error}")
            return
        ahead = lead(curve, reading) if curve else timedelta(0)
        if ahead is None:
            self._tell("the ECU's power curve is not used: its times don't fit those of the rows")
            return
        self._tries_left = 0
        moved = [replace(s, at=s.at - ahead) for s in curve]
        filled = self._builder.fill([s for s in moved if s.at <= now], now)
        if filled:
            log.info("%d slots of today filled from the ECU's own power curve", filled)

    def _arm(self, now: datetime) -> None:
        self._tries_left, self._gap_seen, self._told = _TRIES, now, ""

    def _tell(self, text: str) -> None:
        """Say why nothing was filled, once for each gap and reason."""
        if text != self._told:
            log.info("%s", text)
        self._told = text


def lead(curve: Sequence[Sample], reading: Reading) -> timedelta | None:
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


def parse_curve(body: bytes) -> list[Sample]:
    """Read the page `old_power_graph`, oldest point first.

    ``{"power":[{"time":1644476905000,"each_system_power":24},...],"today_energy":"4.06",...}``

    Times are milliseconds of true UTC, as far as the ECU's clock is right. Power is the whole
    system's. Raises `EcuPageError` when it is not such a page.
    """
    try:
        points = json.loads(body)["power"]
        pairs = sorted((int(p["time"]), float(p["each_system_power"])) for p in points)
        moments = [(datetime.fromtimestamp(ms // 1000, UTC), w) for ms, w in pairs]
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError) as error:
        message = "the ECU's power curve is not the JSON that we know"
        raise EcuPageError(message, "page_unrecognised") from error
    curve: list[Sample] = []
    for at, power_w in moments:
        if 0 <= power_w <= _MOST_W:
            previous = curve[-1].at if curve else None
            curve.append(Sample(at=at, power_w=power_w, covers_s=coverage(at, previous)))
    return curve
