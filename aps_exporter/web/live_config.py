"""The web configuration as it is now: read again whenever one of its files has changed."""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aps_exporter.errors import ConfigError
from aps_exporter.web.tls import files_of, make_context
from aps_exporter.web.web_config import WebConfig, parse_tls, parse_web_config, read_yaml

__all__ = ["LiveWebConfig", "LoadedWebConfig", "load_web_config"]

_SETTLED_S: Final = 1.0
"""A file that is younger may change again without its time of change showing it."""

_Signature = tuple[tuple[int, ...] | None, ...]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedWebConfig:
    """A web configuration with everything that its files say."""

    config: WebConfig
    context: ssl.SSLContext | None
    """Shakes hands; ``None`` without TLS."""
    files: tuple[Path, ...]


def load_web_config(file: Path) -> LoadedWebConfig:
    """Read a web configuration; raises `ConfigError` with everything that is wrong."""
    problems: list[str] = []
    context = None
    try:
        data = read_yaml(_content(file))
        tls = parse_tls(data)
        try:
            context = make_context(tls, file.parent) if tls else None
        except ConfigError as error:
            problems += error.problems
        config = parse_web_config(data)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(*(f"{file}: {problem}" for problem in problems))
    files = (file, *(files_of(tls, file.parent) if tls else ()))
    return LoadedWebConfig(config=config, context=context, files=files)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no path"
        raise ConfigError(f"can't be read: {reason}") from error


class LiveWebConfig:
    """Gives the web configuration as its files are now; for one thread."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        """Read it for the first time; raises `ConfigError`."""
        self._file = file
        self._clock = clock
        self._loaded = load_web_config(file)
        self._seen: _Signature = ()
        self._complaint = ""
        self.tls = self._loaded.context is not None
        """Whether TLS is spoken, which is decided once and for all."""

    def current(self) -> LoadedWebConfig:
        """Give it as it is; while it is broken raise `ConfigError`, and log that once."""
        files = self._loaded.files
        signature = tuple(_signature(file) for file in files)
        if signature == self._seen:
            return self._loaded
        try:
            loaded = load_web_config(self._file)
        except ConfigError as error:
            if self._complaint != str(error):
                self._complaint = str(error)
                _log.error("nobody is served, the web configuration is broken: %s", error)
            raise
        is_sure = loaded.files == files and self._settled(signature)
        self._seen = signature if is_sure else ()
        self._tell(loaded)
        self._loaded, self._complaint = loaded, ""
        return loaded

    def _settled(self, signature: _Signature) -> bool:
        """Say whether a further change is sure to show."""
        newest_ns = max(part[0] for part in signature if part)
        return abs(self._clock() - newest_ns / 1e9) > _SETTLED_S

    def _tell(self, loaded: LoadedWebConfig) -> None:
        """Log what is new in the configuration itself; certificates come and go unnoticed."""
        if loaded.config != self._loaded.config:
            _log.info("the web configuration has changed")
            if self.tls != (loaded.context is not None):
                _log.warning("TLS can't be switched on or off while running: start again for that")
        elif self._complaint:
            _log.info("the web configuration is whole again")


def _signature(file: Path) -> tuple[int, ...] | None:
    """Tell one state of a file from another; ``None`` when there is none."""
    try:
        found = os.stat(file)  # noqa: PTH116 - a microsecond for each request is enough
    except (OSError, ValueError):
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)
