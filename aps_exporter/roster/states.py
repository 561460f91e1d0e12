"""In which state each inverter and each panel is, by what is remembered and what a reading says."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, Literal, get_args

from aps_exporter.roster.members import Member, Members

__all__ = ["STATES", "State", "States"]

State = Literal["expected", "new", "missing", "never_contacted", "unused", "retired"]
"""What `States` says."""

STATES: Final[tuple[State, ...]] = get_args(State)

WEEK: Final = timedelta(days=7)
FOUNDING: Final = timedelta(days=1)
"""Whoever joins on the first day of a roster was there before it, and isn't new."""


@dataclass(frozen=True, kw_only=True)
class States:
    """Judges the members of one roof at one moment.

    - expected: it reports
    - new: it reports, and joined this week
    - missing: it doesn't report, and did before
    - never_contacted: it never did
    - unused: an input without a panel
    - retired: its owner took it off, and it is silent
    """

    members: Members
    now: datetime
    listed: Container[str] = ()
    """Ids of panels in the configuration: as their owner says that they exist, none is unused."""

    def inverter(self, serial: str, *, online: bool) -> State:
        """Judge an inverter."""
        member = self.members.get(("inverter", serial))
        return self._judge(member, online=online, retired=not online and _retired(member))

    def panel(self, panel_id: str, serial: str, *, power_w: float | None) -> State:
        """Judge a panel; one that makes power is there, whoever retired it."""
        member = self.members.get(("panel", panel_id))
        retired = _retired(member) or _retired(self.members.get(("inverter", serial)))
        if member and member.unused(self.now) and not retired and panel_id not in self.listed:
            return "unused"
        return self._judge(member, online=power_w is not None, retired=retired and not power_w)

    def _judge(self, member: Member | None, *, online: bool, retired: bool) -> State:
        if retired:
            return "retired"
        if not online:
            return "missing" if member and member.last_seen else "never_contacted"
        return "new" if member and self._is_new(member) else "expected"

    def _is_new(self, member: Member) -> bool:
        if self.now - member.first_seen >= WEEK:
            return False
        return member.first_seen - self._founded > FOUNDING

    @cached_property
    def _founded(self) -> datetime:
        return min(member.first_seen for member in self.members.values())


def _retired(member: Member | None) -> bool:
    return member is not None and member.retired_at is not None
