"""Asks the TCP service of an ECU: four commands that only read, each in its own connection.

An ECU-R keeps a connection for 15 s, an ECU-R-Pro or ECU-C takes one command in each; so all get a
new one, and it is closed in order, for a port with connections left half open hangs.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import Final

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.addresses import Resolve, connect, resolve
from aps_exporter.ecu.frames import complete, frame_length
from aps_exporter.ecu.web import LATE
from aps_exporter.errors import EcuError, EcuPageError, EcuTimeoutError, EcuUnreachableError

__all__ = ["PORT", "Command", "Connect", "dial", "exchange"]

Connect = Callable[[Deadline], socket.socket]
"""Opens a connection to the TCP service; raises `OSError` or `EcuError`."""

PORT: Final = 8899
GOODBYE_S: Final = 0.25
"""How long an ECU has to close its side."""

_CHUNK: Final = 1 << 14
_ECU_ID: Final = re.compile(r"[0-9]{12}")


class Command(Enum):
    """What an ECU may be asked; all else that the service knows changes something."""

    SYSTEM = "0001"
    INVERTERS = "0002"
    SIGNALS = "0030"
    CURVE = "0003"


def dial(host: str, port: int = PORT, resolve: Resolve = resolve) -> Connect:
    """Make the function that connects to a host, looking its address up each time."""
    return lambda deadline: connect(resolve(host, port), deadline)


def exchange(
    command: Command,
    open_port: Connect,
    deadline: Deadline,
    *,
    ecu_id: str | None = None,
    day: date | None = None,
) -> bytes:
    """Send one command and give the reply, as long as it says it is; always closes the connection.

    `ecu_id` goes with every command but `SYSTEM`, and `day` with `CURVE`. Raises
    `EcuUnreachableError`; `EcuTimeoutError` when the deadline passes, whatever the ECU drips;
    `EcuPageError` for an answer that is no reply or stops short.
    """
    request = _request(command, ecu_id, day)
    try:
        with open_port(deadline) as connection:
            connection.settimeout(_left(deadline))
            connection.sendall(request)
            try:
                return _reply(connection, deadline, command)
            finally:
                _part(connection, deadline)
    except OSError as error:
        raise _translated(error, deadline) from error


def _request(command: Command, ecu_id: str | None, day: date | None) -> bytes:
    """Write ``APS`` ``11``, the length of all, the command, the ECU's id, ``END``, line feed."""
    said = Command(command).value
    if command is not Command.SYSTEM:
        if not _ECU_ID.fullmatch(ecu_id or ""):
            message = f"an ECU's id has 12 digits, not {ecu_id!r}"
            raise ValueError(message)
        said += f"{ecu_id}"
    said += "END"
    if command is Command.CURVE:
        if day is None:
            message = "a curve is that of a day"
            raise ValueError(message)
        said += f"{day.year:04}{day.month:02}{day.day:02}END"
    return f"APS11{len(said) + 9:04}{said}\n".encode("ascii")


def _reply(connection: socket.socket, deadline: Deadline, command: Command) -> bytes:
    """Receive what the reply says it is long, four digits at most; a line feed may follow it."""
    buffer = bytearray()
    while not complete(buffer):
        connection.settimeout(_left(deadline))
        try:
            some = connection.recv(_CHUNK)
        except TimeoutError as error:
            if not buffer:
                raise
            message = f"{LATE}: its answer to {command.value} stopped after {len(buffer)} bytes"
            raise EcuTimeoutError(message) from error
        if not some and buffer:
            message = f"the ECU's answer to {command.value} is cut off after {len(buffer)} bytes"
            raise EcuPageError(message, "page_truncated")
        if not some:
            raise ConnectionAbortedError
        buffer += some
    length = frame_length(buffer) or 0
    return bytes(buffer[:length])


def _part(connection: socket.socket, deadline: Deadline) -> None:
    """Say goodbye, and let the ECU do so; what goes wrong now can't hurt the reply."""
    until = Deadline.after(min(GOODBYE_S, deadline.remaining()))
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while until.remaining():
            connection.settimeout(_left(until))
            if not connection.recv(_CHUNK):
                return


def _translated(error: OSError, deadline: Deadline) -> EcuError:
    """Tell silence, refusal and a broken connection from one another."""
    if isinstance(error, TimeoutError) or deadline.remaining() == 0:
        return EcuTimeoutError(LATE)
    if isinstance(error, ConnectionRefusedError):
        return EcuUnreachableError("the ECU refuses the connection")
    if isinstance(error, ConnectionError):
        return EcuUnreachableError("the ECU closed the connection without an answer")
    return EcuUnreachableError(f"the ECU can't be reached: {error.strerror or error}")


def _left(deadline: Deadline) -> float:
    """Give a socket its timeout; 0 would make it not wait at all."""
    return max(deadline.remaining(), 1e-6)
