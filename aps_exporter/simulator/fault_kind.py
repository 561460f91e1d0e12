"""What a fault of the simulated ECU is: name, argument, and what it does to which values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aps_exporter.model import EcuInfo, Inverter
from aps_exporter.simulator.frames import Entry

__all__ = ["WHICH", "Fault", "FaultKind", "concerns", "is_number", "is_serial_or_all"]

WHICH = "a serial of twelve digits, or all"
_SERIAL = re.compile(r"\d{12}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that is switched on."""

    name: str
    argument: str = ""

    def __str__(self) -> str:
        """Write the fault as `faults.parse_fault` reads it."""
        return f"{self.name}={self.argument}" if self.argument else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """What a fault does, and what stands behind its ``=``."""

    name: str
    help: str
    argument: str = ""
    """What the argument is, for people; empty: there is none."""
    default: str | None = None
    """The argument that is meant when none is written; ``None``: it must be written."""
    valid: Callable[[str], bool] = lambda _: True
    change: Callable[[Inverter, str, datetime], Inverter] | None = None
    """What the fault makes of an inverter, given its argument and the sweep's time."""
    names_inverter: bool = False
    """Whether the argument is somebody on this roof."""
    info: Callable[[EcuInfo, str], EcuInfo] | None = None
    """What the fault makes of what the ECU says about itself, on pages and over TCP."""
    tcp_info: Callable[[EcuInfo, str], EcuInfo] | None = None
    """The same, over TCP alone."""
    entries: Callable[[tuple[Entry, ...], str, EcuInfo], tuple[Entry, ...]] | None = None
    """What the fault makes of the list of inverters that goes over TCP."""
    frame: Callable[[bytes, str], bytes] | None = None
    """What the fault makes of a reply over TCP."""


def is_number(low: float, high: float) -> Callable[[str], bool]:
    """Make a check for numbers in a range, both ends included."""

    def valid(text: str) -> bool:
        try:
            return math.isfinite(float(text)) and low <= float(text) <= high
        except ValueError:
            return False

    return valid


def is_serial_or_all(text: str) -> bool:
    """Check what `WHICH` says."""
    return text == "all" or _SERIAL.fullmatch(text) is not None


def concerns(inverter: Inverter, argument: str) -> bool:
    """Say whether such an argument means this inverter."""
    return argument in ("all", inverter.serial)
