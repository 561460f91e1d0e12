"""Holds back what firmware is known to invent, over either interface, and counts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from aps_exporter.ecu.energy import LifetimeGuard, TodayGuard
from aps_exporter.model import EcuInfo, Inverter

__all__ = ["KINDS", "Glitches"]

KINDS: Final[Mapping[str, str]] = {
    "lifetime_zero": "a lifetime energy of 0 on a roof that has made some",
    "lifetime_drop": "a lifetime energy below the last one, until a later sweep confirms it",
    "today_drop": "an energy of the day below the last one of that day, until confirmed",
    "power": "more watts than a panel's input takes",
    "voltage": "volts that no grid has",
    "frequency": "hertz that no grid has",
    "temperature": "degrees that no inverter has, such as -100",
}
"""The label's values in `aps_glitches_total`, and what is held back."""


@dataclass(frozen=True, slots=True)
class _Limits:
    """What a value can be; a 0 outside is how firmware writes that it has none, and no glitch."""

    kind: str
    least: float
    most: float

    def allow(self, value: float | None) -> bool:
        return value is None or self.least <= value <= self.most

    def believe(self, value: float | None, caught: Counter[str]) -> float | None:
        if self.allow(value):
            return value
        caught[self.kind] += value != 0
        return None


WATTS: Final = _Limits("power", -2000.0, 2000.0)
VOLTS: Final = _Limits("voltage", 1.0, 600.0)
DC_VOLTS: Final = _Limits("voltage", 0.0, 600.0)
HERTZ: Final = _Limits("frequency", 40.0, 70.0)
CELSIUS: Final = _Limits("temperature", -60.0, 150.0)


@dataclass(slots=True)
class Glitches:
    """What one ECU was caught at since we began to watch."""

    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(KINDS, 0)))
    _sweep: datetime | None = field(default=None, init=False)
    _counted: Counter[str] = field(default_factory=Counter, init=False)
    """Those of this sweep, which the next poll may find again."""
    _lifetime: LifetimeGuard = field(default_factory=LifetimeGuard, init=False)
    _today: TodayGuard = field(default_factory=TodayGuard, init=False)
    _has_produced: bool = field(default=False, init=False)

    def hold_back(
        self,
        inverters: tuple[Inverter, ...],
        ecu: EcuInfo | None,
        *,
        found: Mapping[str, int],
    ) -> tuple[tuple[Inverter, ...], EcuInfo | None]:
        """Give back what can be believed; `found` has been left out already.

        What several polls find in one sweep of the ECU, which its newest report names, counts once.
        """
        caught = Counter(found)
        sweep = max((i.reported_at for i in inverters if i.reported_at is not None), default=None)
        believed = tuple([_believable(inverter, caught) for inverter in inverters])
        if ecu is not None:
            ecu = self._energies(ecu, sweep, caught)
        if sweep != self._sweep:
            self._sweep, self._counted = sweep, Counter()
        self.counts.update(caught - self._counted)
        self._counted |= caught
        return believed, ecu

    def _energies(self, ecu: EcuInfo, sweep: datetime | None, caught: Counter[str]) -> EcuInfo:
        lifetime_wh, today_wh = ecu.energy_lifetime_wh, ecu.energy_today_wh
        believed_wh = self._lifetime.pass_on(lifetime_wh, sweep)
        if lifetime_wh:
            self._has_produced = True
            caught["lifetime_drop"] += believed_wh is None
        elif lifetime_wh == 0:
            # A new roof has 0 until its first sweeps are in.
            caught["lifetime_zero"] += self._has_produced or bool(today_wh)
        believed_today_wh = self._today.pass_on(today_wh, sweep)
        caught["today_drop"] += today_wh is not None and believed_today_wh is None
        return replace(ecu, energy_lifetime_wh=believed_wh, energy_today_wh=believed_today_wh)


def _values(inverter: Inverter) -> Iterator[tuple[_Limits, float | None]]:
    yield HERTZ, inverter.grid_frequency_hz
    yield CELSIUS, inverter.temperature_c
    for line in inverter.grid_voltages:
        yield VOLTS, line.voltage_v
    for channel in inverter.channels:
        yield WATTS, channel.power_w
        yield DC_VOLTS, channel.dc_voltage_v


def _believable(inverter: Inverter, caught: Counter[str]) -> Inverter:
    """Leave out what can't be."""
    if all(limits.allow(value) for limits, value in _values(inverter)):
        return inverter
    return replace(
        inverter,
        channels=tuple(
            replace(
                channel,
                power_w=WATTS.believe(channel.power_w, caught),
                dc_voltage_v=DC_VOLTS.believe(channel.dc_voltage_v, caught),
            )
            for channel in inverter.channels
        ),
        grid_voltages=tuple(
            line
            for line in inverter.grid_voltages
            if VOLTS.believe(line.voltage_v, caught) is not None
        ),
        grid_frequency_hz=HERTZ.believe(inverter.grid_frequency_hz, caught),
        temperature_c=CELSIUS.believe(inverter.temperature_c, caught),
    )
