"""What getsystem tells about the owner's system: interval, zone, size, donation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["INTERVALS", "System", "known_zone", "parse_system"]

INTERVALS: Final = (5, 10, 15)
"""Minutes between statuses that an owner can choose at PVOutput."""

_FIELDS: Final = 17
"""Fields of the first section with tz=1; more when a name or brand holds a comma."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system as PVOutput has it; ``None`` is what the answer didn't tell."""

    name: str = ""
    size_w: int | None = None
    interval: int | None = None
    timezone: str | None = None
    donation: bool | None = None


def parse_system(text: str) -> System:
    """Read the answer to ``getsystem?donations=1&tz=1``.

    ::

        Roof,5000,4000,14,360,Acme,14,300,APsystems,N,20.0,No,20240101,-27.46,153.02,5,Australia/Brisbane;;0

    Names and brands are free text and may hold both separators: interval and zone are counted
    from the right, the size counts only when no field is too many, and what doesn't look as it
    should is left unknown.
    """
    sections = text.split(";")
    donation = None
    if len(sections) > 2 and sections[-1].strip().isdecimal():  # noqa: PLR2004  section 2 is the last
        donation = int(sections[-1]) > 0
        sections = sections[:-2]
    elif len(sections) > 1:
        sections = sections[:-1]
    fields = [field.strip() for field in ";".join(sections).split(",")]
    if len(fields) < _FIELDS:
        return System(donation=donation)
    name, size, interval, timezone = fields[0], fields[1], fields[-2], fields[-1]
    return System(
        name=name,
        size_w=int(size) if len(fields) == _FIELDS and size.isdecimal() else None,
        interval=int(interval) if interval in map(str, INTERVALS) else None,
        timezone=timezone if known_zone(timezone) else None,
        donation=donation,
    )


def known_zone(name: str) -> bool:
    """Say whether a name is an IANA zone that this computer knows."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # by what is odd about the name
        return False
    return True
