"""Which ECU may a stranger have us ask: what a target is written like, and which are allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Final, Self

from aps_exporter.errors import TargetError

__all__ = [
    "DEFAULT_PORTS",
    "Address",
    "Target",
    "TargetPolicy",
    "allowed_port",
    "allowed_target",
    "no_place_for_an_ecu",
    "parse_target",
]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DEFAULT_PORTS: Final = (80, 8899)
"""Where an ECU has its web pages, and where it answers the vendor's app."""


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, text.split()))


_PRIVATE = _networks("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7")
_LOOPBACK = _networks("127.0.0.0/8 ::1/128")
_CLOSED = {
    "loopback": "127.0.0.0/8 ::1/128",
    "a metadata service": (
        "169.254.169.0/24 169.254.170.0/24 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32 "
        "fd00:ec2::/32 fd20:ce::254/128 fd00:42::42/128 fd00:c1::a9fe:a9fe/128 fe80::a9fe:a9fe/128"
    ),
    "unspecified": "0.0.0.0/8 ::/128",
    "link-local": "169.254.0.0/16 fe80::/10 fec0::/10",
    "multicast": "224.0.0.0/4 ff00::/8",
    # mapped, translated, NAT64 twice, 6to4, Teredo, compatible
    "an IPv4 address in disguise": (
        "::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 2002::/16 2001::/32 ::/96"
    ),
    "for documentation or tests only": (
        "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 198.18.0.0/15 "
        "2001:db8::/32 3fff::/20 2001:2::/48"
    ),
    "reserved": (
        "192.0.0.0/24 192.88.99.0/24 240.0.0.0/4 ::/8 100::/64 2001::/23 5f00::/16 fe00::/9"
    ),
}
"""What may be asked only if it was opened on purpose: what the addresses are → networks.

Of several rows that fit, the first that wasn't opened tells why. From the special-purpose address
registries of IANA, and from the cloud vendors' documentation.
"""
_CLOSED_NETWORKS = tuple(
    (network, what) for what, row in _CLOSED.items() for network in _networks(row)
)

_LABEL = r"[0-9a-z_](?:[0-9a-z_-]{0,61}[0-9a-z_])?"
# A last label that reads as a number makes resolvers take the whole for an IPv4 address: 127.1,
# 0x7f000001 and 017700000001 are all 127.0.0.1.
_NAME = re.compile(rf"(?!(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\Z)(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_HOST_PORT = re.compile(
    r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]{2,45})\]|(?P<host>[0-9A-Za-z_.-]{1,253}))"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_LAST_PORT = 65_535
