"""Sends what waits in the outbox: one request a step, the newest slot first, then the backlog."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from aps_exporter.errors import PVOutputError
from aps_exporter.pvoutput.answers import Answer, Verdict, classify
from aps_exporter.pvoutput.budget import Budget
from aps_exporter.pvoutput.client import Service
from aps_exporter.pvoutput.outbox import Outbox
from aps_exporter.pvoutput.reactions import Reactions
from aps_exporter.pvoutput.records import form, line
from aps_exporter.pvoutput.rows import Entry
from aps_exporter.pvoutput.site import Site
from aps_exporter.pvoutput.status import Tally
from aps_exporter.pvoutput.system import parse_system

__all__ = ["Sender"]

log = logging.getLogger(__name__)

_TIDY: Final = timedelta(minutes=10)
_SYSTEM_AGAIN: Final = timedelta(days=1)
_SYSTEM_AT_START: Final = timedelta(hours=1)
_SYSTEM_RETRY: Final = timedelta(minutes=15)
_PROBE: Final = timedelta(hours=1)
_LIVE_SLOTS: Final = 3
"""For how many intervals after its start a slot counts as news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one request will carry."""

    entries: tuple[Entry, ...]
    backlog: bool

    @property
    def starts(self) -> list[datetime]:
        """The slots in it."""
        return [entry.record.start for entry in self.entries]


class Sender:
    """Knows what to send next, and when; `reactions` knows what answers mean for the records."""

    def __init__(  # noqa: PLR0913  a rim: everything that varies comes in here
        self,
        outbox: Outbox,
        service: Service,
        site: Site,
        tally: Tally,
        *,
        now: Callable[[], datetime],
        luck: random.Random,
    ) -> None:
        """Take up where an earlier life stopped; its credentials are tried anew."""
        self._outbox = outbox
        self._service = service
        self._site = site
        self._tally = tally
        self._now = now
        self._luck = luck
        self.budget = Budget.restored(outbox.note("budget"))
        self.suspended_until: datetime | None = None
        """Credentials were refused: no request before, one probe then."""
        self._reactions = Reactions(outbox, site, tally)
        self._tidy_at: datetime | None = None
        asked = outbox.note("asked").get("at")
        asked_at = datetime.fromtimestamp(asked, now().tzinfo) if isinstance(asked, float) else None
        self._system_at = now() if asked_at is None else asked_at + _SYSTEM_AT_START
        self._started = False
        """A first getsystem is due even if nothing waits: it tries the credentials."""
        self._failing_since: datetime | None = None

    def step(self) -> datetime | None:
        """Send at most one request; gives when to come again, ``None``: when there is news."""
        now = self._now()
        self._tidy(now)
        ready = self.budget.ready_at(now)
        if self.suspended_until is not None:
            ready = max(ready, min(self.suspended_until, now + _PROBE))
        if ready > now:
            return ready
        if self._system_due(now):
            return self._when_free(now, self._ask_system, backlog=False)
        waits = []
        for job in self._jobs(now):
            wait = self.budget.exhausted_until(
                now, backlog=job.backlog, interval=self._site.interval, luck=self._luck
            )
            if wait is None:
                return self._send(job, now)
            waits.append(wait)
        waits += filter(None, [self._outbox.next_try()])
        later = [wait for wait in waits if wait > now]
        return min(later, default=None)

    def _when_free(
        self, now: datetime, ask: Callable[[datetime], None], *, backlog: bool
    ) -> datetime:
        wait = self.budget.exhausted_until(
            now, backlog=backlog, interval=self._site.interval, luck=self._luck
        )
        if wait is not None:
            return wait
        ask(now)
        return self.budget.ready_at(self._now())

    def _jobs(self, now: datetime) -> Iterator[Job]:
        """Give what could be sent, most urgent first.

        With energy the day goes out in order, for PVOutput wants it never to fall; without, news
        comes first.
        """
        newest = self._outbox.due(now, newest_first=True, most=1)
        if not newest:
            return
        news_until = newest[0].record.start + _LIVE_SLOTS * timedelta(minutes=self._site.interval)
        live = newest[0] if now < news_until else None
        if self.suspended_until is not None:
            yield Job(entries=tuple(self._outbox.due(now, most=1)), backlog=False)
            return
        alone = [Job(entries=(live,), backlog=False)] if live is not None else []
        in_order = self._site.policy.energy != "none"
        if not in_order:
            yield from alone
        backlog = self._backlog(now)
        if backlog and not self._reactions.backlog_held(now):
            yield Job(entries=backlog, backlog=backlog != (live,))
        if in_order:
            yield from alone

    def _backlog(self, now: datetime) -> tuple[Entry, ...]:
        """Give the part of a bisected batch that is next, else the oldest that go together."""
        due = self._outbox.due(now)
        part = self._reactions.next_part()
        chosen = [entry for entry in due if entry.record.start in part]
        if chosen:
            return tuple(chosen)
        if due[0].alone:
            return (due[0],)
        kind = due[0].record.lifetime
        batch = takewhile(lambda e: not e.alone and e.record.lifetime == kind, due)
        return tuple(batch)[: self._reactions.batch_size]

    def _send(self, job: Job, now: datetime) -> datetime:
        self.budget.count(now, backlog=job.backlog)
        self._keep_budget()
        self._tally.uploads += 1
        answer = self._request(lambda: self._call(job))
        now = self._now()
        verdict = self._general(answer, now)
        if verdict is Verdict.OK and self._reactions.stored(job.entries, answer, now):
            self._worked(now)
        else:
            self._tally.upload_failures += 1
            if verdict is Verdict.OK:
                self._failed(answer, now)
            elif verdict is not None and self._reactions.refused(
                job.entries, verdict, answer.text, now
            ):
                self._answered(now)
            elif verdict is not None:
                self._suspend(answer, now)
            self._outbox.say(job.starts, answer.text)
        self._keep_budget()
        return self.budget.ready_at(now)
