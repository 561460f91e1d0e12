"""From sweeps to records: closes slots, and decides which of their records are worth sending."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aps_exporter.pvoutput.energy import DayGuard, LifetimeGuard
from aps_exporter.pvoutput.outbox import Outbox
from aps_exporter.pvoutput.records import Record, record_of, too_much_power
from aps_exporter.pvoutput.site import Site
from aps_exporter.pvoutput.slots import Sample, label, slot_start
from aps_exporter.pvoutput.status import Tally

__all__ = ["Builder"]

log = logging.getLogger(__name__)


class Builder:
    """Turns the outbox's sweeps into its records."""

    def __init__(self, outbox: Outbox, site: Site, tally: Tally, *, grace: timedelta) -> None:
        """Take `grace`: how long after its end a slot is closed."""
        self._outbox = outbox
        self._site = site
        self._tally = tally
        self._grace = grace
        self._newest: datetime | None = None
        kind = LifetimeGuard if site.policy.energy == "lifetime" else DayGuard
        self._guard: DayGuard | LifetimeGuard = kind.restored(outbox.note("energy"))

    def close(self, now: datetime) -> datetime | None:
        """Build the records of all slots that are over; gives when the next one will be.

        A sweep may come late, for the page shows it only when all inverters have been asked: its
        slot is then built again. Nothing is built before it is known how long slots are.
        """
        if not self._site.settled:
            return None
        length = timedelta(minutes=self._site.interval)
        zone = self._site.zone
        starts = {
            slot_start(sample.at, zone, self._site.interval)
            for sample in self._outbox.open_samples()
        }
        for start in sorted(starts):
            if now < start + length + self._grace:
                return start + length + self._grace
            self._build(start, start + length)
        return None

    def fill(self, curve: Sequence[Sample], now: datetime) -> int:
        """Make records of the ECU's own power curve for slots that nobody measured; counts them."""
        length = timedelta(minutes=self._site.interval)
        zone = self._site.zone
        slots: dict[datetime, list[Sample]] = {}
        for sample in curve:
            slots.setdefault(slot_start(sample.at, zone, self._site.interval), []).append(sample)
        filled = 0
        for start, samples in sorted(slots.items()):
            today = label(start, zone)[0] == label(now, zone)[0]
            over = now >= start + length + self._grace
            if today and over and not self._outbox.has_own(start, start + length):
                filled += self._keep(record_of(start, samples, "ecu"), None)
        return filled

    def _build(self, start: datetime, end: datetime) -> None:
        samples = self._outbox.samples_within(start, end)
        record = record_of(start, samples)
        energy_wh = self._energy(start, samples[-1])
        if energy_wh is not None:
            lifetime = self._site.policy.energy == "lifetime"
            record = replace(record, energy_wh=round(energy_wh), lifetime=lifetime)
        self._keep(record, end)

    def _energy(self, start: datetime, sample: Sample) -> float | None:
        """Read the counter at the slot's end, unless a guard objects or a later slot has told."""
        wish = self._site.policy.energy
        if wish == "none" or (self._newest is not None and start < self._newest):
            return None
        self._newest = start
        energy_wh = sample.energy_today_wh if wish == "daily" else sample.energy_lifetime_wh
        if energy_wh is None:
            return None
        day = sample.at.astimezone(self._site.zone).date()
        passed = self._guard.passed(day, energy_wh)
        self._outbox.write_note("energy", self._guard.kept())
        return passed

    def _keep(self, record: Record, built_until: datetime | None) -> bool:
        """Put the record where it belongs: with those to send, the night's zeros, or the dead."""
        refusal = too_much_power(record.power_w, self._site.system.size_w)
        night = refusal is None and record.power_w == 0 and not self._closes_the_curve(record)
        kept = self._outbox.put(
            record,
            state="dead" if refusal else "skipped" if night else "pending",
            built_until=built_until,
            error=refusal or "",
        )
        if kept and refusal:
            self._tally.count("rejected_local")
            log.warning("slot %s %s", " ".join(label(record.start, self._site.zone)), refusal)
        elif kept and night:
            self._tally.count("skipped_night")
        return kept and not night and not refusal

    def _closes_the_curve(self, record: Record) -> bool:
        """Say whether a zero tells something: only the first after some power on the same day."""
        before = self._outbox.before(record.start)
        zone = self._site.zone
        return (
            before is not None
            and before.power_w > 0
            and label(before.start, zone)[0] == label(record.start, zone)[0]
        )
