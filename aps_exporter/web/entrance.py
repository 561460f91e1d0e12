"""Where clients come in, and what they have to show there, as the command line says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Entrance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """Where clients come in, and what they have to show there."""

    addresses: Sequence[str] = ()
    """See `listen`."""
    systemd: bool = False
    """Serve on the sockets that systemd has opened, in place of the addresses."""
    config_file: Path | None = None
    """The web configuration: TLS, passwords and so on."""
    health_without_auth: bool = False
    """The health paths want no password."""
