"""Puts the parts for one ECU together, as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from aps_exporter.config import Settings
from aps_exporter.ecu.poller import Poller
from aps_exporter.summary import PanelName, Roster

__all__ = ["make_poller", "make_roster"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def make_poller(settings: Settings, now: Callable[[], datetime] = _utc_now) -> Poller:
    """Make what reads the ECU; `now` is another clock than the world's for a simulated one."""
    return Poller(
        base_url=settings.base_url,
        path=settings.path,
        timezone=settings.timezone,
        timeout_s=settings.timeout,
        max_age_s=settings.max_age,
        stale_after_s=settings.stale_after,
        now=now,
    )


def make_roster(settings: Settings) -> Roster:
    """Make what knows who should be there."""
    return Roster(
        expected_count=settings.expected_count,
        scale_missing=settings.scale_missing,
        names={
            panel_id: PanelName(name=panel.name or panel_id, group=panel.group)
            for panel_id, panel in settings.panels.items()
        },
    )
