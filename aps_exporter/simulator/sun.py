"""The sun and the clouds over a place: pure functions of the time and a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Sky", "Slope", "noise", "unit"]

_DAY_S = 86400.0
_YEAR_D = 365.2425
_2000_S = 946684800.0
"""2000-01-01T00:00:00Z."""
_MOOD_S = 14 * 3600.0
"""About so long the weather stays the same."""
_CLOUD_S = 1500.0
_PUFF_S = 420.0
_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """Which way a group of panels looks."""

    name: str
    azimuth_deg: float
    """Clockwise from north."""
    tilt_deg: float

    def normal(self) -> tuple[float, float, float]:
        """Return the unit vector the panels face: east, north, up."""
        azimuth, tilt = math.radians(self.azimuth_deg), math.radians(self.tilt_deg)
        horizontal = math.sin(tilt)
        return horizontal * math.sin(azimuth), horizontal * math.cos(azimuth), math.cos(tilt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """What lies over a place."""

    latitude_deg: float
    longitude_deg: float
    seed: int

    def sun(self, epoch_s: float) -> tuple[float, float, float]:
        """Point at the sun: unit vector east, north, up.

        Declination after Cooper (1969), equation of time as in Duffie & Beckman, Solar Engineering
        of Thermal Processes, §1.5: good to a degree, which is plenty here.
        """
        day = (epoch_s - _2000_S) / _DAY_S % _YEAR_D + 1
        declination = math.radians(23.45) * math.sin(math.tau * (284 + day) / 365)
        b = math.tau * (day - 81) / 364
        equation_min = 9.87 * math.sin(2 * b) - 7.53 * math.cos(b) - 1.5 * math.sin(b)
        solar_s = epoch_s + self.longitude_deg * 240 + equation_min * 60
        hour_angle = math.tau * (solar_s % _DAY_S / _DAY_S - 0.5)
        latitude = math.radians(self.latitude_deg)
        across = math.cos(declination) * math.cos(hour_angle)
        return (
            -math.cos(declination) * math.sin(hour_angle),
            math.cos(latitude) * math.sin(declination) - math.sin(latitude) * across,
            math.sin(latitude) * math.sin(declination) + math.cos(latitude) * across,
        )

    def light(
        self, epoch_s: float, normals: tuple[tuple[float, float, float], ...]
    ) -> tuple[tuple[float, ...], bool]:
        """Return W/m² on the slopes, each below its own clouds, and whether it is morning.

        Clear beam by Meinel & Meinel (1976), 1353 · 0.7 ** (air mass ** 0.678); a clear sky adds a
        tenth of the beam as diffuse light, a cloud turns part of the beam into some more.
        """
        east, north, up = self.sun(epoch_s)
        if up <= 0:
            return (0.0,) * len(normals), east > 0
        beam = 1353 * math.pow(0.7, math.pow(1 / up, 0.678))
        mood = 2 * noise(self.seed, 0, epoch_s / _MOOD_S)
        light = []
        for index, normal in enumerate(normals):
            facing = max(east * normal[0] + north * normal[1] + up * normal[2], 0.0)
            clear = 1 - 0.9 * min(mood * self._passing(epoch_s, 2 * index + 1), 1.0)
            light.append(beam * (clear * facing + 0.1 + 0.2 * (1 - clear) * up))
        return tuple(light), east > 0

    def _passing(self, epoch_s: float, stream: int) -> float:
        """Return how cloudy it is above one slope, from big clouds and small ones."""
        big = noise(self.seed, stream, epoch_s / _CLOUD_S)
        return 0.7 * big + 0.3 * noise(self.seed, stream + 1, epoch_s / _PUFF_S)


def unit(seed: int, stream: int, index: int) -> float:
    """Return a number in 0…1 that only depends on the arguments (SplitMix64's finaliser)."""
    z = (
        seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03 + index * 0x2545F4914F6CDD1D
    ) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (z ^ (z >> 31)) / _MASK


def noise(seed: int, stream: int, x: float) -> float:
    """Return a number in 0…1 that wanders smoothly with `x`, freely over steps of 1."""
    index = math.floor(x)
    part = x - index
    here, there = unit(seed, stream, index), unit(seed, stream, index + 1)
    return here + (there - here) * part * part * (3 - 2 * part)
