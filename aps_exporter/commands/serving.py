"""The web application over a fleet, for the commands that serve."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

import click
from starlette.applications import Starlette

from aps_exporter.errors import ConfigError
from aps_exporter.metrics.exporter import ExporterCollector, Figures, process_collector
from aps_exporter.reload import Reloader
from aps_exporter.web.app import Wiring, create_app
from aps_exporter.web.entrance import Entrance
from aps_exporter.web.scrapes import MAX_IN_FLIGHT, Scrapes
from aps_exporter.web.sd import parse_external_url

__all__ = [
    "Manners",
    "exporter",
    "is_local",
    "make_manners",
    "manners_options",
    "reload_on_hangup",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_MANNERS = (
    click.option(
        "--web.max-requests",
        "web_max_requests",
        type=click.IntRange(1, 4096),
        default=MAX_IN_FLIGHT,
        show_default=True,
        help="Scrapes that may be in flight",
    ),
    click.option(
        "--web.enable-lifecycle",
        "web_enable_lifecycle",
        is_flag=True,
        help="Let POST /-/reload reload the configuration, as SIGHUP does",
    ),
    click.option(
        "--web.external-url",
        "web_external_url",
        help="Where Prometheus finds this exporter, for /sd [where it asked]",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """What the web may have of us."""

    max_requests: int = MAX_IN_FLIGHT
    enable_lifecycle: bool = False
    external_url: str | None = None


def manners_options(function: _Function) -> _Function:
    """Add the options that say what the web may have of us."""
    for option in reversed(_MANNERS):
        function = option(function)
    return function


def make_manners(options: dict[str, Any]) -> Manners:
    """Take what `manners_options` added out of a command's options."""
    return Manners(
        max_requests=options.pop("web_max_requests"),
        enable_lifecycle=options.pop("web_enable_lifecycle"),
        external_url=options.pop("web_external_url"),
    )


def is_local(entrance: Entrance) -> bool:
    """Say whether only this machine can come in, which may then have its own ports probed."""
    return not entrance.systemd and all(map(_is_local, entrance.addresses))


def _is_local(address: str) -> bool:
    if address.startswith("unix:"):
        return True
    host = address.strip().rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def exporter(reloader: Reloader, manners: Manners | None = None) -> Starlette:
    """Make the application; raises `ConfigError`."""
    manners = manners or Manners()
    fleet, scrapes = reloader.fleet, Scrapes(limit=manners.max_requests)

    def figures() -> Figures:
        return Figures(
            shared=fleet.shared,
            ecus=fleet.size,
            scrapes_in_flight=scrapes.in_flight,
            scrapes_refused=scrapes.refused,
            reload_successful=reloader.successful,
            reloaded_at=reloader.succeeded_at,
        )

    return create_app(
        Wiring(
            fleet=fleet,
            exporter_collectors=(ExporterCollector(figures=figures), process_collector()),
            scrapes=scrapes,
            reload=reloader.reload if manners.enable_lifecycle else None,
            external=parse_external_url(manners.external_url) if manners.external_url else None,
        )
    )


@contextlib.contextmanager
def reload_on_hangup(reloader: Reloader) -> Iterator[None]:
    """Reload on SIGHUP, in a thread, because scrapes go on meanwhile."""

    def reload() -> None:
        with contextlib.suppress(ConfigError):  # the log has it
            reloader.reload()

    def hang_up(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=reload, name="reload", daemon=True).start()

    before = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
