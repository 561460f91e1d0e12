"""Says in the log what changed about an ECU, once, and not at each poll all night."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from aps_exporter.errors import EcuError
from aps_exporter.model import Reading

__all__ = ["Journal", "clock_notice", "stale_notice"]

HALF_HOUR_S: Final = 1800.0

log: Final = logging.getLogger("aps_exporter.ecu")


@dataclass(slots=True)
class Journal:
    """Remembers what was said of one ECU."""

    ecu: str
    """The address, as people know it."""
    _gone_since: float | None = field(default=None, init=False)
    _said: dict[str, str | None] = field(default_factory=dict, init=False)

    def failed(self, error: EcuError, monotonic: float, *, resting: bool = False) -> None:
        """Say that the ECU went, if it was there; one that is known to rest now is no cause."""
        if self._gone_since is None:
            self._gone_since = monotonic
            level = logging.INFO if resting else logging.WARNING
            log.log(level, "ECU %s is gone: %s", self.ecu, error)

    def succeeded(self, reading: Reading, monotonic: float, *, detour: str | None = None) -> None:
        """Say that the ECU is back, and what is new and odd about what it says.

        `detour`: why its pages were not used, though they are what should be.
        """
        if self._gone_since is not None:
            log.info("ECU %s is back after %s", self.ecu, span(monotonic - self._gone_since))
            self._gone_since = None
        self._change(
            "detour",
            detour and f"it is read over TCP, as its pages can't be: {detour}",
            "its pages can be read again, and are",
        )
        self._change("home", _home_notice(reading), f"its {_home(reading)} can be read again")
        self._change("clock", clock_notice(reading), "its clock and zone agree")
        if reading.inverters:  # an empty table at night is not yet a report
            self._change("stale", stale_notice(reading), "it reports again")
        self._change("cells", _cells_notice(reading), "all cells are understood again")

    def _change(self, topic: str, notice: str | None, over: str) -> None:
        """Log a notice when it appears and when it is over, not while it stays."""
        before = self._said.get(topic)
        self._said[topic] = notice
        if notice is not None and before is None:
            log.warning("ECU %s: %s", self.ecu, notice)
        elif notice is None and before is not None:
            log.info("ECU %s: %s", self.ecu, over)


def stale_notice(reading: Reading) -> str | None:
    """Say why a roof that is on the page shows no power; ``None`` if anything is about now."""
    newest = reading.newest_report
    if newest is None or not any(i.stale for i in reading.inverters):
        return None
    if any(i.online for i in reading.inverters):
        return None
    return f"it repeats its rows of {newest}; as they are old, no power is shown"


def span(seconds: float) -> str:
    """Write a time span for people: ``45 s``, ``12 min``, ``3 h 5 min``."""
    whole, minutes = round(seconds), round(seconds / 60)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def _home_notice(reading: Reading) -> str | None:
    return reading.home_error and f"its {_home(reading)} can't be read: {reading.home_error}"


def _home(reading: Reading) -> str:
    return "home page" if reading.interface != "tcp" else "answer about itself"


def clock_notice(reading: Reading) -> str | None:
    """Say what is wrong with the ECU's clock or zone; ``None`` if nothing is known to be."""
    error_s = reading.clock_error_s
    if reading.newest_report is not None and reading.timezone is None:
        return (
            "its time zone is not known, so the age of its rows can't be told until they move; "
            "configure timezone"
        )
    if not error_s and (reading.clock_offset_s or 0.0) > HALF_HOUR_S:
        return (
            f"its rows of {reading.newest_report} lie in the future: its clock or zone is wrong, "
            "and their age can't be told until they move"
        )
    if not error_s:
        return None
    way = "ahead of" if error_s > 0 else "behind"
    return (
        f"its clock is {span(abs(error_s))} {way} zone {reading.timezone}: one of them is wrong; "
        "reporting times are corrected by that"
    )


def _cells_notice(reading: Reading) -> str | None:
    cells = (*reading.unreadable, *(reading.ecu.unreadable if reading.ecu else ()))
    if cells:
        first = cells[0]
        return (
            f"{len(cells)} cells are not understood, the first is {first.text!r} "
            f"({first.column} of {first.row})"
        )
    if reading.duplicate_rows:
        return f"{reading.duplicate_rows} rows repeat an id; the first row of each counts"
    return None
