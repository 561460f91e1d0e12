"""An ECU whose every answer the test decides, with a clock that it moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from aps_exporter.config import Settings
from aps_exporter.deadline import Deadline
from aps_exporter.errors import EcuError, EcuUnreachableError
from aps_exporter.model import Channel, EcuInfo, Inverter, PhaseVoltage, Reading
from aps_exporter.station import Station
from aps_exporter.summary import PanelName, Roster

NOON = datetime(2026, 6, 1, 12, 2, 0, tzinfo=UTC)
"""14:02 in Amsterdam, where the roof is."""
SWEEP = datetime(2026, 6, 1, 14, 0, 0)  # noqa: DTZ001  # as the page prints it


def inverter(serial: str, *watts: float | None, stale: bool = False) -> Inverter:
    """Make one with a panel for each power."""
    channels = tuple(
        Channel(id=f"{serial}-{number}", name=str(number), power_w=power_w, dc_voltage_v=31.5)
        for number, power_w in enumerate(watts, 1)
    )
    online = any(power_w is not None for power_w in watts)
    return Inverter(
        serial=serial,
        channels=channels,
        grid_voltages=(PhaseVoltage(phase="", voltage_v=230.0),) if online else (),
        grid_frequency_hz=50.0 if online else None,
        temperature_c=31.0 if online else None,
        reported_at=SWEEP if online else None,
        stale=stale,
    )


def reading(*inverters: Inverter) -> Reading:
    """Make the answer of a php ECU at 14:02 about its sweep of 14:00."""
    return Reading(
        source="http://127.0.0.1/index.php/realtimedata",
        interface="php",
        read_at=NOON,
        inverters=inverters,
        ecu=EcuInfo(ecu_id="216000012345", energy_today_wh=4200.0, energy_lifetime_wh=1_000_000.0),
        timezone="Europe/Amsterdam",
        poll_duration_s=0.12,
    )


WELL = reading(inverter("801000090001", 200.0, 100.0), inverter("801000090002", 150.0, 0.0))


def refuse() -> EcuError:
    """Fail as an ECU without power does."""
    return EcuUnreachableError("the ECU refuses the connection")


@dataclass(slots=True, kw_only=True)
class World:
    """A station at an ECU that answers `answer`, or fails so."""

    answer: Reading | Callable[[], EcuError] = WELL
    now: datetime = NOON
    monotonic_s: float = 1000.0
    polls: int = 0
    curve: bytes | EcuError = b'{"power":[]}'
    curves: int = 0
    hold: Callable[[], None] = lambda: None
    """Called in each poll, which lasts as long."""
    names: dict[str, PanelName] = field(default_factory=dict)
    expected_count: int | None = None
    settings: dict[str, object] = field(default_factory=dict)
    name: str = "barn"
    station: Station = field(init=False)

    def __post_init__(self) -> None:
        """Build the station."""
        roster = Roster(
            names=self.names,
            expected_count=self.expected_count,
            scale_missing=self.expected_count is not None,
        )
        settings = {"host": "192.168.1.102", "latitude": 52.1, "longitude": 5.2, **self.settings}
        self.station = Station(
            settings=Settings.model_validate(settings),
            name=self.name,
            poll=self._poll,
            hold=roster.summarize,
            day_curve=self._day_curve,
            now=lambda: self.now,
            monotonic=lambda: self.monotonic_s,
        )

    def poll(self, answer: Reading | Callable[[], EcuError] | None = None) -> None:
        """Have the ECU polled, by somebody else than the pages."""
        self.answer = self.answer if answer is None else answer
        self.station.recent(0)

    def later(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)
        self.monotonic_s += timedelta(**span).total_seconds()

    def _poll(self, _deadline: Deadline) -> Reading:
        self.polls += 1
        self.hold()
        if isinstance(self.answer, Reading):
            return replace(self.answer)
        raise self.answer()

    def _day_curve(self, _deadline: Deadline) -> bytes:
        self.curves += 1
        if isinstance(self.curve, EcuError):
            raise self.curve
        return self.curve
