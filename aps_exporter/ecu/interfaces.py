"""What a poller asks of an ECU, over either interface, and how it comes to the other one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from aps_exporter.deadline import Deadline
from aps_exporter.errors import (
    EcuError,
    EcuPageError,
    EcuStatus,
    EcuTimeoutError,
    EcuUnreachableError,
    PageFault,
    TargetError,
)
from aps_exporter.model import EcuInfo, Interface, Table

__all__ = ["Answer", "EcuInterface", "WebThenTcp"]

LOST_S: Final = 600.0
"""Pages that were there may be refused for so long, as an ECU restarts, before TCP is tried."""
FIRST_PAUSE_S: Final = 300.0
LONGEST_PAUSE_S: Final = 1800.0
"""How long TCP is used before the pages are looked for again: doubled each time."""
PAGE_FAULTS: Final[Mapping[EcuStatus, PageFault]] = {
    "page_gone": "page_gone",
    "page_unrecognised": "page_unrecognised",
    "page_truncated": "page_truncated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an ECU answered in one poll."""

    source: str
    """The URL of the table page, or ``tcp://host:port``."""
    interface: Interface
    read_at: datetime
    """Our clock, UTC, when the table had arrived."""
    table: Table
    ecu: EcuInfo | None = None
    home_error: str | None = None
    """Why the ECU said nothing about itself."""
    glitches: Mapping[str, int] = field(default_factory=dict)
    """Kind → values left out because they are impossible."""
    detour: str | None = None
    """Why the pages were not used, if they are what should be."""


class EcuInterface(Protocol):
    """A way to ask an ECU; called by one thread at a time."""

    def poll(self, deadline: Deadline, patience: Deadline) -> Answer:
        """Ask for the table, and until `patience` ends for all else; raises `EcuError`."""

    def day_curve(self, deadline: Deadline) -> bytes:
        """Get the JSON of today's power curve, which php pages have; raises `EcuError`."""

    def up(self) -> Mapping[str, bool]:
        """Say of ``web`` and ``tcp`` whether it answered when it was last asked, if it ever was."""

    def resting(self) -> bool:
        """Say whether this is the hour at which it is known not to answer."""


class Pages(EcuInterface, Protocol):
    """An interface of which one can tell whether it is there at all."""

    def listens(self, deadline: Deadline) -> None:
        """Find out whether there is a web server, however slow; raises `EcuError` if not."""


@dataclass(slots=True, kw_only=True)
class WebThenTcp:
    """The pages as long as there are any, else TCP, within the same poll.

    The TCP port is left alone while the pages work, for some ECUs hang when it is asked too often.
    A slow page is no reason to leave it, nor is one cut off: only that it is gone, or that it was
    never there. Then TCP is remembered, and the pages are looked for now and then.
    """

    web: Pages
    tcp: EcuInterface
    monotonic: Callable[[], float] = time.monotonic
    _seen: float = field(default=-math.inf, init=False)
    """When the pages last worked."""
    _detour: str | None = field(default=None, init=False)
    """Why TCP is used; ``None``: the pages are."""
    _due: float = field(default=0.0, init=False)
    """When the pages are to be looked for again."""
    _pause_s: float = field(default=FIRST_PAUSE_S, init=False)
    _answered: bool = field(default=False, init=False)
    """Whether anybody ever listened there: who did is slow when it is silent, and not absent."""

    def poll(self, deadline: Deadline, patience: Deadline) -> Answer:
        """Poll the interface that works, and the other one if it doesn't; raises `EcuError`."""
        if self._detour is not None and self.monotonic() < self._due:
            return self._tcp_first(deadline, patience)
        try:
            half = Deadline.after(deadline.remaining() / 2)
            if not self._answered:
                self.web.listens(half)
                self._answered = True
            return self._ask_web(deadline if self._detour is None else half, patience)
        except EcuError as error:
            if not self._gives_way(error):
                raise
            return self._tcp_instead(error, deadline, patience)

    def day_curve(self, deadline: Deadline) -> bytes:
        """Get the page's curve; raises `EcuError`."""
        return self.web.day_curve(deadline)

    def up(self) -> Mapping[str, bool]:
        """Say which of both answered when it was last asked."""
        return {**self.web.up(), **self.tcp.up()}

    def resting(self) -> bool:
        """Say whether the interface in use is."""
        return (self.web if self._detour is None else self.tcp).resting()

    def _tcp_first(self, deadline: Deadline, patience: Deadline) -> Answer:
        try:
            return replace(self.tcp.poll(deadline, patience), detour=self._detour)
        except EcuError as error:
            self._due = self.monotonic()
            try:
                return self._ask_web(deadline, patience)
            except EcuError as web_error:
                raise _joined(error, f"{error}; its pages: {web_error}") from error

    def _tcp_instead(self, web_error: EcuError, deadline: Deadline, patience: Deadline) -> Answer:
        if deadline.remaining() == 0:
            raise web_error
        try:
            answer = self.tcp.poll(deadline, patience)
        except TargetError as error:
            raise web_error from error  # a stranger's target, whose TCP port isn't allowed
        except EcuError as error:
            if self._detour is not None:
                raise _joined(error, f"{error}; its pages: {web_error}") from error
            cause = error.__cause__ or error  # who may not even have this port needs no advice
            raise _joined(
                _telling(web_error, error),
                f"{web_error}, also over TCP"
                if str(cause) == str(web_error)
                else f"{web_error}; over TCP: {cause}",
            ) from web_error
        self._detour, self._due = str(web_error), self.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        return replace(answer, detour=self._detour)

    def _ask_web(self, deadline: Deadline, patience: Deadline) -> Answer:
        answer = self.web.poll(deadline, patience)
        self._seen, self._detour, self._pause_s = self.monotonic(), None, FIRST_PAUSE_S
        return answer

    def _gives_way(self, error: EcuError) -> bool:
        """Say whether the pages are gone or were never there, as far as this error tells."""
        if self._detour is not None or error.status in ("page_gone", "page_unrecognised"):
            return True
        if error.status == "unreachable":
            return self.monotonic() - self._seen >= LOST_S
        return error.status == "timeout" and not self._answered


def _telling(web_error: EcuError, tcp_error: EcuError) -> EcuError:
    """Choose the error of an ECU that answered at all, or else of one that is slow."""
    if web_error.status in PAGE_FAULTS or tcp_error.status == "unreachable":
        return web_error
    return tcp_error


def _joined(leading: EcuError, text: str) -> EcuError:
    """Make an error of the leading one's kind."""
    if leading.status in PAGE_FAULTS:
        return EcuPageError(text, PAGE_FAULTS[leading.status])
    return EcuTimeoutError(text) if leading.status == "timeout" else EcuUnreachableError(text)
