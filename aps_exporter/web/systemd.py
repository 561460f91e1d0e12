"""The sockets that systemd has opened for us, as `sd_listen_fds(3)` describes it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Final

from aps_exporter.errors import ConfigError

__all__ = ["systemd_sockets"]

FIRST: Final = 3
_OWN: Final = "--web.systemd-socket: "


def systemd_sockets(environ: Mapping[str, str]) -> list[socket.socket]:
    """Take over the listening sockets that were passed; that there are none is a `ConfigError`."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal() or not int(count):
        raise ConfigError(f"{_OWN}systemd has passed no socket; is there a .socket unit for us?")
    with contextlib.ExitStack() as undo:
        sockets = [undo.enter_context(_take(fd)) for fd in range(FIRST, FIRST + int(count))]
        undo.pop_all()
    return sockets


def _take(descriptor: int) -> socket.socket:
    """Make a socket of a descriptor that was passed."""
    try:
        taken = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ConfigError(f"{_OWN}what was passed as {descriptor} is no socket") from error
    is_listening = taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if taken.type != socket.SOCK_STREAM or not is_listening:
        taken.detach()
        raise ConfigError(f"{_OWN}what was passed as {descriptor} takes no connections")
    taken.set_inheritable(False)
    return taken
