"""The forwarder put together: readings in, statuses out, without threads or sleep of its own."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aps_exporter.pvoutput.backfill import Backfill
from aps_exporter.pvoutput.builder import Builder
from aps_exporter.pvoutput.client import Service
from aps_exporter.pvoutput.link import Link
from aps_exporter.pvoutput.outbox import Outbox
from aps_exporter.pvoutput.policy import Policy
from aps_exporter.pvoutput.rows import SCRIPTS
from aps_exporter.pvoutput.sampler import Sampler
from aps_exporter.pvoutput.sender import Sender
from aps_exporter.pvoutput.site import Site, host_zone
from aps_exporter.pvoutput.status import Snapshot, Tally
from aps_exporter.pvoutput.store import Store
from aps_exporter.summary import Summary

__all__ = ["Forwarder"]

log = logging.getLogger(__name__)

_STANDBY: Final = timedelta(minutes=1)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Forwarder:
    """Three moves, each safe to be killed in: `take` a reading, `close` slots, `send` a request.

    The first two belong to one thread, the third may be another's.
    """

    def __init__(  # noqa: PLR0913  a rim: everything that varies comes in here
        self,
        *,
        state_dir: Path,
        system_id: str,
        service: Service,
        policy: Policy,
        fetch_curve: Callable[[], bytes] | None = None,
        now: Callable[[], datetime] = _utc_now,
        luck: random.Random | None = None,
        host: ZoneInfo | None = None,
        store: Store | None = None,
    ) -> None:
        """Open the outbox in `state_dir`.

        `fetch_curve` gets the ECU's page `old_power_graph` and may raise `EcuError`.
        """
        luck = luck or random.Random()  # noqa: S311  spreads load, guards nothing
        self._now = now
        self._store = store or Store(state_dir, "outbox", SCRIPTS, now=now)
        self.outbox = Outbox(self._store, system_id)
        self.site = Site(policy, self.outbox.note("system"), host or host_zone())
        self._tally = Tally()
        self._link = Link(self.outbox, self._tally, now=now, luck=luck)
        self._sender = Sender(self.outbox, service, self._link, self.site, now=now)
        self._sampler = Sampler(self.outbox)
        grace = timedelta(seconds=luck.uniform(10, 40))  # not everybody at the full minute
        self._builder = Builder(self.outbox, self.site, self._tally, grace=grace)
        self._backfill = None
        if fetch_curve is not None and policy.backfill_from_ecu:
            self._backfill = Backfill(fetch_curve, self._builder, self.site)
        self._standby = False
        self._snapshot = Snapshot()

    def take(self, summary: Summary) -> bool:
        """Keep what a reading tells, and fill the gap before it; false if it is nothing new."""
        if not self._active():
            return False
        self.site.hear_ecu(summary.reading.timezone)
        news = self._sampler.take(summary)
        if self._backfill is not None:
            now = self._now()
            self._backfill.hear(summary.reading, now)
            if news and self._sampler.last is not None:
                self._backfill.swept(self._sampler.last.at, now)
            if self.site.settled:
                self._backfill.step(summary.reading, now)
        return news

    def close(self) -> datetime | None:
        """Close the slots that are over; gives when the next one will be."""
        return self._builder.close(self._now()) if self._active() else None

    def send(self) -> datetime | None:
        """Send at most one request; gives when to come again, ``None``: when there is news."""
        if not self._active():
            return self._now() + _STANDBY
        wake = self._sender.step()
        self._observe()
        return wake

    def snapshot(self) -> Snapshot:
        """Tell how things stood after the last step; takes no lock and asks nobody."""
        return self._snapshot

    def shut(self) -> None:
        """Close the outbox; everything known is in it."""
        self._store.close()

    def _active(self) -> bool:
        """Be the only process that forwards from this outbox, or wait until it's free."""
        active = self.outbox.claim()
        if not active and not self._standby:
            log.warning("another process forwards from this outbox: standing by")
        self._standby = not active
        return active

    def _observe(self) -> None:
        counts, tally, budget = self.outbox.counts(), self._tally, self._link.budget
        known = budget.remaining is not None
        hold = self._link.ready_at(self._now())
        self._snapshot = Snapshot(
            active=not self._standby,
            uploads=tally.uploads,
            upload_failures=tally.upload_failures,
            records=dict(tally.records),
            queue_records=counts.pending,
            dead_records=counts.dead,
            queue_oldest=counts.oldest,
            last_success=tally.last_success,
            last_sent_slot=tally.last_sent_slot,
            rate_limit=budget.limit if known else None,
            rate_remaining=budget.remaining,
            rate_reset=datetime.fromtimestamp(budget.reset, UTC) if known else None,
            auth_ok=tally.auth_ok,
            donation=self.site.donation,
            timezone_agrees=self.site.agrees,
            requests=tally.requests,
            request_seconds=tally.request_seconds,
            hold_until=hold if hold > self._now() else None,
            outbox_on_disk=not self._store.in_memory,
            outbox_set_aside=self._store.set_aside,
        )
