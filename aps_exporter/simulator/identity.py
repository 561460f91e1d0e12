"""Which ECU is simulated: its id, its firmware, and the ways of its TCP port."""

from __future__ import annotations

from dataclasses import dataclass

from aps_exporter.simulator.frames import FrameStyle
from aps_exporter.simulator.settings import Family, SimulatorSettings

__all__ = ["Identity", "identify"]

_LATE = FrameStyle(group="12", tail=b"00" + bytes(10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An ECU on its shelf."""

    ecu_id: str
    firmware: str
    """As the home page has it."""
    tcp_firmware: str = ""
    """As it is told over TCP."""
    tcp_zone: str | None = None
    """What it takes for its time zone over TCP, where that never was set right."""
    style: FrameStyle = _LATE
    keeps_connection: bool = False
    """It takes further commands on a connection; the others want a new one for each."""
    calls_qt2_yc1000: bool = False
    """It has a QT2's record say that it is a YC1000's."""
    tells_contact: bool = True
    """It says over TCP when it last reached its maker."""

    @property
    def macs(self) -> tuple[bytes, bytes]:
        """Invent locally administered addresses, of the wired and the wireless port."""
        wired, wireless = (bytes((2, port)) + bytes.fromhex(self.ecu_id[-8:]) for port in (0, 1))
        return wired, wireless


_BY_FAMILY: dict[Family, Identity] = {
    "cgi": Identity(ecu_id="203000099999", firmware="V3.10.5"),
    "php": Identity(ecu_id="203000099999", firmware="V4.1.6"),
    "php-dc": Identity(ecu_id="216200099999", firmware="2.0.2", tcp_firmware="ECU_R_PRO_2.0.2"),
    "php-3phase": Identity(ecu_id="215000099999", firmware="C1.1.9", tcp_firmware="ECU-C-Z_C1.1.9"),
}
_EARLY_ECU_C = Identity(ecu_id="215000099998", firmware="C1.1.9", tcp_firmware="ECU-C-Z_C1.1.9")
"""With the pages of a V4."""
_ECU_R = Identity(
    ecu_id="216000099999",
    firmware="ECU_R_1.3.6C",
    tcp_firmware="ECU_R_1.3.6C",
    tcp_zone="Etc/GMT-8",
    style=FrameStyle(),
    keeps_connection=True,
    calls_qt2_yc1000=True,
    tells_contact=False,
)
"""Never had pages."""


def identify(settings: SimulatorSettings) -> Identity:
    """Find the ECU that has these pages and this port."""
    if not settings.has_pages:
        return _ECU_R
    if settings.family == "php" and settings.has_tcp:
        return _EARLY_ECU_C
    return _BY_FAMILY[settings.family]
