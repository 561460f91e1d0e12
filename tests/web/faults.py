"""ECUs on loopback that fail in every way there is, and exporters that really read them."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aps_exporter.assembly import open_post
from aps_exporter.config_fleet import Configuration, load_configuration
from aps_exporter.ecu.web import BODY_CAP
from aps_exporter.fleet import Fleet
from aps_exporter.web.app import Wiring, create_app
from aps_exporter.web.scrapes import Scrapes
from aps_exporter.web.server import ServerThread
from tests.ecu.loopback import OK, PAGE, Ecu, Talk, drip, hang, reset, say
from tests.web.conftest import Client

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
NO_SUCH_PAGE = b"HTTP/1.1 404 Not Found\r\n\r\n"
BOMB = gzip.compress(bytes(64 << 20), compresslevel=9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A way to fail, and what is to be said about it."""

    talk: Talk | None
    """``None``: nobody listens."""
    status: str


FAULTS: Mapping[str, Fault] = {
    "refuse": Fault(talk=None, status="unreachable"),
    "reset": Fault(talk=reset, status="unreachable"),
    "close": Fault(talk=lambda *_: None, status="unreachable"),
    "silence": Fault(talk=hang, status="timeout"),
    "silence in the status line": Fault(talk=drip(b"HTTP/1.1 2", b""), status="timeout"),
    "silence in the header": Fault(talk=drip(OK, b""), status="timeout"),
    "silence before the body": Fault(talk=drip(OK + b"\r\n", b""), status="timeout"),
    "silence in the body": Fault(talk=drip(OK + b"\r\n<html>", b""), status="timeout"),
    "drip in the status line": Fault(talk=drip(b"HTTP/1.1 2", b"0"), status="timeout"),
    "drip in the header": Fault(talk=drip(OK, b"X: 1\r\n"), status="timeout"),
    "drip in the body": Fault(talk=drip(OK + b"\r\n", b"<"), status="timeout"),
    "drip of chunks": Fault(talk=drip(OK + CHUNKED, b"1\r\n<\r\n"), status="timeout"),
    "wrong length": Fault(
        talk=say(OK, b"Content-Length: 9999\r\n\r\n", PAGE), status="page_truncated"
    ),
    "bad chunk": Fault(talk=say(OK, CHUNKED, b"zz\r\n", PAGE), status="page_truncated"),
    "bomb": Fault(
        talk=say(OK, b"Content-Encoding: gzip\r\n\r\n", BOMB), status="page_unrecognised"
    ),
    "ten megabytes": Fault(talk=say(OK, b"\r\n", bytes(10 * BODY_CAP)), status="page_unrecognised"),
    "redirect": Fault(
        talk=say(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n"),
        status="page_unrecognised",
    ),
    "junk": Fault(talk=say(bytes(range(256)) * 99), status="page_unrecognised"),
    "another page": Fault(
        talk=say(OK, b"\r\n<html><p>A printer</p></html>"), status="page_unrecognised"
    ),
    "gone": Fault(talk=say(NO_SUCH_PAGE), status="page_gone"),
    "an error of its own": Fault(
        talk=say(b"HTTP/1.1 500 Internal Server Error\r\n\r\n"), status="page_unrecognised"
    ),
}


@contextlib.contextmanager
def broken_ecus() -> Iterator[dict[str, str]]:
    """Run an ECU for each fault, and give their hosts by fault."""
    with contextlib.ExitStack() as stack:
        hosts: dict[str, str] = {}
        for name, fault in FAULTS.items():
            if fault.talk is None:
                with socket.create_server(("127.0.0.1", 0)) as nobody:
                    hosts[name] = f"127.0.0.1:{nobody.getsockname()[1]}"
            else:
                ecu = Ecu(fault.talk)
                stack.callback(ecu.close)
                hosts[name] = ecu.url.split("/")[2]
        yield hosts


def slug(fault: str) -> str:
    """Name the ECU that has a fault."""
    return fault.replace(" ", "-")


def several(hosts: Mapping[str, str], folder: Path, **keys: object) -> Configuration:
    """List the ECUs."""
    file = folder / "config.json"
    ecus = [{"name": slug(name), "host": host} for name, host in hosts.items()]
    file.write_text(json.dumps({"interface": "web", "max_age": 0, "ecus": ecus, **keys}))
    return load_configuration(file, {"state_dir": folder})


def single(host: str, folder: Path) -> Configuration:
    """Have one ECU."""
    given = {"host": host, "interface": "web", "max_age": 0, "state_dir": folder}
    return load_configuration(None, given)


@contextlib.contextmanager
def serving(configuration: Configuration, scrapes: Scrapes | None = None) -> Iterator[Client]:
    """Serve a configuration as `serve` does, in this process."""
    with contextlib.closing(Fleet(configuration, open_post)) as fleet:
        app = create_app(Wiring(fleet=fleet, scrapes=scrapes or Scrapes()))
        with ServerThread(app, ["127.0.0.1:0"]) as server:
            yield Client(port=server.port)
