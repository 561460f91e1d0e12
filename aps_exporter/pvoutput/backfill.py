"""The power curve that PHP ECUs keep of today: fills the slots that nobody measured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from aps_exporter.ecu.curve import CurvePoint, lead, parse_curve
from aps_exporter.errors import EcuError, EcuPageError
from aps_exporter.model import Reading
from aps_exporter.pvoutput.builder import Builder
from aps_exporter.pvoutput.site import Site
from aps_exporter.pvoutput.slots import SWEEP_S, Sample, coverage, label

__all__ = ["Backfill"]

log = logging.getLogger(__name__)

_GAP: Final = timedelta(seconds=1.5 * SWEEP_S)
_SILENCE: Final = timedelta(minutes=10)
_PAUSE: Final = timedelta(minutes=5)
_TRIES: Final = 3
"""How often a page that is no curve is asked for: that ECU has none, or will be itself again."""


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
        filled = self._builder.fill([s for s in _samples(curve, ahead) if s.at <= now], now)
        if filled:
            log.info("%d slots of today filled from the ECU's own power curve", filled)

    def _arm(self, now: datetime) -> None:
        self._tries_left, self._gap_seen, self._told = _TRIES, now, ""

    def _tell(self, text: str) -> None:
        """Say why nothing was filled, once for each gap and reason."""
        if text != self._told:
            log.info("%s", text)
        self._told = text


def _samples(curve: Sequence[CurvePoint], ahead: timedelta) -> Iterator[Sample]:
    """Say at which true times the points were, and for how long each stands."""
    previous: datetime | None = None
    for point in curve:
        at = point.at - ahead
        yield Sample(at=at, power_w=point.power_w, covers_s=coverage(at, previous))
        previous = at
