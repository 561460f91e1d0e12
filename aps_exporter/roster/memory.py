"""Remembers a roof: at once in memory, soon after in the state file, for a restart."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aps_exporter.model import Reading
from aps_exporter.roster.members import Key, Member, Members, changes
from aps_exporter.roster.table import load, save
from aps_exporter.state import Signature, StateFile, is_busy

__all__ = ["Memory"]

log = logging.getLogger(__name__)

PATIENCE_S: Final = 1.0
"""How long the first reading waits for a locked file, as it is while its last user leaves."""
RETRY_S: Final = 60.0
MOST_MEMBERS: Final = 10_000
"""More than any ECU has; a page of invented ids must not fill memory and disk."""

_DISK_ERRORS: Final = (sqlite3.Error, OSError)


@dataclass(slots=True, kw_only=True)
class Memory:
    """The members of one ECU's roof.

    Readings never wait for the disk: they change the memory, and a thread of its own stores the
    changes. What fails to be stored stays changed, and is tried again. What others store, first of
    all `aps-exporter roster`, is taken up at the next reading.
    """

    ecu: str = ""
    """Tells rosters in one file apart."""
    file: StateFile | None = None
    """``None`` remembers until the process ends."""
    monotonic: Callable[[], float] = time.monotonic
    _members: dict[Key, Member] = field(default_factory=dict, init=False)
    _unsaved: dict[Key, Member] = field(default_factory=dict, init=False)
    _signature: Signature | None = field(default=None, init=False)
    _saver: threading.Thread | None = field(default=None, init=False)
    _retry_at: float = field(default=0.0, init=False)
    _failing: bool = field(default=False, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def prepare(self) -> None:
        """Open the file, so that a folder that can't be written shows at the start."""
        if self.file is None:
            return
        try:
            self.file.write(lambda _: None)
        except _DISK_ERRORS as error:
            with self._lock:
                self._failed(self.file, error)

    def observe(self, reading: Reading) -> Members:
        """Take in a reading, and give all members as they are after it."""
        with self._lock:
            self._catch_up()
            for member in changes(self._members, reading):
                if member.key in self._members or len(self._members) < MOST_MEMBERS:
                    self._members[member.key] = self._unsaved[member.key] = member
            self._save_soon()
            return dict(self._members)

    def close(self) -> None:
        """Store what isn't yet; wait for that."""
        with self._lock:
            saver = self._saver
        if saver:
            saver.join()
        if self.file and self._unsaved:
            self._save(self.file)

    def _catch_up(self) -> None:
        """Take up what the file says, if it changed."""
        if self.file is None:
            return
        signature = self.file.signature()
        if signature is not None and signature == self._signature:
            return
        try:
            stored = load(self.file, self.ecu, patience_s=0 if self._members else PATIENCE_S)
        except _DISK_ERRORS as error:
            if not is_busy(error):
                self._failed(self.file, error)
            return
        self._signature = signature
        for member in stored.values():
            known = self._members.get(member.key)
            self._members[member.key] = known.merged(member) if known else member
        # Whoever set a damaged file aside, here is what to fill the new one with.
        self._unsaved |= {k: v for k, v in self._members.items() if k not in stored}

    def _save_soon(self) -> None:
        """Have the changes stored, unless that is going on or has just failed."""
        if self.file is None or not self._unsaved or self.monotonic() < self._retry_at:
            return
        if self._saver is None or not self._saver.is_alive():
            self._saver = threading.Thread(target=self._save, args=(self.file,), daemon=True)
            self._saver.start()

    def _save(self, file: StateFile) -> None:
        with self._lock:
            unsaved = dict(self._unsaved)
        try:
            save(file, self.ecu, unsaved.values())
        except _DISK_ERRORS as error:
            with self._lock:
                self._failed(file, error)
            return
        with self._lock:
            self._signature = None
            for key, member in unsaved.items():
                if self._unsaved.get(key) is member:
                    del self._unsaved[key]
            if self._failing:
                self._failing = False
                log.info("%s: the roster is stored again", file.path)

    def _failed(self, file: StateFile, error: Exception) -> None:
        """Say so once, and let the disk rest."""
        self._retry_at = self.monotonic() + RETRY_S
        if not self._failing:
            self._failing = True
            log.warning(
                "%s: %s: the roster can't be stored, and lasts until the exporter ends",
                file.path,
                getattr(error, "strerror", None) or error,
            )
