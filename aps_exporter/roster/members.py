"""Who belongs to a roof, and what a reading adds to that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, Literal

from aps_exporter.model import Channel, Reading

__all__ = ["Key", "Kind", "Member", "Members", "changes"]

Kind = Literal["inverter", "panel"]
Key = tuple[Kind, str]
"""The kind too, because the only panel of a YC250 has the id of its inverter."""

SEEN_EVERY: Final = timedelta(minutes=5)
"""How exact `Member.last_seen` is; the ECU has news no more often."""
IDLE_DAYS: Final = 7
IDLE_SPAN: Final = timedelta(days=6)
"""From the first of 7 days to the last; a wrong zone may split the light of one into two dates."""
PRODUCTION_W: Final = 20.0
"""From here on a sibling's power is daylight: at dusk inputs reach zero at different times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An inverter or a panel, and what is remembered of it."""

    kind: Kind
    id: str
    inverter: str
    """The serial; for an inverter its own."""
    first_seen: datetime
    """When it first stood on the ECU's page."""
    last_seen: datetime | None = None
    """When it last reported; ``None``: never."""
    first_watt: datetime | None = None
    """When it first made power."""
    idle_days: int = 0
    """Days on which it made nothing while another input of its inverter produced."""
    idle_since: datetime | None = None
    """The first of these days."""
    idle_date: date | None = None
    """The last of these days, by the ECU's calendar."""
    retired_at: datetime | None = None
    name: str = ""

    @property
    def key(self) -> Key:
        """Tell it from all others of the roof."""
        return self.kind, self.id

    def unused(self, now: datetime) -> bool:
        """Say whether it is an input without a panel: a week of production, and never a watt."""
        return (
            self.first_watt is None
            and self.idle_days >= IDLE_DAYS
            and self.idle_since is not None
            and now - self.idle_since >= IDLE_SPAN
        )

    def merged(self, stored: Member) -> Member:
        """Join what we saw with what is stored, where others may have written what they saw.

        Our own last sight counts, later or not: a clock that was ahead must not be believed for
        ever.
        """
        if self == stored:
            return self
        idler = max(self, stored, key=lambda member: member.idle_days)
        return replace(
            self,
            first_seen=min(self.first_seen, stored.first_seen),
            last_seen=self.last_seen or stored.last_seen,
            first_watt=min(filter(None, (self.first_watt, stored.first_watt)), default=None),
            idle_days=idler.idle_days,
            idle_since=idler.idle_since,
            idle_date=idler.idle_date,
            retired_at=stored.retired_at,
            name=stored.name,
        )


Members = Mapping[Key, Member]


def changes(members: Members, reading: Reading) -> Iterator[Member]:
    """Give the members that a reading adds or changes, as they are after it."""
    now = reading.read_at.replace(microsecond=0)  # as exact as it is stored
    unreadable = {cell.row for cell in reading.unreadable if cell.column == "power"}
    for inverter in reading.inverters:
        serial, online = inverter.serial, inverter.online
        before = members.get(("inverter", serial))
        known = before or Member(kind="inverter", id=serial, inverter=serial, first_seen=now)
        power_w = max((_power_w(channel) for channel in inverter.channels), default=0.0)
        after = _after(known, now, reports=online, makes_power=online and power_w > 0)
        if after is not before:
            yield after
        today = (inverter.reported_at or now).date()
        daylight = online and power_w >= PRODUCTION_W
        for channel in inverter.channels:
            before = members.get(("panel", channel.id))
            known = before or Member(kind="panel", id=channel.id, inverter=serial, first_seen=now)
            after = _after(
                known,
                now,
                reports=online and channel.power_w is not None,
                makes_power=online and _power_w(channel) > 0,
            )
            if daylight and channel.id not in unreadable:
                after = _idle(after, now, today)
            if after is not before:
                yield after


def _power_w(channel: Channel) -> float:
    return channel.power_w or 0.0


def _after(member: Member, now: datetime, *, reports: bool, makes_power: bool) -> Member:
    """Note that a member reported and made power; most readings change nothing."""
    if reports and (member.last_seen is None or abs(now - member.last_seen) >= SEEN_EVERY):
        member = replace(member, last_seen=now)
    if makes_power and member.first_watt is None:
        member = replace(member, first_watt=now)
    return member


def _idle(member: Member, now: datetime, today: date) -> Member:
    """Count the day for an input that makes nothing while another one of its inverter does."""
    if member.first_watt is not None or member.idle_date == today or member.unused(now):
        return member
    return replace(
        member,
        idle_days=member.idle_days + 1,
        idle_since=member.idle_since or now,
        idle_date=today,
    )


def given_name(members: Members, panel_id: str, serial: str) -> str:
    """Name a panel as its owner renamed it, or its inverter; else its id is its name."""
    panel, inverter = members.get(("panel", panel_id)), members.get(("inverter", serial))
    if panel and panel.name:
        return panel.name
    if inverter and inverter.name:
        return f"{inverter.name} {panel_id.removeprefix(serial).strip('-')}".strip()
    return panel_id
