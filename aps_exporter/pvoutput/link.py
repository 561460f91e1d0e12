"""The line to PVOutput: quota, pace and pauses, and the answers that are about these."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aps_exporter.errors import PVOutputError
from aps_exporter.pvoutput.answers import Answer, Verdict, classify
from aps_exporter.pvoutput.budget import Budget
from aps_exporter.pvoutput.outbox import Outbox
from aps_exporter.pvoutput.status import Tally

__all__ = ["Link", "Reply", "said"]

log = logging.getLogger(__name__)

_PROBE: Final = timedelta(hours=1)
_OK: Final = 200
_WORDS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, and what it means for what was sent."""

    verdict: Verdict | None
    """``None``: nothing, it was about the line."""
    text: str
    words: str
    """As much of the text as a person wants to read; never empty."""
    answered: bool
    """PVOutput said something, be it that it is out of order."""


class Link:
    """One conversation at a time, with the quota and the pauses of earlier lives."""

    def __init__(
        self,
        outbox: Outbox,
        tally: Tally,
        *,
        now: Callable[[], datetime],
        luck: random.Random,
    ) -> None:
        """Credentials that were refused in an earlier life are tried anew."""
        self.budget = Budget.restored(outbox.note("budget"))
        self.suspended_until: datetime | None = None
        """The credentials were refused; a probe goes out then."""
        self._outbox = outbox
        self.tally = tally
        self._now = now
        self._luck = luck
        self._failing_since: datetime | None = None

    def ready_at(self, now: datetime) -> datetime:
        """Tell when any request may go out."""
        ready = self.budget.ready_at(now)
        if self.suspended_until is None or self.suspended_until > now + _PROBE:
            return ready
        return max(ready, self.suspended_until)

    def exhausted_until(self, now: datetime, interval: int, *, backlog: bool) -> datetime | None:
        """Tell until when the quota is used up for this kind of request."""
        return self.budget.exhausted_until(now, backlog=backlog, interval=interval, luck=self._luck)

    def ask(self, call: Callable[[], Answer], *, backlog: bool = False) -> Reply:
        """Make one request, which is on the books before it goes out."""
        self.budget.count(self._now(), backlog=backlog)
        self._keep()
        began = time.perf_counter()
        try:
            answer = call()
        except PVOutputError as error:
            answer = Answer(status=0, text=str(error))
        self.tally.requests += 1
        self.tally.request_seconds += time.perf_counter() - began
        now = self._now()
        self.budget.learn(answer.rate, now)
        held, failures = self.budget.hold_until, self.budget.failures
        reply = Reply(
            verdict=self._about_records(answer, now),
            text=answer.text,
            words=said(answer),
            answered=answer.status >= _OK and not (answer.html and answer.status == _OK),
        )
        if (held, failures) != (self.budget.hold_until, self.budget.failures):
            self._keep()
        return reply

    def failed(self, text: str) -> None:
        """Pause after something that may pass."""
        self._fail(text, self._now())
        self._keep()

    def _fail(self, text: str, now: datetime) -> None:
        if self._failing_since is None:
            self._failing_since = now
            log.warning("PVOutput doesn't take statuses, they are kept: %s", text)
        self.budget.failed(now, self._luck)

    def suspend(self, text: str) -> None:
        """Stop until the owner acts, but for a probe each hour."""
        if self.suspended_until is None:
            log.error("PVOutput refuses the credentials, statuses are kept: %s", text)
        self.tally.auth_ok = False
        self.suspended_until = self._now() + _PROBE

    def _about_records(self, answer: Answer, now: datetime) -> Verdict | None:
        """Deal with what is about the line; gives what remains, about the records."""
        verdict = classify(answer)
        match verdict:
            case Verdict.TRANSIENT:
                self._fail(said(answer), now)
            case Verdict.LOADING:
                self.budget.still_loading(now, self._luck)
            case Verdict.TOO_FAST:
                self.budget.slow_down(now)
            case Verdict.RATE_LIMIT:
                log.warning("PVOutput's quota is used up, statuses are kept: %s", said(answer))
                self.budget.rate_limited(now, self._luck)
            case Verdict.CONFIG:
                self.suspend(said(answer))
            case _:
                self._works(now)
                return verdict
        return None

    def _works(self, now: datetime) -> None:
        """Note that PVOutput answers and knows us, whatever it says about the records."""
        if self.suspended_until is not None:
            log.warning("PVOutput accepts the credentials again")
            self.suspended_until = None
        if self._failing_since is not None:
            log.warning("PVOutput answers again after %s", now - self._failing_since)
            self._failing_since = None
        self.tally.auth_ok = True
        self.budget.succeeded()

    def _keep(self) -> None:
        self._outbox.write_note("budget", self.budget.kept())


def said(answer: Answer, most: int = _WORDS) -> str:
    """Put an answer in words for people, cut to a length that logs and files can bear."""
    if answer.html:
        return f"a page for people, status {answer.status}"
    text = answer.text or f"status {answer.status}, without a word"
    return text if len(text) <= most else f"{text[:most]}…"
