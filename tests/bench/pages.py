"""The pages to measure with: written by the simulator, at noon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.gateway import PATHS, Gateway
from aps_exporter.simulator.settings import Family, SimulatorSettings

__all__ = ["CHANNELS", "Pages", "write_pages"]

CHANNELS: dict[Family, int] = {"cgi": 2, "php": 4, "php-dc": 4, "php-3phase": 4}
"""Panels of the inverter that a family usually has."""
_SWEEP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What an ECU shows after one sweep."""

    table: bytes
    home: bytes
    table_path: str
    home_path: str


def write_pages(family: Family, panels: int, sweeps: int = 1) -> list[Pages]:
    """Write the pages of consecutive sweeps around now, in the zone where it is noon right now."""
    now = datetime.now(UTC)
    offset = (12 - now.hour + 12) % 24 - 12
    settings = SimulatorSettings(
        family=family,
        inverters=panels // CHANNELS[family],
        timezone=f"Etc/GMT{-offset:+d}",
        longitude=15.0 * offset,
        latitude=0.0,
    )
    paths = {name: path for path, name in PATHS[family.partition("-")[0]].items()}
    written = []
    for number in range(sweeps):
        clock = Clock(now + (number - sweeps // 2) * _SWEEP, speed=0)
        gateway = Gateway(settings, clock)
        table, home = (gateway.page(paths[name], "http://127.0.0.1") for name in ("table", "home"))
        assert table is not None
        assert home is not None
        written.append(
            Pages(table=table, home=home, table_path=paths["table"], home_path=paths["home"])
        )
    return written
