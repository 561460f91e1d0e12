"""What tests of TLS and passwords share: certificates, a hash, and a server behind a web config."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import trustme
from starlette.types import ASGIApp, Receive, Scope, Send

from aps_exporter.web.connections import Limits
from aps_exporter.web.entrance import Entrance
from aps_exporter.web.server import ServerThread

TIMEOUT_S = 10.0
PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
TLS = "cert_file: server.pem, key_file: server.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Authority:
    """Two certificate authorities, and what they have signed, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        """Make the authorities, and a certificate for the server."""
        self.folder = folder
        self.own, self.foreign = trustme.CA(), trustme.CA()
        self.own.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.issue("server")

    def issue(self, name: str) -> None:
        """Write a new certificate for the server."""
        certificate = self.own.issue_cert("127.0.0.1", "localhost")
        certificate.private_key_pem.write_to_path(str(self.folder / f"{name}.key"))
        certificate.cert_chain_pems[0].write_to_path(str(self.folder / f"{name}.pem"))

    def client(self, *names: str, ca: trustme.CA | None = None) -> ssl.SSLContext:
        """Be a client, one with a certificate when it has names."""
        context = ssl.create_default_context(cadata=self.own.cert_pem.bytes().decode())
        if names:
            (ca or self.own).issue_cert(*names).configure_cert(context)
        return context


async def hello(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer every request with its path."""
    headers = [(b"content-type", b"text/plain")]
    if scope["path"] == "/own-policy":
        headers.append((b"content-security-policy", b"default-src 'none'"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@contextlib.contextmanager
def secured(
    file: Path,
    text: str,
    *,
    app: ASGIApp = hello,
    limits: Limits | None = None,
    health_without_auth: bool = False,
) -> Iterator[ServerThread]:
    """Serve behind a web configuration with this text."""
    file.write_text(text)
    entrance = Entrance(
        addresses=["127.0.0.1:0"], config_file=file, health_without_auth=health_without_auth
    )
    with ServerThread(app, entrance, limits) as server:
        yield server


def fetch(
    port: int,
    path: str = "/",
    *,
    tls: ssl.SSLContext | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Ask for a page, on a connection of its own."""
    connection: http.client.HTTPConnection
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=tls)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return Answer(status=answer.status, headers=answer.headers, body=answer.read())
