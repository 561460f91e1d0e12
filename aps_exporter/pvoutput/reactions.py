"""What PVOutput's answers do to the records that were sent: stored, tried again, split, buried."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from aps_exporter.pvoutput.answers import Verdict, batch_codes
from aps_exporter.pvoutput.outbox import Outbox
from aps_exporter.pvoutput.rows import Entry
from aps_exporter.pvoutput.site import Site
from aps_exporter.pvoutput.slots import label
from aps_exporter.pvoutput.status import Tally

__all__ = ["Reactions"]

log = logging.getLogger(__name__)

_CLOCK_AGAIN: Final = timedelta(minutes=15)
_CLOCK_PATIENCE: Final = timedelta(hours=24)
_UNSUPPORTED_TRIES: Final = 3
_UNSUPPORTED_AGAIN: Final = timedelta(minutes=15)
_MOST_BAD: Final = 5
_BAD_PAUSE: Final = timedelta(hours=1)
_MOST_WARNINGS: Final = 100
_NOON: Final = range(10, 14)
"""Hours at which the moon is surely not the reason."""


class Reactions:
    """Acts on answers about records; every method leaves the outbox in order."""

    def __init__(self, outbox: Outbox, site: Site, tally: Tally) -> None:
        """Begin without a batch to take apart."""
        self._outbox = outbox
        self._site = site
        self._tally = tally
        self._parts: list[list[datetime]] = []
        self._bad = 0
        self._backlog_at: datetime | None = None
        self._halved = False
        self._warned: set[str] = set()
        self._unsupported_tries: Counter[datetime] = Counter()
        """By slot: a record's own count also has the attempts at which the network was away."""

    @property
    def batch_size(self) -> int:
        """The most records in one request."""
        return self._site.batch_size // (2 if self._halved else 1)

    def backlog_held(self, now: datetime) -> datetime | None:
        """Tell until when the backlog rests because too much of it was bad."""
        return self._backlog_at if self._backlog_at is not None and now < self._backlog_at else None

    def next_part(self) -> list[datetime]:
        """Give the part of a split batch that is to be sent next; empty when there is none."""
        return self._parts[-1] if self._parts else []

    def skip_part(self) -> None:
        """Forget a part of which nothing waits any more."""
        self._parts.pop()

    def stored(self, entries: Sequence[Entry], text: str, now: datetime) -> bool:
        """Mark what PVOutput took; false when its answer to a batch can't be read.

        A record of a batch that it says it didn't add, or about which it says nothing, is sent by
        itself once: only that answer tells whether it is bad or merely known.
        """
        taken = list(entries)
        if len(entries) > 1:
            codes = batch_codes(text)
            if codes is None:
                return False
            zone = self._site.zone
            taken = [e for e in entries if codes.get(label(e.record.start, zone)) == 1]
            self._outbox.send_alone(entry for entry in entries if entry not in taken)
        elif not text.upper().startswith("OK"):
            self._warn("PVOutput took a status with unusual words", text)
        self._outbox.sent(taken)
        self._tally.stored([entry.record.start for entry in taken], now)
        self._done(entries)
        return True

    def refused(self, entries: Sequence[Entry], verdict: Verdict, text: str, now: datetime) -> bool:
        """Act on a refusal; false when only the owner can do something about it."""
        match verdict:
            case Verdict.DONATION:
                return self._donation(entries)
            case Verdict.CLOCK:
                self._clock(entries, text, now)
            case Verdict.EXPIRED if self._expired(entries, text, now):
                pass
            case Verdict.ENERGY if any(e.record.energy_wh is not None for e in entries):
                self._outbox.strip_energy(entries)
            case Verdict.UNSUPPORTED:
                self._unsupported(entries, text, now)
            case _ if len(entries) == 1:
                self._bury(entries[0], verdict, text, now)
            case _:
                self._split(entries)
        return True

    def _donation(self, entries: Sequence[Entry]) -> bool:
        """Leave out a donor's fields, if we sent any."""
        sent = self._site.fields.frequency_key is not None and any(
            e.record.grid_frequency_hz is not None for e in entries
        )
        if sent:
            log.warning("PVOutput wants a donation for the frequency: it is left out")
            self._site.not_a_donor()
        return sent

    def _clock(self, entries: Sequence[Entry], text: str, now: datetime) -> None:
        """Keep what PVOutput takes to be in the future, for a day."""
        self._warn("clock or time zone is ahead of PVOutput's", text)
        date = _date_in(text)
        zone = self._site.zone
        ahead = [e for e in entries if date is None or label(e.record.start, zone)[0] >= date]
        for entry in ahead or entries:
            if now - entry.record.start > _CLOCK_PATIENCE:
                self._bury(entry, Verdict.CLOCK, text, now)
            else:
                self._outbox.defer([entry], text, now + _CLOCK_AGAIN)

    def _expired(self, entries: Sequence[Entry], text: str, now: datetime) -> bool:
        """Drop what is too old, by PVOutput's word or by the calendar; false if nothing is."""
        date = _date_in(text)
        zone = self._site.zone
        limit = now - self._site.longest_wait - timedelta(days=1)
        old = [
            e.record.start
            for e in entries
            if len(entries) == 1
            or (date is not None and label(e.record.start, zone)[0] <= date)
            or e.record.start < limit
        ]
        if old:
            waiting = self._outbox.entries("pending")
            lost = [entry for entry in waiting if entry.record.start <= max(old)]
            self._outbox.drop(lost)
            self._tally.count("expired", len(lost))
            self._warn("statuses were too old for PVOutput and are lost", text)
        return bool(old)

    def _unsupported(self, entries: Sequence[Entry], text: str, now: datetime) -> None:
        """Try smaller batches, then single records, then give up on them."""
        self._unsupported_tries.update(entry.record.start for entry in entries)
        tries = self._unsupported_tries[entries[0].record.start]
        if len(entries) == 1 and tries >= _UNSUPPORTED_TRIES:
            self._bury(entries[0], Verdict.UNSUPPORTED, text, now)
            return
        if len(entries) > 1 and self._halved:
            self._outbox.send_alone(entries)
        self._halved = self._halved or len(entries) > 1
        self._outbox.defer(entries, text, now + _UNSUPPORTED_AGAIN)

    def _bury(self, entry: Entry, verdict: Verdict, text: str, now: datetime) -> None:
        start = entry.record.start
        del self._unsupported_tries[start]  # a Counter minds no missing key
        self._outbox.bury(entry, text)
        self._tally.count("dead")
        self._done([entry])
        wall = start.astimezone(self._site.zone)
        if verdict is not Verdict.MOON:
            self._warn(f"PVOutput refused the status of {wall:%Y-%m-%d %H:%M} for good", text)
        elif wall.hour in _NOON:
            self._warn(
                f"PVOutput sees night at {wall:%H:%M}: the time zone is probably wrong", text
            )
        else:
            log.info("PVOutput refused the status of %s: %s", wall, text)
        if self._parts:
            self._bad += 1
            if self._bad > _MOST_BAD:
                log.warning("too many bad statuses in one batch: the backlog rests for an hour")
                self._parts = []
                self._backlog_at = now + _BAD_PAUSE

    def _split(self, entries: Sequence[Entry]) -> None:
        """Take a refused batch apart until the bad record stands alone."""
        starts = [entry.record.start for entry in entries]
        if self.next_part() == starts:
            self._parts.pop()
        else:
            self._parts, self._bad = [], 0
        half = (len(starts) + 1) // 2
        self._parts += [starts[half:], starts[:half]]

    def _done(self, entries: Sequence[Entry]) -> None:
        """Strike records off the part that is being sent."""
        gone = {entry.record.start for entry in entries}
        if self._parts and set(self._parts[-1]) <= gone:
            self._parts.pop()

    def _warn(self, what: str, text: str) -> None:
        """Warn once for each kind of words; what they are about stands in brackets."""
        kind = re.sub(r"\[.*?\]", "", text)
        if kind not in self._warned and len(self._warned) < _MOST_WARNINGS:
            self._warned.add(kind)
            log.warning("%s: %s", what, text)


def _date_in(text: str) -> str | None:
    """Find the date that PVOutput quotes: ``Date is older than 14 days [20260301]``."""
    match = re.search(r"\[(\d{8})\]", text)
    return match[1] if match else None
