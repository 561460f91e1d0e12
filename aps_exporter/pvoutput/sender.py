"""Sends what waits in the outbox: one request a step, the newest slot first, then the backlog."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Final

from aps_exporter.pvoutput.answers import Answer, Verdict
from aps_exporter.pvoutput.client import Service
from aps_exporter.pvoutput.link import Link
from aps_exporter.pvoutput.outbox import Outbox
from aps_exporter.pvoutput.reactions import Reactions
from aps_exporter.pvoutput.records import form, line
from aps_exporter.pvoutput.rows import Entry
from aps_exporter.pvoutput.site import Site
from aps_exporter.pvoutput.system import parse_system

__all__ = ["Sender"]

log = logging.getLogger(__name__)

_TIDY: Final = timedelta(minutes=10)
_SYSTEM_DAILY: Final = timedelta(days=1)
_SYSTEM_AT_START: Final = timedelta(hours=1)
_SYSTEM_RETRY: Final = timedelta(minutes=15)
_LIVE_SLOTS: Final = 3
"""For how many intervals after its start a slot counts as news."""
_LOOK: Final = 300
"""Records among which the parts of a split batch are: some before them may go alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one request will carry."""

    entries: tuple[Entry, ...]
    backlog: bool


class Sender:
    """Knows what to send next; `Link` knows whether it may, `Reactions` what the answer means."""

    def __init__(
        self,
        outbox: Outbox,
        service: Service,
        link: Link,
        site: Site,
        *,
        now: Callable[[], datetime],
    ) -> None:
        """Take up where an earlier life stopped."""
        self._outbox = outbox
        self._service = service
        self._link = link
        self._site = site
        self._now = now
        self._reactions = Reactions(outbox, site, link.tally)
        self._tidy_at: datetime | None = None
        asked = outbox.note("asked").get("at")
        self._system_at: datetime | None = None
        self._starting = True
        """The first getsystem tries the credentials, so it needn't wait for something to send."""
        if isinstance(asked, int | float):
            self._system_at = datetime.fromtimestamp(asked, UTC) + _SYSTEM_AT_START

    def step(self) -> datetime | None:
        """Send at most one request; gives when to come again, ``None``: when there is news."""
        now = self._now()
        self._tidy(now)
        ready = self._link.ready_at(now)
        if ready > now:
            return ready
        waits = []
        for backlog, send in self._choices(now):
            wait = self._link.exhausted_until(now, self._site.interval, backlog=backlog)
            if wait is None:
                send()
                return self._link.ready_at(self._now())
            waits.append(wait)
        waits += filter(None, [self._outbox.next_try(), self._reactions.backlog_held(now)])
        return min((wait for wait in waits if wait > now), default=None)

    def _choices(self, now: datetime) -> Iterator[tuple[bool, Callable[[], None]]]:
        """Give whether it can wait, and how to do it, for all that could be sent; urgent first."""
        if self._link.suspended_until is not None:
            oldest = tuple(self._outbox.due(now, most=1))
            probe = Job(entries=oldest, backlog=False)
            yield False, partial(self._send, probe) if oldest else self._ask_system
            return
        if self._system_due(now):
            yield False, self._ask_system
        for job in self._jobs(now):
            yield job.backlog, partial(self._send, job)

    def _jobs(self, now: datetime) -> Iterator[Job]:
        """Give what waits, most urgent first.

        With energy a day goes out in order, for PVOutput wants it never to fall; without, news
        comes before the backlog.
        """
        newest = self._outbox.due(now, newest_first=True, most=1)
        if not newest:
            return
        live = tuple(entry for entry in newest if self._is_news(entry.record.start, now))
        in_order = self._site.policy.energy != "none"
        if live and not in_order:
            yield Job(entries=live, backlog=False)
        backlog = self._backlog(now)
        if self._reactions.backlog_held(now) is None:
            yield Job(entries=backlog, backlog=backlog != live)
        if live and in_order:
            yield Job(entries=live, backlog=False)

    def _is_news(self, start: datetime, now: datetime) -> bool:
        """Say whether a slot is recent, and PVOutput has none that is newer."""
        told = self._link.tally.last_sent_slot
        fresh = now < start + _LIVE_SLOTS * timedelta(minutes=self._site.interval)
        return fresh and (told is None or start > told)

    def _backlog(self, now: datetime) -> tuple[Entry, ...]:
        """Give the next part of a batch that is taken apart, else the oldest that go together."""
        split = bool(self._reactions.next_part())
        due = self._outbox.due(now, most=_LOOK if split else self._reactions.batch_size)
        while part := self._reactions.next_part():
            chosen = tuple(entry for entry in due if entry.record.start in part)
            if chosen:
                return chosen
            self._reactions.skip_part()
        if due[0].alone:
            return (due[0],)
        kind = due[0].record.lifetime
        batch = takewhile(lambda e: not e.alone and e.record.lifetime == kind, due)
        return tuple(batch)[: self._reactions.batch_size]

    def _send(self, job: Job) -> None:
        self._link.tally.uploads += 1
        entries = job.entries
        reply = self._link.ask(lambda: self._call(entries), backlog=job.backlog)
        now = self._now()
        if reply.verdict is Verdict.OK:
            if self._reactions.stored(entries, reply.text, now):
                return
            self._link.failed(f"its answer to a batch can't be read: {reply.words}")
        elif reply.verdict is not None and not self._reactions.refused(
            entries, reply.verdict, reply.words, now
        ):
            self._link.suspend(reply.words)
        self._link.tally.upload_failures += 1
        self._outbox.say(entries, reply.words)

    def _call(self, entries: tuple[Entry, ...]) -> Answer:
        zone, fields = self._site.zone, self._site.fields
        if len(entries) == 1:
            return self._service.add_status(form(entries[0].record, zone, fields))
        lines = [line(entry.record, zone, fields) for entry in entries]
        return self._service.add_batch(lines, lifetime=entries[0].record.lifetime)

    def _system_due(self, now: datetime) -> bool:
        """Ask at the start, and then once a day if there is something to send anyway."""
        if self._system_at is not None and self._system_at - _SYSTEM_DAILY <= now < self._system_at:
            return False
        return self._starting or self._outbox.next_try() is not None

    def _ask_system(self) -> None:
        """Ask how the owner set up the system; without an answer that helps, defaults serve."""
        reply = self._link.ask(self._service.get_system)
        now = self._now()
        self._starting = self._starting and not reply.answered
        self._system_at = now + _SYSTEM_RETRY
        if reply.verdict is Verdict.OK:
            known = self._site.learn(parse_system(reply.text), now)
            self._outbox.write_note("system", known)
            self._outbox.write_note("asked", {"at": now.timestamp()})
            self._system_at = now + _SYSTEM_DAILY
        elif reply.answered and self._link.suspended_until is None:
            self._site.settled = True  # PVOutput knows us, and will not say more

    def _tidy(self, now: datetime) -> None:
        """Drop what is too old or too much, now and then."""
        if self._tidy_at is not None and self._tidy_at - _TIDY <= now < self._tidy_at:
            return
        self._tidy_at = now + _TIDY
        expired, overflow = self._outbox.tidy(now, now - self._site.longest_wait)
        self._link.tally.count("expired", expired)
        self._link.tally.count("overflow", overflow)
        if expired or overflow:
            log.warning("%d statuses were too old, %d too many: lost", expired, overflow)
