"""One status, sent now: what `read` does for people who let cron publish."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aps_exporter.config import Settings
from aps_exporter.errors import PVOutputError
from aps_exporter.pvoutput.answers import Verdict, classify
from aps_exporter.pvoutput.client import Client, Service
from aps_exporter.pvoutput.link import said
from aps_exporter.pvoutput.operator import stored_system
from aps_exporter.pvoutput.policy import Fields, Policy, from_settings
from aps_exporter.pvoutput.records import Record, form, record_of
from aps_exporter.pvoutput.redact import install
from aps_exporter.pvoutput.sampler import sample_of
from aps_exporter.pvoutput.site import Site, host_zone
from aps_exporter.pvoutput.slots import slot_start
from aps_exporter.pvoutput.system import parse_system
from aps_exporter.summary import Summary

__all__ = ["publish_once", "send_once"]

log = logging.getLogger(__name__)

_WORDS: Final = 200
_ATTEMPTS: Final = 3
"""As it is, without what only donors may send, and without the energy."""


def publish_once(summary: Summary, settings: Settings) -> str | None:
    """Send a reading as `settings` say; gives PVOutput's words, such as ``OK 200: Added Status``.

    ``None``: there is nothing to send, for no panel that reported is online. Raises
    `PVOutputError` with PVOutput's own words when it refuses, and `ConfigError`.
    """
    account, policy = from_settings(settings)
    known = stored_system(settings.state_dir, account.system_id)
    undo = install(account.api_key)
    try:
        client, site = Client(account), Site(policy, known, host_zone())
        if not site.settled and summary.power_w is not None:
            _ask_system(client, site)
        return send_once(summary, client, policy, site)
    finally:
        undo()


def send_once(summary: Summary, service: Service, policy: Policy, site: Site) -> str | None:
    """Send a reading; what nobody ever asked getsystem about is tried, not left out."""
    site.hear_ecu(summary.reading.timezone)
    record, zone = _record(summary, site)
    if record is None:
        return None
    fields = policy.fields
    if policy.donation is False:
        fields = replace(fields, frequency_key=None)
    return _sent(record, zone, fields, service)


def _ask_system(service: Service, site: Site) -> None:
    """Ask how the owner set up the system; without an answer defaults serve."""
    try:
        answer = service.get_system()
    except PVOutputError as error:
        log.warning("PVOutput doesn't tell the system's interval and zone: %s", error)
        return
    if classify(answer) is Verdict.OK:
        site.learn(parse_system(answer.text), datetime.now(UTC))
    else:
        log.warning("PVOutput doesn't tell the system's interval and zone: %s", said(answer))


def _sent(record: Record, zone: ZoneInfo, fields: Fields, service: Service) -> str:
    """Send, and once more without what PVOutput objects to."""
    for _ in range(_ATTEMPTS):
        answer = service.add_status(form(record, zone, fields))
        words = said(answer, _WORDS)
        match classify(answer):
            case Verdict.OK:
                return words
            case Verdict.DONATION if fields.frequency_key is not None:
                fields = replace(fields, frequency_key=None)
            case Verdict.ENERGY if record.energy_wh is not None:
                record = replace(record, energy_wh=None, lifetime=False)
            case _ if answer.html:
                raise PVOutputError(f"PVOutput's place is taken by a page, status {answer.status}")
            case _:
                break
    raise PVOutputError(words)


def _record(summary: Summary, site: Site) -> tuple[Record | None, ZoneInfo]:
    """Make the record, stamped with the reading's own time in the system's zone.

    Without any zone the ECU's wall clock is the best that is known of local time.
    """
    reading = summary.reading
    zone, wall = site.zone, reading.newest_report
    at = reading.read_at
    if wall is not None:
        placed = reading.utc(wall)
        # A fast clock's row can't be from the future.
        at = min(placed, reading.read_at) if placed else wall.replace(tzinfo=UTC)
        if reading.timezone is None and site.policy.timezone is None:
            zone = ZoneInfo("UTC")  # the wall clock as it is
    sample = sample_of(summary, at)
    if sample is None:
        return None, zone
    record = record_of(slot_start(sample.at, zone, site.interval), [sample])
    wish = site.policy.energy
    energy_wh = sample.energy_today_wh if wish == "daily" else sample.energy_lifetime_wh
    if wish != "none" and energy_wh is not None and energy_wh >= 0:
        record = replace(record, energy_wh=round(energy_wh), lifetime=wish == "lifetime")
    return record, zone
