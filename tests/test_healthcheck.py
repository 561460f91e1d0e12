"""The container's health check: asks the right address, and tells healthy from not."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aps_exporter import healthcheck
from aps_exporter.web.entrance import Entrance
from aps_exporter.web.server import ServerThread
from tests.web.secured import HASH, TLS, Authority, hello, secured


class _Health(BaseHTTPRequestHandler):
    """Answers 200 at /-/healthy and 404 elsewhere."""

    def do_GET(self) -> None:
        """Answer in the way of the exporter."""
        self.send_response(200 if self.path == "/-/healthy" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's name
        """Say nothing."""


class _Ill(_Health):
    """Answers 503."""

    def do_GET(self) -> None:
        """Answer in the way of something that isn't well."""
        self.send_response(503)
        self.end_headers()


class _Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Make a function that starts a server on a loopback address and returns its port."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start_(host: str, handler: type[_Health] = _Health, port: int = 0) -> int:
        server = (_Server6 if ":" in host else ThreadingHTTPServer)((host, port), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return int(server.server_address[1])

    yield start_
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("host", "listen"),
    [
        ("127.0.0.1", "127.0.0.1:{}"),
        ("127.0.0.1", "0.0.0.0:{}"),
        ("127.0.0.1", "localhost:{}"),
        ("::1", "[::1]:{}"),
        ("::1", "[::]:{}"),
        ("::1", ":{}"),
        ("127.0.0.1", "[::]:{}"),
        ("127.0.0.1", ":{}"),
        ("127.0.0.1", " 127.0.0.1:{}  192.0.2.1:80"),
    ],
)
def test_healthy(start: Start, host: str, listen: str) -> None:
    """The first listen address is asked, on loopback when it means all addresses."""
    port = start(host)

    assert healthcheck.main({healthcheck.LISTEN_VARIABLE: listen.format(port)}) == 0


def test_an_ill_exporter(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """A status that says that something is wrong is a failure, and the log says which."""
    listen = f"127.0.0.1:{start('127.0.0.1', _Ill)}"

    assert healthcheck.main({healthcheck.LISTEN_VARIABLE: listen}) == 1
    assert capsys.readouterr().out == f"{listen}: 503\n"


def test_the_first_that_answers_counts(start: Start) -> None:
    """An answer from IPv6 isn't overruled by whoever has the port on IPv4."""
    for _ in range(20):  # until the kernel picks a port that is free in both families
        port = start("::1", _Ill)
        with contextlib.suppress(OSError):
            start("127.0.0.1", _Health, port)
            break
    else:
        pytest.fail("no port is free in both families")

    assert healthcheck.main({healthcheck.LISTEN_VARIABLE: f"[::]:{port}"}) == 1


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "nonsense", "127.0.0.1:http", "[::1]:99999"])
def test_nobody_there(listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused connection and an address that is none fail in one line."""
    assert healthcheck.main({healthcheck.LISTEN_VARIABLE: listen}) == 1
    assert capsys.readouterr().out.count("\n") == 1


def test_as_a_command(start: Start) -> None:
    """The command exits as the check ends, and loads nothing outside the standard library."""
    environ = os.environ | {healthcheck.LISTEN_VARIABLE: f"127.0.0.1:{start('127.0.0.1')}"}
    command = [sys.executable, "-X", "importtime", "-m", "aps_exporter.healthcheck"]
    run = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert run.returncode == 0
    assert "http.client\n" in run.stderr
    assert not [name for name in ("requests", "pydantic", "click") if f" {name}\n" in run.stderr]


def test_the_default_port(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a listen address the default one is asked, whoever may answer there."""
    healthcheck.main({})

    assert capsys.readouterr().out.startswith("[::]:10025: ")


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Make a function that serves behind a web configuration, and gives the address."""
    authority = Authority(tmp_path)
    with contextlib.ExitStack() as servers:

        def start_(text: str, then: str | None = None) -> str:
            file = authority.folder / "web.yml"
            server = servers.enter_context(secured(file, text))
            if then is not None:
                file.write_text(then)
            return f"127.0.0.1:{server.port}"

        yield start_


OVER_TLS = f"tls_server_config: {{{TLS}"
CLIENTS = f"{OVER_TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"
PASSWORDS = f"basic_auth_users: {{alice: '{HASH}'}}"
CERTIFICATE = "only clients with a certificate are let in"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"{OVER_TLS}}}", "200"),
        (f"{OVER_TLS}, min_version: TLS13}}", "200"),
        (PASSWORDS, "401"),
        (f"{OVER_TLS}}}\n{PASSWORDS}", "401"),
        (f"{CLIENTS}}}", CERTIFICATE),
        (f"{CLIENTS}, max_version: TLS12}}", CERTIFICATE),
        (f"{CLIENTS}}}\n{PASSWORDS}", CERTIFICATE),
    ],
    ids=["TLS", "TLS 1.3", "password", "both", "certificate", "in TLS 1.2", "all three"],
)
def test_an_exporter_with_a_web_configuration(
    secure: Callable[..., str], capsys: pytest.CaptureFixture[str], text: str, answer: str
) -> None:
    """Who speaks TLS, or asks who we are, is well."""
    listen = secure(text)

    assert healthcheck.main({healthcheck.LISTEN_VARIABLE: listen}) == 0
    assert capsys.readouterr().out == f"{listen}: {answer}\n"


@pytest.mark.parametrize("text", [f"{OVER_TLS}}}", PASSWORDS, f"{CLIENTS}}}"])
def test_a_broken_web_configuration(secure: Callable[..., str], text: str) -> None:
    """Whoever serves nobody because of it is ill."""
    listen = secure(text, then="broken: true")

    assert healthcheck.main({healthcheck.LISTEN_VARIABLE: listen}) == 1


@pytest.mark.parametrize("scheme", ["plain", "TLS"])
def test_a_socket_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """An exporter that listens on a socket file first is asked there."""
    monkeypatch.chdir(tmp_path)
    Authority(tmp_path)
    (tmp_path / "web.yml").write_text("" if scheme == "plain" else f"{OVER_TLS}}}")
    entrance = Entrance(addresses=["unix:aps.sock"], config_file=Path("web.yml"))
    environ = {healthcheck.LISTEN_VARIABLE: "unix:aps.sock"}
    with ServerThread(hello, entrance):
        assert healthcheck.main(environ) == 0
    assert healthcheck.main(environ) == 1
