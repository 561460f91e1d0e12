"""The owner's view: what waits, what is dead and why, and whether the account works."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aps_exporter.config import Settings
from aps_exporter.errors import ConfigError, PVOutputError
from aps_exporter.pvoutput.answers import Verdict, classify
from aps_exporter.pvoutput.client import Client
from aps_exporter.pvoutput.link import said
from aps_exporter.pvoutput.outbox import Outbox
from aps_exporter.pvoutput.policy import from_settings, policy_of
from aps_exporter.pvoutput.records import Source
from aps_exporter.pvoutput.rows import SCRIPTS, Entry, State
from aps_exporter.pvoutput.site import Site, host_zone
from aps_exporter.pvoutput.store import FILE_NAME, Store
from aps_exporter.pvoutput.system import parse_system

__all__ = [
    "OutboxRow",
    "check_online",
    "outbox_drop",
    "outbox_list",
    "outbox_retry",
    "stored_system",
]


_NAME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2})?")
_DAY: Final = len("2026-03-01")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A record as its owner sees it."""

    when: str
    """The slot in the system's zone: ``2026-03-01 12:05``."""
    state: State
    power_w: int
    source: Source
    attempts: int
    error: str
    """PVOutput's last words about it."""


def outbox_list(settings: Settings) -> list[OutboxRow]:
    """List what waits and what is dead, oldest first. Raises `ConfigError`."""
    with _opened(settings) as (outbox, site):
        return [
            OutboxRow(
                when=_when(entry, site),
                state=entry.state,
                power_w=entry.record.power_w,
                source=entry.record.source,
                attempts=entry.attempts,
                error=entry.error,
            )
            for entry in (outbox.entries("pending", "dead") if outbox else [])
        ]


def outbox_retry(settings: Settings, which: Sequence[str] = ()) -> int:
    """Let dead records try again, all or those of these days or slots; counts them.

    A day is named ``2026-03-01``, a slot ``2026-03-01 12:05``. Raises `ConfigError`.
    """
    wanted = _wanted(which)
    with _opened(settings) as (outbox, site):
        if outbox is None:
            return 0
        chosen = _named(outbox.entries("dead"), wanted, site)
        outbox.revive(chosen)
        return len(chosen)


def outbox_drop(settings: Settings, which: Sequence[str] = ()) -> int:
    """Forget dead records, or whatever was named, as in `outbox_retry`; counts them."""
    wanted = _wanted(which)
    with _opened(settings) as (outbox, site):
        if outbox is None:
            return 0
        entries = outbox.entries("pending", "dead") if wanted else outbox.entries("dead")
        chosen = _named(entries, wanted, site)
        outbox.drop(chosen)
        return len(chosen)


def check_online(settings: Settings) -> list[str]:
    """Ask PVOutput about the account and say what it knows, a line each.

    Raises `PVOutputError` with PVOutput's own words when it refuses, and `ConfigError`.
    """
    account, policy = from_settings(settings)
    answer = Client(account).get_system()
    if classify(answer) is not Verdict.OK:
        raise PVOutputError(said(answer))
    site = Site(policy, {}, host_zone())
    system = parse_system(answer.text)
    site.learn(system, datetime.now(UTC))
    ours = policy.timezone
    zones = f"Time zone: {system.timezone or 'not told'}"
    if site.agrees is None:
        zones += f"; here it is {site.zone.key}"
    elif site.agrees:
        zones += ", as here"
    else:
        zones += f", but here it is {ours}: the day will be shifted"
    rounded = policy.interval not in {None, system.interval} and system.interval is not None
    return [
        "PVOutput accepts the key",
        f"System {account.system_id}: {system.name or 'without a name'}"
        + (f", {system.size_w} W" if system.size_w else ""),
        f"Status interval: {system.interval or 'not told'} minutes"
        + (f", but pvoutput.interval is {policy.interval}" if rounded else ""),
        zones,
        f"Donation: {'not told' if system.donation is None else _yes(system.donation)}"
        + ("" if policy.donation is None else f"; pvoutput.donation is {_yes(policy.donation)}"),
    ]


def stored_system(state_dir: Path, system_id: str) -> dict[str, object]:
    """Look up what getsystem told the sidecar; empty if it never ran, or nothing can be read."""
    path = state_dir / FILE_NAME
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            row = db.execute(
                "SELECT value FROM outbox_notes WHERE system = ? AND name = 'system'", (system_id,)
            ).fetchone()
            known = json.loads(row[0]) if row else {}
    except (sqlite3.Error, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Outbox | None, Site]]:
    """Open the outbox that a sidecar left, or fills just now; there may be none."""
    system_id, policy = settings.pvoutput.system_id, policy_of(settings)
    if system_id is None:
        raise ConfigError("pvoutput.system_id: needed to know whose outbox it is")
    path = settings.state_dir / FILE_NAME
    if not path.exists():
        yield None, Site(policy, {}, host_zone())
        return
    store = Store(settings.state_dir, "outbox", SCRIPTS)
    try:
        if store.in_memory:
            raise ConfigError(f"{path}: can't be opened")
        outbox = Outbox(store, system_id)
        yield outbox, Site(policy, outbox.note("system"), host_zone())
    except sqlite3.Error as error:
        raise ConfigError(f"{path}: {error}") from error
    finally:
        store.close()


def _wanted(which: Sequence[str]) -> list[str]:
    """Check the names of days and slots, and write them as `_when` does."""
    for name in which:
        if _NAME.fullmatch(name) is None:
            raise ConfigError(f"{name!r}: name a day as 2026-03-01, or a slot as 2026-03-01 12:05")
    return [name.replace("T", " ") for name in which]


def _named(entries: Sequence[Entry], wanted: Sequence[str], site: Site) -> list[Entry]:
    """Choose the records of these days or slots; all if none is named."""
    return [
        entry
        for entry in entries
        if not wanted or not {_when(entry, site), _when(entry, site)[:_DAY]}.isdisjoint(wanted)
    ]


def _when(entry: Entry, site: Site) -> str:
    return f"{entry.record.start.astimezone(site.zone):%Y-%m-%d %H:%M}"


def _yes(value: bool) -> str:  # noqa: FBT001  it is the thing itself
    return "yes" if value else "no"
