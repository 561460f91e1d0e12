"""A roof and a day for it: an ECU that sweeps every five minutes, and time that jumps."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from aps_exporter.errors import PVOutputError
from aps_exporter.model import Channel, EcuInfo, Inverter, PhaseVoltage, Reading
from aps_exporter.pvoutput.answers import Answer
from aps_exporter.pvoutput.client import Client, Service
from aps_exporter.pvoutput.forwarder import Forwarder
from aps_exporter.pvoutput.policy import Account, Policy
from aps_exporter.summary import Roster, Summary
from tests.pvoutput.fake_pvoutput import KEY, SYSTEM_ID, Clock

SERIAL = "408000012345"
SWEEP = timedelta(minutes=5)


@dataclass
class Roof:
    """One inverter with one panel."""

    zone: str = "Australia/Brisbane"
    peak_w: float = 3000.0
    rise: float = 6.0
    """Hour at which the sun rises; it sets as long after noon."""
    lag_s: float = 90.0
    """How long a sweep takes until the page shows it."""
    phase_s: float = 56.0
    """When the sweep begins, after the full five minutes."""
    says_zone: bool = True
    zeros: bool = False
    """At night it answers with 0 W, in place of repeating the dusk's page."""
    energy: Callable[[datetime], EcuInfo] | None = None
    spike: Callable[[datetime], float | None] = lambda _: None

    def power(self, at: datetime) -> float:
        """Give the power of a moment."""
        spike = self.spike(at)
        if spike is not None:
            return spike
        wall = at.astimezone(ZoneInfo(self.zone))
        hours = wall.hour + wall.minute / 60 + wall.second / 3600
        if not self.rise < hours < 24 - self.rise:
            return 0.0
        return round(
            max(self.peak_w * math.sin((hours - self.rise) / (24 - 2 * self.rise) * math.pi), 0.0)
        )

    def sweep_before(self, now: datetime) -> datetime:
        """Find the sweep that the page shows."""
        seen = now.timestamp() - self.lag_s - self.phase_s
        return datetime.fromtimestamp(seen // 300 * 300 + self.phase_s, UTC)

    def summary(self, now: datetime) -> Summary:
        """Read the page."""
        at = self.sweep_before(now)
        power_w: float | None = self.power(at)
        if not power_w and not self.zeros:
            power_w = None
        inverter = Inverter(
            serial=SERIAL,
            channels=(Channel(id=f"{SERIAL}-A", name="A", power_w=power_w),),
            grid_voltages=(PhaseVoltage(phase="", voltage_v=236.2),),
            grid_frequency_hz=50.01,
            temperature_c=31.5,
            reported_at=at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None),
        )
        return Roster().summarize(
            Reading(
                source="http://192.0.2.7/index.php/realtimedata",
                interface="php",
                read_at=now,
                inverters=(inverter,),
                timezone=self.zone if self.says_zone else None,
                ecu=self.energy(at) if self.energy else None,
            )
        )


@dataclass
class Line:
    """The way to the server, which can be cut without anybody waiting."""

    service: Service
    up: bool = True

    def add_status(self, form: Mapping[str, str]) -> Answer:
        """Send one record."""
        return self._through().add_status(form)

    def add_batch(self, lines: list[str], *, lifetime: bool) -> Answer:
        """Send several records."""
        return self._through().add_batch(lines, lifetime=lifetime)

    def get_system(self) -> Answer:
        """Ask about the system."""
        return self._through().get_system()

    def _through(self) -> Service:
        if not self.up:
            raise PVOutputError("the network is away")
        return self.service


@dataclass
class Day:
    """A forwarder that lives through time as a test moves it."""

    url: str
    clock: Clock
    folder: Path
    roof: Roof = field(default_factory=Roof)
    policy: Policy = field(default_factory=lambda: Policy(timezone="Australia/Brisbane"))
    poll: timedelta = timedelta(seconds=150)
    night_poll: timedelta = timedelta(0)
    """How often to look when there was no light, if that is to be less often."""
    seed: int = 1
    curve: Callable[[], bytes] | None = None
    swept: dict[str, float] = field(default_factory=dict)
    """``"20260301 12:05"`` → the power of the sweep in that slot, of those that were read."""

    def __post_init__(self) -> None:
        """Begin the first life."""
        self.forwarder: Forwarder | None = None
        account = Account(base_url=self.url, system_id=SYSTEM_ID, api_key=SecretStr(KEY))
        self.line = Line(Client(account, total_s=5.0))
        self.start()

    def start(self) -> Forwarder:
        """Begin a life."""
        self.seed += 1
        self.forwarder = Forwarder(
            state_dir=self.folder,
            system_id=SYSTEM_ID,
            service=self.line,
            policy=self.policy,
            fetch_curve=self.curve,
            now=self.clock,
            luck=random.Random(self.seed),  # noqa: S311  reproducible luck
            host=ZoneInfo("UTC"),
        )
        return self.forwarder

    def kill(self) -> None:
        """End a life; nothing is said or done that a kill wouldn't."""
        if self.forwarder is not None:
            self.forwarder.shut()
            self.forwarder = None

    @property
    def alive(self) -> Forwarder:
        """Give the forwarder."""
        assert self.forwarder is not None
        return self.forwarder

    def run(self, until: datetime, *, ecu: bool = True) -> None:
        """Let time pass; every request is really made."""
        forwarder = self.alive
        poll_at = close_at = send_at = self.clock()
        while self.clock() < until:
            now = self.clock()
            if ecu and now >= poll_at:
                news, light = self._poll(forwarder, now)
                poll_at = now + (self.poll if light else max(self.poll, self.night_poll))
                close_at = now if news else close_at
            if now >= close_at:
                close_at = forwarder.close() or until
                send_at = now
            if now >= send_at:
                send_at = forwarder.send() or until
            soonest = min(until, close_at, send_at, poll_at if ecu else until)
            self.clock.now = max(soonest, now + timedelta(seconds=1))

    def hours(self, hours: float, *, ecu: bool = True) -> None:
        """Let hours pass."""
        self.run(self.clock() + timedelta(hours=hours), ecu=ecu)

    def until(self, text: str, **options: bool) -> None:
        """Run until a wall clock time of the roof: ``2026-03-01 19:30``."""
        wall = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(self.roof.zone))
        self.run(wall.astimezone(UTC), **options)

    def jump(self, text: str) -> None:
        """Set the clock to a wall clock time of the roof."""
        wall = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(self.roof.zone))
        self.clock.now = wall.astimezone(UTC)

    def expected(self) -> dict[str, tuple[str]]:
        """Give what PVOutput should have: at five minutes each sweep is a slot.

        The last two minutes don't count, for a slot is closed and sent some time after its end.
        """
        known = self.clock() - timedelta(minutes=7)
        wall = known.astimezone(ZoneInfo(self.roof.zone))
        return {
            slot: (str(round(power)),)
            for slot, power in sorted(self.swept.items())
            if slot <= f"{wall:%Y%m%d %H:%M}"
        }

    def _poll(self, forwarder: Forwarder, now: datetime) -> tuple[bool, bool]:
        """Read the page; tells whether it was news, and whether there is light."""
        summary = self.roof.summary(now)
        if summary.power_w is not None:
            wall = self.roof.sweep_before(now).astimezone(ZoneInfo(self.roof.zone))
            floor = wall - timedelta(minutes=wall.minute % 5)
            self.swept[f"{floor:%Y%m%d %H:%M}"] = summary.power_w
        return forwarder.take(summary), summary.power_w is not None