_SHAPE = (
    "target must be an address or a name, with :port where needed, "
    "such as 192.168.1.102, ecu.lan or [fd00::102]:80"
)
_PLAIN_NETWORK = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9]+)?")
_ENTRY_SHAPE = (
    "must be an address, a network or a name, "
    "such as 192.168.7.0/24, fd00:7::/64, ecu.lan or *.solar.example"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An ECU by its address, in the one way we write it."""

    host: str
    """Lower case; an IPv6 address is shortened and has no brackets."""
    port: int = 80

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"  # noqa: PLR2004 - as in a URL

    @property
    def address(self) -> Address | None:
        """The address; ``None`` when the host is a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


def parse_target(text: str) -> Target:
    """Parse what a stranger writes; raises `TargetError` for all that isn't plainly one host.

    Whatever two programs might read differently is refused: short, octal and hexadecimal IPv4,
    zones, a dot at the end, letters and digits beyond ASCII.
    """
    if "/" in text or "@" in text:
        raise TargetError("target must be the address alone, not a URL", 400)
    if text.count(":") > 1 and _BARE_IPV6.fullmatch(text):
        return Target(host=_ipv6(text))
    match = _HOST_PORT.fullmatch(text)
    if not match:
        raise TargetError(_SHAPE, 400)
    port = int(match["port"] or 80)
    if port > _LAST_PORT:
        raise TargetError("target has a port outside 1 to 65535", 400)
    host = _ipv6(match["bracketed"]) if match["bracketed"] else _ipv4_or_name(match["host"])
    return Target(host=host, port=port)


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError as error:
        raise TargetError(_SHAPE, 400) from error


def _ipv4_or_name(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError as error:
        name = text.lower()
        if not _NAME.fullmatch(name):
            raise TargetError(_SHAPE, 400) from error
    return name


def no_place_for_an_ecu(address: Address) -> str | None:
    """Say what this address is if no ECU can be there, whoever wrote it."""
    if _within(address, _LOOPBACK):
        return None
    return next((what for network, what in _CLOSED_NETWORKS if address in network), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPolicy:
    """Who may be asked though the configuration doesn't list them as an ECU.

    Without `allowed_targets` that is everybody at a private address, and at loopback if the
    exporter itself can be reached from there only. With `allowed_targets` it is who is in that
    list and nobody else: in a network, or called by a name, wherever that name leads but loopback.
    Addresses where no ECU can be stay closed, unless the list has that very kind of network or a
    part of it: ``0.0.0.0/0`` doesn't open ``169.254.0.0/16``, only naming it does.
    """

    networks: tuple[Network, ...] = _PRIVATE
    names: tuple[str, ...] = ()
    """Lower case; one that begins with a dot stands for all that end so."""
    ports: frozenset[int] = frozenset(DEFAULT_PORTS)
    loopback: bool = False

    @classmethod
    def of(
        cls,
        allowed_targets: Sequence[str] | None = None,
        allowed_ports: Sequence[int] = DEFAULT_PORTS,
        *,
        loopback: bool = False,
    ) -> Self:
        """Make the policy of a configuration; raises `ValueError` as `allowed_target` does."""
        ports = frozenset(allowed_ports)
        if allowed_targets is None:
            networks = (*_PRIVATE, *_LOOPBACK) if loopback else _PRIVATE
            return cls(networks=networks, ports=ports, loopback=loopback)
        entries = [_network_or_name(text) for text in allowed_targets]
        return cls(
            networks=tuple(entry for entry in entries if not isinstance(entry, str)),
            names=tuple(entry for entry in entries if isinstance(entry, str)),
            ports=ports,
            loopback=loopback,
        )

    def require(self, target: Target) -> None:
        """Refuse what can be refused without looking a name up; raises `TargetError`."""
        if target.port not in self.ports:
            raise TargetError(f"target {target} is not allowed: its port isn't", 403)
        if address := target.address:
            self.require_address(target, address)
        elif not self.networks and not self._named(target):
            raise TargetError(f"target {target} is not allowed: allowed_targets lacks it", 403)

    def require_address(self, target: Target, address: Address) -> None:
        """Refuse a target for where it is; raises `TargetError`.

        The address itself isn't told: who asks shall not use us to look names up.
        """
        if reason := self._objection(address, named=self._named(target)):
            it = "it is" if target.address else "it leads to an address that is"
            raise TargetError(f"target {target} is not allowed: {it} {reason}", 403)

    def _named(self, target: Target) -> bool:
        return any(
            target.host.endswith(name) if name.startswith(".") else target.host == name
            for name in self.names
        )

    def _objection(self, address: Address, *, named: bool) -> str | None:
        if named and self.loopback and _within(address, _LOOPBACK):
            return None
        allowed = [network for network in self.networks if address in network]
        for closed, what in _CLOSED_NETWORKS:
            if address in closed and not any(_is_part(network, closed) for network in allowed):
                return what
        return None if allowed or named else "neither configured nor among the allowed"


def allowed_target(text: str) -> str:
    """Check an entry of `allowed_targets`; raises `ValueError`."""
    _network_or_name(text)
    return text


def allowed_port(port: int) -> int:
    """Check an entry of `allowed_ports`; raises `ValueError`."""
    if not 1 <= port <= _LAST_PORT:
        raise ValueError("must be a port from 1 to 65535")
    return port


def _network_or_name(text: str) -> Network | str:
    name = text.lower().removeprefix("*")
    if _NAME.fullmatch(name.removeprefix(".")) and name.startswith(".") == text.startswith("*"):
        return name
    try:
        network = ip_network(text, strict=False)
        given = ip_interface(text).ip
    except ValueError as error:
        raise ValueError(_ENTRY_SHAPE) from error
    if not _PLAIN_NETWORK.fullmatch(text):
        raise ValueError(_ENTRY_SHAPE)
    if given != network.network_address:
        raise ValueError(f"must be a whole network: did you mean {network}?")
    return network


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _is_part(part: Network, whole: Network) -> bool:
    """Tell whether a network lies inside another, where both hold the same address."""
    return part.prefixlen >= whole.prefixlen
