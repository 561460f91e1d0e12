"""A listening socket that is a file: for who owns it and its group, and gone when it is closed."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import Final

from aps_exporter.errors import ConfigError

__all__ = ["listen_on_path"]

MODE: Final = 0o660


def listen_on_path(path: str, backlog: int) -> socket.socket:
    """Listen on a socket file, in place of one that somebody left behind."""
    if not path:  # the kernel would make up a name
        raise ConfigError("can't listen on unix: without a path")
    try:
        _clear(path)
        return _SocketFile(path, backlog)
    except (OSError, ValueError) as error:  # ValueError: a path that can't be one
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"can't listen on unix:{path}: {reason}") from error


class _SocketFile(socket.socket):
    """A listening socket that takes its file along."""

    def __init__(self, path: str, backlog: int) -> None:
        """Listen; only then does anybody get in, and the file's mode is right by then."""
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self._file: Path | None = None
        try:
            self.bind(path)
            self._file = Path(path).absolute()
            self._inode = self._file.stat().st_ino
            self._file.chmod(MODE)
            self.listen(backlog)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close, and remove the file, unless it is another's by now."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # removed or moved away before us
                if file.stat().st_ino == self._inode:
                    file.unlink()
        super().close()


def _clear(path: str) -> None:
    """Remove a socket file that nobody listens on; raises `ConfigError` for anything else."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"can't listen on unix:{path}: a file that is no socket is in the way")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # noqa: FBT003 - the standard library's way
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108 - as lstat above
            return
        except BlockingIOError:  # its queue is full: it lives
            pass
    raise ConfigError(f"can't listen on unix:{path}: another program listens there")
