"""The owner's wishes for PVOutput, as the forwarder wants them: whom to send to, and what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aps_exporter.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from aps_exporter.config import Settings

__all__ = ["Account", "Energy", "Fields", "Policy", "from_settings", "policy_of"]

Energy = Literal["none", "daily", "lifetime"]
"""Which of the ECU's counters becomes v1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where to send, and as whom."""

    base_url: str
    system_id: str
    api_key: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Which optional values go out; power always does."""

    temperature: bool = True
    voltage: bool = True
    frequency_key: str | None = None
    """``v7`` … ``v12``, all donation-only at PVOutput; ``None`` sends no frequency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How to forward; ``None`` where getsystem is to be asked."""

    fields: Fields = Fields()
    timezone: str | None = None
    interval: int | None = None
    """Minutes."""
    donation: bool | None = None
    energy: Energy = "none"
    backfill_from_ecu: bool = True


def from_settings(settings: Settings) -> tuple[Account, Policy]:
    """Pick what matters out of the configuration.

    Raises `ConfigError` when the key or the system id is missing: a configuration that doesn't
    publish needs neither.
    """
    pvoutput = settings.pvoutput
    if pvoutput.api_key is None or pvoutput.system_id is None:
        missing = [name for name in ("api_key", "system_id") if getattr(pvoutput, name) is None]
        raise ConfigError(*(f"pvoutput.{name}: needed to speak to PVOutput" for name in missing))
    account = Account(
        base_url=pvoutput.base_url, system_id=pvoutput.system_id, api_key=pvoutput.api_key
    )
    return account, policy_of(settings)


def policy_of(settings: Settings) -> Policy:
    """Pick the wishes out of the configuration; they need no credentials."""
    pvoutput = settings.pvoutput
    return Policy(
        fields=Fields(
            temperature=pvoutput.send_temp,
            voltage=pvoutput.send_voltage,
            frequency_key=pvoutput.send_freq_key if pvoutput.send_freq else None,
        ),
        timezone=settings.timezone,
        interval=None if pvoutput.interval == "auto" else pvoutput.interval,
        donation=None if pvoutput.donation == "auto" else pvoutput.donation,
        energy=pvoutput.energy,
        backfill_from_ecu=pvoutput.backfill_from_ecu,
    )
