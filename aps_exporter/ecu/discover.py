"""Finds ECUs on a local network: few addresses, a few at a time, known by what only ECUs say."""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.pages import parse_home, parse_table
from aps_exporter.ecu.web import Fetch, fetch
from aps_exporter.errors import ConfigError, EcuError
from aps_exporter.model import EcuInfo, Interface

__all__ = ["Found", "Knocker", "addresses_of", "local_networks", "sweep"]

MOST_ADDRESSES: Final = 1024
AT_ONCE: Final = 8
PAUSE_S: Final = 0.02
"""Between two hosts, so that a small router's table of connections isn't flooded."""
KNOCK_S: Final = 0.7
ASK_S: Final = 5.0
HOMES: Final[tuple[tuple[Interface, str], ...]] = (
    ("php", "/index.php/home"),
    ("cgi", "/cgi-bin/home"),
)
TABLES: Final[tuple[tuple[Interface, str], ...]] = (
    ("php", "/index.php/realtimedata"),
    ("cgi", "/cgi-bin/parameters"),
)
ROUTES: Final = Path("/proc/net/route")

_UP: Final = 0x1
_ECU_ID: Final = re.compile(r"[0-9]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An ECU, and what it said about itself."""

    address: str
    interfaces: tuple[Interface, ...]
    ecu: EcuInfo

    def __str__(self) -> str:
        """Say it in one line."""
        ecu = self.ecu
        said = (
            self.address,
            f"ECU {ecu.ecu_id}" if ecu.ecu_id else "an ECU",
            ecu.firmware and f"firmware {ecu.firmware}",
            f"interface {' + '.join(self.interfaces)}",
            None if ecu.inverters is None else f"{ecu.inverters} inverters",
        )
        return "  ".join(part for part in said if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Knocker:
    """Looks whether an address is an ECU's; it asks for pages and the 8899 greeting, no more."""

    ask_tcp: Callable[[str, int, Deadline], EcuInfo]
    """Asks address and port for system information (command 0001); raises `EcuError`."""
    web_port: int = 80
    tcp_port: int = 8899
    fetch: Fetch = fetch

    def look(self, address: str) -> Found | None:
        """Knock at both doors of one address."""
        web = self._web(address) if _is_open(address, self.web_port) else None
        tcp = self._tcp(address) if _is_open(address, self.tcp_port) else None
        infos = [info for _, info in filter(None, (web, tcp))]
        if not infos:
            return None
        interfaces = tuple(interface for interface, _ in filter(None, (web, tcp)))
        known = [info for info in infos if info.ecu_id] or infos
        return Found(address=address, interfaces=interfaces, ecu=known[0])

    def _web(self, address: str) -> tuple[Interface, EcuInfo] | None:
        """Take what an ECU's pages alone have: its id, or a table of inverters with their times."""
        base_url = f"http://{address}:{self.web_port}"
        for interface, path in HOMES:
            try:
                info = parse_home(self.fetch(base_url + path, Deadline.after(ASK_S)))
            except EcuError:
                continue
            if info.ecu_id and _ECU_ID.fullmatch(info.ecu_id):
                return interface, info
        for interface, path in TABLES:
            try:
                table = parse_table(self.fetch(base_url + path, Deadline.after(ASK_S)))
            except EcuError:
                continue
            return interface, EcuInfo(inverters=len(table.inverters))
        return None

    def _tcp(self, address: str) -> tuple[Interface, EcuInfo] | None:
        try:
            return "tcp", self.ask_tcp(address, self.tcp_port, Deadline.after(ASK_S))
        except EcuError:
            return None  # many things listen there, loggers of other makes among them


def sweep(addresses: Iterable[str], look: Callable[[str], Found | None]) -> Iterator[Found | None]:
    """Look at each address, and give what is there, in the order of the addresses."""

    def paced(address: str) -> Found | None:
        time.sleep(PAUSE_S)
        return look(address)

    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="discover")
    try:
        for outcome in [pool.submit(paced, address) for address in addresses]:
            yield outcome.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def addresses_of(networks: Iterable[str]) -> tuple[str, ...]:
    """Name the hosts of networks such as ``192.168.1.0/24``.

    Raises `ConfigError` for what isn't a private network, and for too many to be asked one by one.
    """
    hosts: dict[str, None] = {}
    for text in networks:
        try:
            network = ipaddress.IPv4Network(text.strip(), strict=False)
        except ValueError as error:
            raise ConfigError(
                f"--network {text}: must be a network such as 192.168.1.0/24"
            ) from error
        if not _is_private(network):
            raise ConfigError(f"--network {text}: is not private, so its hosts are not ours to ask")
        if network.num_addresses > MOST_ADDRESSES:
            raise ConfigError(
                f"--network {text}: has {network.num_addresses} addresses; give one of at most "
                f"{MOST_ADDRESSES}, such as {network.network_address}/24"
            )
        hosts |= dict.fromkeys(str(host) for host in network.hosts())
        if len(hosts) > MOST_ADDRESSES:
            raise ConfigError(
                f"--network {text}: makes {len(hosts)} addresses with those before it; give at "
                f"most {MOST_ADDRESSES} in all"
            )
    return tuple(hosts)


def local_networks(routes: Path = ROUTES) -> tuple[str, ...]:
    """Name the private networks that this machine is part of, each cut down to 256 addresses.

    As many as may be asked at once; the one that we speak from is the first.
    """
    own = _own_address()
    try:
        lines = routes.read_text().splitlines()[1:]
    except OSError:  # only Linux has it
        lines = []
    networks = [network for line in lines if (network := _connected(line))]
    if own is not None and not any(own in network for network in networks):
        networks.append(ipaddress.IPv4Network(f"{own}/24", strict=False))
    networks.sort(key=lambda network: own is None or own not in network)
    private = [str(_around(network, own)) for network in networks if _is_private(network)]
    return tuple(dict.fromkeys(private))[: MOST_ADDRESSES // 256]


def _connected(line: str) -> ipaddress.IPv4Network | None:
    """Read a line of the kernel's routes; ``None`` unless its network is on this very wire."""
    fields = line.split()
    try:
        _, destination, gateway, flags, _, _, _, mask = fields[:8]
        if int(gateway, 16) or not int(flags, 16) & _UP or not int(mask, 16):
            return None
        address, netmask = (
            ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(field), "little"))
            for field in (destination, mask)
        )
        return ipaddress.IPv4Network(f"{address}/{netmask}", strict=False)
    except ValueError:
        return None


def _around(
    network: ipaddress.IPv4Network, own: ipaddress.IPv4Address | None
) -> ipaddress.IPv4Network:
    """Cut a large network down to the part in which we are ourselves."""
    if network.prefixlen >= 24:  # noqa: PLR2004 - what a home router hands out
        return network
    address = own if own is not None and own in network else network.network_address
    return ipaddress.IPv4Network(f"{address}/24", strict=False)


def _own_address() -> ipaddress.IPv4Address | None:
    """Tell which address we would speak from; connecting a datagram socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.168.255.254", 9))
        except OSError:
            return None
        return ipaddress.IPv4Address(probe.getsockname()[0])


_PRIVATE: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")
)


def _is_private(network: ipaddress.IPv4Network) -> bool:
    return any(network.subnet_of(private) for private in _PRIVATE)


def _is_open(address: str, port: int) -> bool:
    """Knock, and hang up at once: most addresses are nobody's."""
    try:
        socket.create_connection((address, port), timeout=KNOCK_S).close()
    except OSError:
        return False
    return True
