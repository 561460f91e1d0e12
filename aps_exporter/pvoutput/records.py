"""One status as PVOutput takes it: from a slot's sweeps to a form or a line of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from aps_exporter.pvoutput.policy import Fields
from aps_exporter.pvoutput.slots import Sample, label, mean

__all__ = ["Record", "Source", "form", "line", "record_of", "too_much_power"]

Source = Literal["own", "ecu"]
"""Measured by ourselves, or taken later from the power curve that the ECU keeps."""

BATCH_FIELDS: Final = ("d", "t", *(f"v{number}" for number in range(1, 13)))

_TEMPERATURE_C: Final = (-50.0, 120.0)
_VOLTAGE_V: Final = (50.0, 600.0)
"""Outside of these a sensor is broken and the value is left out (a phase-to-phase 400 V is not)."""

_SIZE_FACTOR: Final = 1.5
"""PVOutput refuses power above 150 % of the system's size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The values of one slot; what is ``None`` is not sent."""

    start: datetime
    """The slot's start, UTC."""
    power_w: int
    temperature_c: float | None = None
    grid_voltage_v: float | None = None
    grid_frequency_hz: float | None = None
    energy_wh: int | None = None
    lifetime: bool = False
    """`energy_wh` counts since installation (c1=2), not since midnight."""
    source: Source = "own"


def record_of(start: datetime, samples: Sequence[Sample], source: Source = "own") -> Record:
    """Average a slot's sweeps, of which there is at least one; energy is the caller's."""
    power_w = mean(samples, lambda sample: sample.power_w)
    if power_w is None:
        message = "a slot without a sweep has no record"
        raise ValueError(message)
    return Record(
        start=start,
        power_w=max(round(power_w), 0),
        temperature_c=_within(_TEMPERATURE_C, mean(samples, lambda s: s.temperature_c)),
        grid_voltage_v=_within(_VOLTAGE_V, mean(samples, lambda s: s.grid_voltage_v)),
        grid_frequency_hz=mean(samples, lambda s: s.grid_frequency_hz),
        source=source,
    )


def too_much_power(power_w: int, size_w: int | None) -> str | None:
    """Say why PVOutput would refuse this power; ``None`` if it would not."""
    if size_w is None or power_w <= _SIZE_FACTOR * size_w:
        return None
    return f"not sent: {power_w} W is over 150 % of the system's {size_w} W"


def form(record: Record, zone: ZoneInfo, fields: Fields) -> dict[str, str]:
    """Write the parameters of addstatus.

    ``d=20260301 t=12:05 v2=1830 v5=31.5 v6=236.2``
    """
    values = dict(_values(record, zone, fields))
    if record.lifetime and record.energy_wh is not None:
        values["c1"] = "2"
    return values


def line(record: Record, zone: ZoneInfo, fields: Fields) -> str:
    """Write one record of addbatchstatus: ``20260301,12:05,,1830,,,31.5,236.2``."""
    values = dict(_values(record, zone, fields))
    return ",".join(values.get(name, "") for name in BATCH_FIELDS).rstrip(",")


def _values(record: Record, zone: ZoneInfo, fields: Fields) -> Iterator[tuple[str, str]]:
    date, time = label(record.start, zone)
    yield "d", date
    yield "t", time
    if record.energy_wh is not None:
        yield "v1", str(record.energy_wh)
    yield "v2", str(record.power_w)
    if fields.temperature and record.temperature_c is not None:
        yield "v5", _decimal(record.temperature_c)
    if fields.voltage and record.grid_voltage_v is not None:
        yield "v6", _decimal(record.grid_voltage_v)
    if fields.frequency_key is not None and record.grid_frequency_hz is not None:
        yield fields.frequency_key, f"{record.grid_frequency_hz:.3f}".rstrip("0").rstrip(".")


def _decimal(value: float) -> str:
    """Write one decimal, and zero without a sign."""
    return f"{round(value, 1) + 0.0:.1f}"


def _within(bounds: tuple[float, float], value: float | None) -> float | None:
    low, high = bounds
    return value if value is not None and low <= value <= high else None
