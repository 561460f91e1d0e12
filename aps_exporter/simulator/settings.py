"""What can be chosen about a simulated ECU."""

from __future__ import annotations

import math
import zoneinfo
from dataclasses import dataclass
from datetime import datetime, time
from typing import Literal, get_args

__all__ = ["FAMILIES", "Access", "Family", "KindName", "Language", "SimulatorSettings"]

Family = Literal["cgi", "php", "php-dc", "php-3phase"]
"""How the ECU writes its pages: ECU-3 V3, ECU-3 V4, ECU-R-Pro, and an ECU with YC1000s."""

FAMILIES: tuple[Family, ...] = get_args(Family)

Language = Literal["english", "chinese"]

KindName = Literal["yc500", "yc600", "ds3", "ds3d", "qs1", "yc1000", "qt2"]

Access = Literal["web", "tcp", "both"]
"""How an ECU can be asked: pages, TCP port, or both."""

_MOST_INVERTERS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """A simulated ECU; everything about it follows from these values and the clock."""

    family: Family = "php"
    inverters: int = 5
    kinds: tuple[KindName, ...] = ()
    """The inverters' kinds, repeated as needed; empty: what the family usually has."""
    seed: int = 1
    """Decides clouds, small differences between panels, and the second at which sweeps start."""
    timezone: str = "Europe/Amsterdam"
    latitude: float = 52.1
    longitude: float = 5.2
    start: datetime | time | None = None
    """Local time at which the simulated clock starts, a bare time meaning today; default: now."""
    speed: float = 1.0
    """Simulated seconds per real second."""
    interface: Access | None = None
    """``None``: what the family has, both on an ECU-R-Pro and an ECU-C, else pages alone."""
    host: str = "127.0.0.1"
    port: int = 0
    tcp_port: int = 0
    """For commands over TCP; a real ECU's is 8899."""
    control_port: int | None = 0
    """A second port for the control page, open while the ECU refuses; ``None``: no such port."""
    faults: tuple[str, ...] = ()
    """Switched on from the start, written as in `faults.parse_fault`."""
    answer_delay_s: float = 0.0
    """How long the ECU thinks about each page; two at a time, as its two PHP workers do."""
    language: Language = "english"

    @property
    def has_pages(self) -> bool:
        """Say whether the ECU has web pages."""
        return self.interface != "tcp"

    @property
    def has_tcp(self) -> bool:
        """Say whether the ECU takes commands over TCP."""
        if self.interface is None:
            return self.family in ("php-dc", "php-3phase")
        return self.interface != "web"

    def __post_init__(self) -> None:
        """Refuse what can't be simulated, naming the field."""
        problems = [text for bad, text in self._checks() if bad]
        if problems:
            raise ValueError("; ".join(problems))

    def _checks(self) -> tuple[tuple[bool, str], ...]:
        return (
            (self.family not in FAMILIES, f"family: must be one of {', '.join(FAMILIES)}"),
            (
                not 1 <= self.inverters <= _MOST_INVERTERS,
                f"inverters: must be 1 to {_MOST_INVERTERS}",
            ),
            (
                any(kind not in get_args(KindName) for kind in self.kinds),
                f"kinds: must be some of {', '.join(get_args(KindName))}",
            ),
            (
                self.interface not in (None, *get_args(Access)),
                f"interface: must be one of {', '.join(get_args(Access))}",
            ),
            (
                self.family == "cgi" and self.has_tcp,
                "interface: an ECU of the cgi family has pages alone, so must be web",
            ),
            (not _is_zone(self.timezone), f"timezone: {self.timezone!r} is not a known zone"),
            (not abs(self.latitude) <= 90, "latitude: must be -90 to 90"),  # noqa: PLR2004  # a pole
            (not abs(self.longitude) <= 180, "longitude: must be -180 to 180"),  # noqa: PLR2004  # half around
            (
                isinstance(self.start, datetime | time) and self.start.tzinfo is not None,
                "start: must be local time without a zone",
            ),
            (
                not (math.isfinite(self.speed) and self.speed >= 0),
                "speed: must be 0 (stopped) or more",
            ),
            (
                not (math.isfinite(self.answer_delay_s) and self.answer_delay_s >= 0),
                "answer_delay_s: must be 0 or more",
            ),
        )


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # OSError: the name of a folder, such as "Europe".
        return False
    return True
