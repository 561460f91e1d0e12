"""How an ECU looks at this moment to somebody who opens its page: the facts, and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from aps_exporter.ecu.journal import clock_notice
from aps_exporter.errors import EcuError
from aps_exporter.history import zone_of
from aps_exporter.station import Station
from aps_exporter.summary import Summary
from aps_exporter.sun import DAYLIGHT_DEG, Place
from aps_exporter.web.contract import Level

__all__ = ["Look", "daylight", "look_at"]

MORNING_H: Final = 9
EVENING_H: Final = 16
"""Where the place isn't known, a roof that sleeps outside of these hours may do so."""
FIRST_FAILURES: Final = timedelta(minutes=5)
"""ECUs miss a poll now and then; that alone is not yet bad."""
MOST_NAMES: Final = 4

_ALL: Final = {1: "The one panel reports.", 2: "Both panels report."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known of an ECU."""

    now: datetime
    """In the ECU's zone."""
    summary: Summary | None
    """Its newest answer, which may be from before the last poll; ``None``: none yet."""
    failure: EcuError | None
    """How the last poll failed."""
    faded: bool
    """The answer is so old that it says nothing about now."""
    sun_elevation_deg: float | None
    """Where the place is known."""
    last_reports: Mapping[str, datetime]
    """Serial → the last time that the ECU named for it, on its wall clock."""
    received: int
    """Panels that report now."""
    missing: int
    """Panels that should."""

    @property
    def current(self) -> Summary | None:
        """The newest answer, if it is about now."""
        return None if self.faded else self.summary

    @property
    def status(self) -> str:
        """How the last poll ended, as the metrics call it; `unknown` before the first."""
        if self.failure is not None:
            return self.failure.status
        if self.summary is None:
            return "unknown"
        return "ok" if self.summary.reading.inverters else "empty"

    @property
    def dim(self) -> bool:
        """Say whether sleep is no wonder at this hour."""
        if self.sun_elevation_deg is not None:
            return self.sun_elevation_deg < DAYLIGHT_DEG
        return not MORNING_H <= self.now.hour < EVENING_H

    @property
    def asleep(self) -> bool:
        """Say whether the whole roof is dark, and nobody needs to wonder."""
        return self.current is not None and not self.received and self.dim

    @property
    def age_s(self) -> int | None:
        """Tell how old the newest answer's numbers are."""
        if self.summary is None:
            return None
        reading = self.summary.reading
        newest = reading.newest_report
        reported_at = reading.utc(newest) if newest else None
        since = min(filter(None, (reading.read_at, reported_at)))
        return max(round((self.now - since).total_seconds()), 0)

    def iso(self, moment: datetime | None) -> str | None:
        """Write a moment as ISO 8601 in the ECU's zone."""
        local = moment and moment.astimezone(self.now.tzinfo)
        return local.isoformat(timespec="seconds") if local else None

    def reported(self, wall: datetime | None) -> str | None:
        """Write a time of the ECU's clock, corrected by what is known of its errors."""
        if wall is None or self.summary is None:
            return None
        return self.iso(self.summary.reading.utc(wall) or wall.replace(tzinfo=self.now.tzinfo))

    def clock(self, moment: datetime) -> str:
        """Write a moment for people, with its date if that isn't today's."""
        return self._wall(moment.astimezone(self.now.tzinfo))

    def judge(self) -> tuple[Level, str]:
        """Say how the ECU is: a level, and a sentence or two for people."""
        if self.failure is not None:
            return self._judge_failure(self.failure)
        if self.summary is None:
            return "warn", "The ECU has not been read yet."
        if self.faded:
            return (
                "warn",
                f"The ECU has not been read since {self.clock(self.summary.reading.read_at)}.",
            )
        level, sentence = self._judge_roof(self.summary)
        notice = clock_notice(self.summary.reading)
        if notice is None:
            return level, sentence
        if level == "good" and self.summary.reading.timezone is not None:
            level = "warn"
        return level, f"{sentence} About the ECU: {notice}."

    def _judge_failure(self, failure: EcuError) -> tuple[Level, str]:
        sentence = f"{str(failure)[:1].upper()}{str(failure)[1:]}."
        if self.summary is None:
            return "bad", f"{sentence} It has not answered since the exporter began."
        when = self.clock(self.summary.reading.read_at)
        if self.faded:
            return "bad", f"{sentence} It answered last at {when}."
        fresh = self.now - self.summary.reading.read_at < FIRST_FAILURES
        return "warn" if fresh else "bad", f"{sentence} What is shown is from {when}."

    def _judge_roof(self, summary: Summary) -> tuple[Level, str]:
        if not summary.reading.inverters:
            level: Level = "sleep" if self.dim else "warn"
            return level, (
                "The ECU answers, but its table is empty: it restarts each night at about one, "
                "and no inverter has reported since."
            )
        if self.received == 0:
            return self._judge_dark_roof(summary)
        if not self.missing:
            return "good", _ALL.get(self.received, f"All {self.received} panels report.")
        if self.dim:
            return "good", (
                f"{self.received} of {summary.expected} panels report; "
                "the others may be asleep, as the sun is low."
            )
        verb = "is" if self.missing == 1 else "are"
        return (
            "warn" if self.received >= self.missing else "bad",
            f"{self.missing} of {summary.expected} panels {verb} missing{_names(summary)}.",
        )

    def _judge_dark_roof(self, summary: Summary) -> tuple[Level, str]:
        newest = summary.reading.newest_report
        repeats = newest is not None and any(i.stale for i in summary.reading.inverters)
        if repeats and newest is not None:
            says = f"The ECU answers but repeats its {self._wall(newest)} rows"
            return ("sleep", f"{says}: it is asleep.") if self.dim else ("bad", f"{says}.")
        if self.dim:
            return "sleep", "The ECU answers, and no inverter reports: the roof is asleep."
        return "bad", "The ECU answers, but no inverter reports."

    def _wall(self, wall: datetime) -> str:
        """Write a time of the ECU's clock, with its date if that isn't today's."""
        return f"{wall:%H:%M}" if wall.date() == self.now.date() else f"{wall:%Y-%m-%d %H:%M}"


def look_at(station: Station) -> Look:
    """Look at what is known of an ECU; asks it nothing."""
    settings, last, summary = station.settings, station.last, station.history.latest
    zone: tzinfo | None = zone_of(summary.reading) if summary else None
    now = station.now().astimezone(zone)
    age_s = (now - summary.reading.read_at).total_seconds() if summary else 0.0
    faded = age_s > settings.stale_after
    received = summary.received if summary and not faded else 0
    place = _place(settings.latitude, settings.longitude)
    return Look(
        now=now,
        summary=summary,
        failure=last.result if last and isinstance(last.result, EcuError) else None,
        faded=faded,
        sun_elevation_deg=place.sun_elevation_deg(now) if place else None,
        last_reports=station.history.last_reports,
        received=received,
        missing=max(summary.expected - received, 0) if summary else 0,
    )


def daylight(station: Station, now: datetime) -> tuple[datetime | None, datetime | None] | None:
    """Give sunrise and sunset of today at the ECU; ``None`` if its place isn't known."""
    place = _place(station.settings.latitude, station.settings.longitude)
    if place is None:
        return None
    return _daylight(place, now.replace(hour=0, minute=0, second=0, microsecond=0))


@lru_cache(maxsize=256)
def _daylight(place: Place, midnight: datetime) -> tuple[datetime | None, datetime | None]:
    return place.daylight(midnight)


def _place(latitude: float | None, longitude: float | None) -> Place | None:
    if latitude is None or longitude is None:
        return None
    return Place(latitude=latitude, longitude=longitude)


def _names(summary: Summary) -> str:
    """Name the missing panels, if it is known which ones they are."""
    names = [*_missing(summary)]
    if not names:
        return ""
    if len(names) <= MOST_NAMES:
        return f": {', '.join(names)}"
    few = names[: MOST_NAMES - 1]
    return f": {', '.join(few)} and {len(names) - len(few)} more"


def _missing(summary: Summary) -> Iterator[str]:
    return (panel.name for panel in summary.panels if not panel.online)
