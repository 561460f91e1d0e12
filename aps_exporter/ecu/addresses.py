"""From a host to a connected socket: looked up once, checked, connected to what was checked."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from aps_exporter.deadline import Deadline
from aps_exporter.errors import EcuUnreachableError
from aps_exporter.targets import Address, Target, TargetPolicy, no_place_for_an_ecu

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["DeadlineSocket", "Resolve", "SocketAddress", "connect", "guarded", "resolve"]

_SHORTEST: Final = 1e-6
"""Seconds; a socket takes 0 for "don't wait at all"."""


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """Where to connect to, with nothing left to look up."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int]
    """As `socket.socket.connect` takes it: numeric address, port; for IPv6 flow and scope, too."""

    @property
    def ip(self) -> Address:
        """The address alone."""
        return ip_address(self.sockaddr[0])


Resolve = Callable[[str, int], Sequence[SocketAddress]]
"""Takes host and port; returns at least one address to which one may connect.

Raises `EcuUnreachableError`, and `TargetError` where strangers name targets. It may take longer
than any deadline: name servers do.
"""


def look_up(host: str, port: int) -> Sequence[SocketAddress]:
    """Ask the resolver; raises `EcuUnreachableError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EcuUnreachableError("the ECU's name does not resolve") from error
    return tuple(
        SocketAddress(family, sockaddr)  # type: ignore[arg-type]  # (int, bytes): never with IPv6
        for family, _, _, _, sockaddr in found
    )


def resolve(host: str, port: int, look_up: Resolve = look_up) -> Sequence[SocketAddress]:
    """Find an ECU of the configuration; raises `EcuUnreachableError`.

    An address that the operator wrote is good as it is; a name must lead where ECUs can be.
    """
    if literal := _literal(host, port):
        return (literal,)
    addresses = look_up(host, port)
    # Machines that announce themselves do so with a link-local address beside the real one.
    addresses = [address for address in addresses if not _is_link_local_v6(address)] or addresses
    for address in addresses:
        if meaning := no_place_for_an_ecu(address.ip):
            message = f"the ECU's name leads to {address.ip}, which is {meaning}"
            raise EcuUnreachableError(message)
    return addresses


def guarded(policy: TargetPolicy, look_up: Resolve = look_up) -> Resolve:
    """Make what finds a target that a stranger named, if `policy` allows it.

    One address that isn't allowed refuses the name: its other addresses are a lure.
    """
    return partial(_resolve_guarded, policy, look_up)


def _resolve_guarded(
    policy: TargetPolicy, look_up: Resolve, host: str, port: int
) -> Sequence[SocketAddress]:
    target = Target(host=host, port=port)
    policy.require(target)
    if target.address and (literal := _literal(host, port)):
        return (literal,)
    addresses = look_up(host, port)
    for address in addresses:
        policy.require_address(target, address.ip)
    return addresses


def connect(addresses: Sequence[SocketAddress], deadline: Deadline) -> DeadlineSocket:
    """Connect to the first that answers; each may take its share of the time that is left.

    Raises `OSError`: how the last one failed, or `TimeoutError` once the deadline has passed.
    """
    failure: OSError = TimeoutError()
    for untried, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        patience = deadline.remaining() / untried
        if not patience:
            raise TimeoutError
        try:
            return _connect(address, deadline, patience)
        except OSError as error:
            failure = error
    raise failure


class DeadlineSocket(socket.socket):
    """A socket whose timeout counts for all that is still to come, not for each call."""

    deadline: Deadline

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        """Receive what has arrived; raises `TimeoutError` once the deadline has passed."""
        self.settimeout(max(self.deadline.remaining(), _SHORTEST))
        return super().recv_into(buffer, nbytes, flags)


def _connect(address: SocketAddress, deadline: Deadline, patience: float) -> DeadlineSocket:
    sock = DeadlineSocket(address.family, socket.SOCK_STREAM)
    try:
        sock.deadline = deadline
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(max(patience, _SHORTEST))
        sock.connect(address.sockaddr)
        sock.settimeout(max(deadline.remaining(), _SHORTEST))
    except OSError:
        sock.close()
        raise
    return sock


def _literal(host: str, port: int) -> SocketAddress | None:
    """Make the address of a host that is written as one, which spares the look-up."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        return None
    return SocketAddress(family, (host, port))


def _is_link_local_v6(address: SocketAddress) -> bool:
    ip = address.ip
    return isinstance(ip, IPv6Address) and ip.is_link_local
