"""The power curve that PHP ECUs keep of today: fills the slots that nobody measured."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from aps_exporter.errors import EcuError, EcuPageError
from aps_exporter.model import Reading
from aps_exporter.pvoutput.builder import Builder
from aps_exporter.pvoutput.slots import SWEEP_S, Sample, coverage

__all__ = ["Backfill", "parse_curve"]

log = logging.getLogger(__name__)

_GAP: Final = timedelta(seconds=2 * SWEEP_S)
_TRIES: Final = 3
_MOST_W: Final = 10_000_000
"""Beyond any ECU: one serves a few hundred inverters."""


class Backfill:
    """Asks the ECU for its curve after a gap in our own sweeps, once for each gap."""

    def __init__(self, fetch: Callable[[], bytes], builder: Builder) -> None:
        """Take how to fetch the page, which may raise `EcuError`."""
        self._fetch = fetch
        self._builder = builder
        self._tries_left = 0

    def gap(self, previous: datetime | None, at: datetime) -> None:
        """Look at the time between two sweeps; the first one ever has all of today before it."""
        if previous is None or at - previous > _GAP:
            self._tries_left = _TRIES

    def step(self, reading: Reading, now: datetime) -> None:
        """Fill the gap if there is one and this ECU keeps a curve; a failure is tried again."""
        if self._tries_left == 0:
            return
        self._tries_left -= 1
        if reading.interface != "php":
            self._tries_left = 0
            return
        try:
            curve = parse_curve(self._fetch(), ahead=timedelta(seconds=reading.clock_error_s))
        except EcuError as error:
            log.info("the ECU's power curve can't be had: %s", error)
            return
        self._tries_left = 0
        filled = self._builder.fill([s for s in curve if s.at <= now], now)
        if filled:
            log.info("%d slots of today filled from the ECU's own power curve", filled)


def parse_curve(body: bytes, *, ahead: timedelta = timedelta(0)) -> list[Sample]:
    """Read the page `old_power_graph`, oldest point first.

    ``{"power":[{"time":1644476905000,"each_system_power":24},...],"today_energy":"4.06",...}``

    Times are milliseconds of true UTC, as far as the ECU's clock is right: it runs `ahead`. Power
    is the whole system's. Raises `EcuPageError` when it is not such a page.
    """
    try:
        points = json.loads(body)["power"]
        pairs = sorted((int(p["time"]), float(p["each_system_power"])) for p in points)
        moments = [(datetime.fromtimestamp(ms // 1000, UTC) - ahead, w) for ms, w in pairs]
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError) as error:
        message = "the ECU's power curve is not the JSON that we know"
        raise EcuPageError(message, "page_unrecognised") from error
    curve: list[Sample] = []
    for at, power_w in moments:
        if 0 <= power_w <= _MOST_W:
            previous = curve[-1].at if curve else None
            curve.append(Sample(at=at, power_w=power_w, covers_s=coverage(at, previous)))
    return curve
