"""What is known of the owner's system: by the configuration, else by PVOutput, else a default."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aps_exporter.pvoutput.policy import Fields, Policy
from aps_exporter.pvoutput.system import INTERVALS, System, known_zone

__all__ = ["Site", "host_zone"]

log = logging.getLogger(__name__)

_DEFAULT_INTERVAL: Final = 5
_FREE_DAYS: Final = 14
_DONOR_DAYS: Final = 90
_FREE_BATCH: Final = 30
_DONOR_BATCH: Final = 100


class Site:
    """Facts that decide how records are cut, stamped and sent.

    Each attribute is replaced as a whole, so the forwarder's threads need no lock to read them.
    """

    def __init__(self, policy: Policy, stored: Mapping[str, object], host: ZoneInfo) -> None:
        """Take the owner's wishes, what getsystem said in an earlier life, and the host's zone."""
        self.policy = policy
        self.system = _restored(stored)
        self.settled = bool(stored) or None not in {policy.interval, policy.timezone}
        """Interval and zone won't change with the first answer that is still to come."""
        self.ecu_zone: str | None = None
        """The zone on the ECU's home page: better than the host's, worse than PVOutput's."""
        self.agrees: bool | None = None
        self._refused = False
        self._host = host
        self._warned = False

    @property
    def interval(self) -> int:
        """Minutes between statuses."""
        return self.policy.interval or self.system.interval or _DEFAULT_INTERVAL

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which PVOutput reads dates and times."""
        name = self.policy.timezone or self.system.timezone or self.ecu_zone
        return self._host if name is None else ZoneInfo(name)

    @property
    def donation(self) -> bool:
        """Whether PVOutput takes a donor's fields and sizes; not known is no."""
        wish = self.policy.donation
        return not self._refused and bool(self.system.donation if wish is None else wish)

    @property
    def fields(self) -> Fields:
        """The optional values that may be sent now."""
        fields = self.policy.fields
        return fields if self.donation else replace(fields, frequency_key=None)

    @property
    def batch_size(self) -> int:
        """The most records in one request."""
        return _DONOR_BATCH if self.donation else _FREE_BATCH

    @property
    def longest_wait(self) -> timedelta:
        """How old a record may become: a day less than PVOutput's limit."""
        return timedelta(days=(_DONOR_DAYS if self.donation else _FREE_DAYS) - 1)

    def learn(self, system: System, now: datetime) -> dict[str, object]:
        """Take over what getsystem said; gives what is to be kept of it."""
        self.system = system
        self.settled = True
        self._refused = False
        self.agrees = self._zone_agrees(now)
        if self.agrees is False:
            log.warning(
                "timezone is %s here but %s at PVOutput: the day will be shifted there",
                self.policy.timezone,
                system.timezone,
            )
        return asdict(system)

    def hear_ecu(self, timezone: str | None) -> None:
        """Take the zone that the ECU's readings have; warn once where nobody knows any."""
        self.ecu_zone = timezone or self.ecu_zone
        named = self.policy.timezone or self.system.timezone or self.ecu_zone
        if self.settled and named is None and self._host.key == "UTC" and not self._warned:
            self._warned = True
            log.warning("nobody knows the roof's time zone, UTC is taken: set timezone")

    def not_a_donor(self) -> None:
        """Leave out a donor's fields until getsystem says otherwise."""
        self._refused = True

    def _zone_agrees(self, now: datetime) -> bool | None:
        """Compare the zones by what their clocks show, in summer and in winter."""
        ours, theirs = self.policy.timezone, self.system.timezone
        if ours is None or theirs is None:
            return None
        moments = (now, now + timedelta(days=182))
        return all(
            moment.astimezone(ZoneInfo(ours)).utcoffset()
            == moment.astimezone(ZoneInfo(theirs)).utcoffset()
            for moment in moments
        )


def host_zone(localtime: Path = Path("/etc/localtime")) -> ZoneInfo:
    """Find the zone of this computer; UTC, as in most containers, if it has none."""
    candidates = [os.environ.get("TZ", "").lstrip(":")]
    if localtime.is_symlink():
        candidates.append(str(localtime.readlink()).rpartition("zoneinfo/")[2])
    return ZoneInfo(next((name for name in candidates if known_zone(name)), "UTC"))


def _restored(stored: Mapping[str, object]) -> System:
    name, size_w, interval = stored.get("name"), stored.get("size_w"), stored.get("interval")
    timezone, donation = stored.get("timezone"), stored.get("donation")
    return System(
        name=name if isinstance(name, str) else "",
        size_w=size_w if isinstance(size_w, int) else None,
        interval=interval if isinstance(interval, int) and interval in INTERVALS else None,
        timezone=timezone if isinstance(timezone, str) and known_zone(timezone) else None,
        donation=donation if isinstance(donation, bool) else None,
    )
