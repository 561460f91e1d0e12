"""`aps-exporter discover`: find the ECUs on the local network."""

from __future__ import annotations

import sys

import click

from aps_exporter.commands.options import log_option, start_log
from aps_exporter.deadline import Deadline
from aps_exporter.ecu.discover import Found, Knocker, addresses_of, local_networks, sweep
from aps_exporter.ecu.frames import parse_system
from aps_exporter.ecu.tcp import Command, dial, exchange
from aps_exporter.errors import ConfigError, EcuUnreachableError
from aps_exporter.model import EcuInfo


@click.command("discover")
@click.option(
    "--network",
    multiple=True,
    help="Network to look in, such as 192.168.1.0/24; repeatable [this machine's own]",
)
@click.option("--port", default=80, show_default=True, help="Port of the ECU's web pages")
@click.option("--tcp-port", default=8899, show_default=True, help="Port of its TCP interface")
@log_option("error")
def command(network: tuple[str, ...], port: int, tcp_port: int, log_level: str) -> None:
    """Find the ECUs on the local network: one line on stdout for each.

    Asks each address for an ECU's pages and for the greeting of its TCP interface, a few addresses
    at a time. Private networks only.

    \b
    Example:
        aps-exporter discover --network 192.168.1.0/24
    """
    start_log(log_level)
    addresses = addresses_of(network or local_networks())
    if not addresses:
        raise ConfigError("this machine is in no private network: say which with --network")
    knocker = Knocker(ask_tcp=_greet, web_port=port, tcp_port=tcp_port)
    found = _look(addresses, knocker)
    if not found:
        raise EcuUnreachableError(
            f"none of {len(addresses)} addresses is an ECU's; is it on, and in this network?"
        )
    suffix = "" if port == 80 else f":{port}"  # noqa: PLR2004 - the web's own
    click.echo(f"\nNext: aps-exporter doctor --host {found[0].address}{suffix}", err=True)


def _greet(address: str, port: int, deadline: Deadline) -> EcuInfo:
    return parse_system(exchange(Command.SYSTEM, dial(address, port), deadline))


def _look(addresses: tuple[str, ...], knocker: Knocker) -> list[Found]:
    """Ask all addresses, and tell each find at once."""
    found = []
    watched = sys.stderr.isatty()
    clear = "\r\x1b[2K" if watched and sys.stdout.isatty() else ""
    with click.progressbar(
        length=len(addresses), label="Looking", file=sys.stderr, show_pos=True, hidden=not watched
    ) as bar:
        for ecu in sweep(addresses, knocker.look):
            bar.update(1)
            if ecu is not None:
                found.append(ecu)
                click.echo(f"{clear}{ecu}")
    return found
