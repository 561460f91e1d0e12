"""Takes up a changed configuration while the exporter runs, or says why it can't."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aps_exporter.config_fleet import Configuration
from aps_exporter.errors import ConfigError
from aps_exporter.fleet import Fleet

__all__ = ["Reloader"]

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Reloader:
    """Reads the configuration anew, once at a time; safe to call from several threads."""

    load: Callable[[], Configuration]
    """Raises `ConfigError`."""
    fleet: Fleet
    now: Callable[[], float] = time.time
    successful: bool = field(default=True, init=False)
    """Whether the last configuration that was read is in force."""
    succeeded_at: float = field(init=False)
    """When that in force was read, in seconds since 1970."""
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        """Note that there is a configuration, or we wouldn't be here."""
        self.succeeded_at = self.now()

    def reload(self) -> None:
        """Put what is configured now in force; raises `ConfigError`, and then nothing changed."""
        with self._one_at_a_time:
            try:
                changes = self.fleet.apply(self.load())
            except ConfigError as error:
                self.successful = False
                for problem in error.problems:
                    log.error("the configuration stays as it was: %s", problem)  # noqa: TRY400 - the line says it all
                raise
            self.successful, self.succeeded_at = True, self.now()
            log.info(
                "configuration reloaded; of its ECUs %d go on, %d begin, %d have ended",
                changes.kept,
                changes.opened,
                changes.closed,
            )
