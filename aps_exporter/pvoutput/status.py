"""What the forwarder has done and how it stands, as numbers that cost a reader nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, get_args

__all__ = ["RESULTS", "Result", "Snapshot", "Tally"]

Result = Literal["sent", "dead", "expired", "overflow", "skipped_night", "rejected_local"]
"""What became of a record: taken by PVOutput; refused by it; too old to send; dropped because too
many waited; one of the night's zeros; refused by ourselves because it can't be."""

RESULTS: Final[tuple[Result, ...]] = get_args(Result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The forwarder at one moment; ``None`` is not known (yet)."""

    active: bool = False
    """False while another process forwards from the same outbox."""
    uploads: int = 0
    upload_failures: int = 0
    records: Mapping[Result, int] = field(default_factory=lambda: dict.fromkeys(RESULTS, 0))
    queue_records: int = 0
    dead_records: int = 0
    queue_oldest: datetime | None = None
    last_success: datetime | None = None
    last_sent_slot: datetime | None = None
    rate_limit: int | None = None
    rate_remaining: int | None = None
    rate_reset: datetime | None = None
    auth_ok: bool | None = None
    donation: bool | None = None
    timezone_agrees: bool | None = None
    """Whether the configured zone is the one that the owner's system has at PVOutput."""
    requests: int = 0
    request_seconds: float = 0.0
    hold_until: datetime | None = None
    """No request goes out before: quota, backoff or credentials."""
    outbox_on_disk: bool = True
    outbox_set_aside: int = 0


@dataclass(slots=True)
class Tally:
    """The running counts; `sent` and the rest are touched by the forwarder's threads only."""

    uploads: int = 0
    upload_failures: int = 0
    requests: int = 0
    request_seconds: float = 0.0
    records: dict[Result, int] = field(default_factory=lambda: dict.fromkeys(RESULTS, 0))
    last_success: datetime | None = None
    last_sent_slot: datetime | None = None
    auth_ok: bool | None = None

    def count(self, result: Result, number: int = 1) -> None:
        """Book what became of records."""
        self.records[result] += number

    def stored(self, starts: list[datetime], now: datetime) -> None:
        """Book records that PVOutput took."""
        self.count("sent", len(starts))
        self.last_success = now
        self.auth_ok = True
        newest = [self.last_sent_slot] if self.last_sent_slot is not None else []
        self.last_sent_slot = max([*starts, *newest], default=None)
