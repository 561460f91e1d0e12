"""The shapes of the JSON that the roof's page lives on; docs/api-status.md says what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict

__all__ = [
    "Day",
    "Fleet",
    "FleetEcu",
    "FleetFailure",
    "InverterNow",
    "Level",
    "PVOutputNow",
    "PanelNow",
    "Poll",
    "Status",
    "Sun",
]

Level = Literal["good", "sleep", "warn", "bad"]
PanelState = Literal["online", "missing", "never_contacted", "stale", "asleep", "unused"]


class EcuNow(TypedDict):
    """The ECU, and how it is in words."""

    name: str
    host: str
    id: str | None
    firmware: str | None
    interface: str | None
    timezone: str | None
    status: str
    level: Level
    sentence: str


class Power(TypedDict):
    """Watts of the whole roof."""

    measured_w: float | None
    estimated_w: float | None
    """Only where the sum was scaled for missing panels."""


class Energy(TypedDict):
    """What the ECU's own counters say."""

    today_wh: float | None
    lifetime_wh: float | None


class PanelCounts(TypedDict):
    """How many panels there are."""

    received: int
    expected: int | None
    missing: int


class DataAge(TypedDict):
    """How old the numbers are."""

    read_at: str | None
    reported_at: str | None
    age_s: float | None


class Sun(TypedDict):
    """The sun over the roof today."""

    sunrise: str | None
    sunset: str | None
    elevation_deg: float | None


class PanelNow(TypedDict):
    """One panel, where it lies and what it makes."""

    id: str
    name: str
    inverter: str
    channel: str
    group: str
    row: int
    column: int
    state: PanelState
    power_w: float | None
    share: float | None
    """Of what is typical in its group at this moment."""
    dc_voltage_v: float | None


class PhaseNow(TypedDict):
    """A phase and its voltage."""

    phase: str
    voltage_v: float


class InverterNow(TypedDict):
    """One inverter."""

    serial: str
    name: str
    state: str
    grid_voltages: list[PhaseNow]
    grid_frequency_hz: float | None
    temperature_c: float | None
    signal_ratio: float | None
    last_report: str | None


class PVOutputNow(TypedDict):
    """How the forwarding goes."""

    state: str
    sentence: str
    waiting: int
    last_upload: str | None


class Poll(TypedDict):
    """How one poll of the ECU went."""

    at: str
    status: str
    duration_s: float
    error: str | None


class Status(TypedDict):
    """Answer of `api/v1/status`."""

    schema: int
    version: str
    now: str
    refresh_s: float
    ecu: EcuNow
    power: Power
    energy: Energy
    panels: PanelCounts
    inverters_online: int
    inverters_expected: int
    data: DataAge
    sun: Sun | None
    roof: list[PanelNow]
    inverters: list[InverterNow]
    pvoutput: PVOutputNow | None
    polls: list[Poll]
    links: Mapping[str, str]


class Day(TypedDict):
    """Answer of `api/v1/day`: lists are aligned to `start`, one value each `step_s` seconds."""

    schema: int
    date: str
    start: str
    step_s: int
    total: list[float | None]
    source: str
    panels: Mapping[str, list[float | None]]


class FleetEcu(TypedDict):
    """One ECU among many."""

    name: str
    labels: Mapping[str, str]
    level: Level
    sentence: str
    power_w: float | None
    panels: PanelCounts
    age_s: float | None


class FleetFailure(TypedDict):
    """How a target was last failed to be read."""

    target: str
    at: str
    status: str
    error: str


class Fleet(TypedDict):
    """Answer of `api/v1/fleet`, worst first."""

    schema: int
    now: str
    ecus: list[FleetEcu]
    failures: list[FleetFailure]
    """The last one of each target, listed or not, the newest first."""
