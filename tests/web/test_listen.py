"""Listen addresses, good and bad."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import socket

import pytest

from aps_exporter.errors import ConfigError
from aps_exporter.web.listen import listen, url_of
from tests.web.conftest import Client, Ecu, Start


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")


@needs_ipv6
@pytest.mark.parametrize("address", ["[::]:0", ":0"])
def test_any_address_is_both_ipv6_and_ipv4(ecu: Ecu, start: Start, address: str) -> None:
    """One listener on ``[::]`` serves both kinds of clients."""
    port = start(ecu, address=address).port
    statuses = [
        Client(port=port, host=host).fetch("/metrics").status for host in ("::1", "127.0.0.1")
    ]

    assert statuses == [200, 200]


@needs_ipv6
def test_any_address_of_both_kinds_on_one_port() -> None:
    """Who names ``[::]`` and ``0.0.0.0`` with one port gets one listener for each."""
    with contextlib.ExitStack() as sockets:
        free = sockets.enter_context(listen(["127.0.0.1:0"])[0])
        port = free.getsockname()[1]
        free.close()
        both = listen([f"[::]:{port}", f"0.0.0.0:{port}"])
        for listener in both:
            sockets.enter_context(listener)

        assert [url_of(listener) for listener in both] == [
            f"http://[::]:{port}",
            f"http://0.0.0.0:{port}",
        ]


def test_without_ipv6_any_address_is_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without IPv6 ``[::]`` falls back to all IPv4 addresses."""
    real = socket.socket

    def without_ipv6(family: int, kind: int, protocol: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no IPv6 here")
        return real(family, kind, protocol)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    with listen(["[::]:0"])[0] as listener:
        assert listener.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "10025",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:http",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "::1:10025",
        "[::1]",
        "[::1:10025",
        "http://127.0.0.1:10025",
        "127.0.0.1:10025/metrics",
        "127.0.0.1:１",
    ],
)
def test_what_is_no_address_is_a_configuration_error(address: str) -> None:
    """The error quotes the address and shows what one looks like."""
    with pytest.raises(ConfigError, match="want HOST:PORT, such as") as caught:
        listen([address])

    assert repr(address) in str(caught.value)


@pytest.mark.parametrize("host", ["no-such-name.invalid", "[zz]", "a" * 300, "x..y"])
def test_unknown_name_is_a_configuration_error(host: str) -> None:
    """A name that nobody knows is not listened on."""
    with pytest.raises(ConfigError, match="can't resolve"):
        listen([f"{host}:0"])


def test_port_in_use_is_a_configuration_error() -> None:
    """The error names the address and the reason, and what was bound before it is free again."""
    with listen(["127.0.0.1:0"])[0] as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            listen(["127.0.0.1:0", f"127.0.0.1:{port}"])

    assert str(caught.value) == f"can't listen on 127.0.0.1:{port}: another program uses this port"


def test_foreign_address_is_a_configuration_error() -> None:
    """An address of another machine can't be listened on."""
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:0: this machine doesn't have that"):
        listen(["192.0.2.1:0"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use all ports")
def test_privileged_port_is_a_configuration_error() -> None:
    """A port that needs more rights says so."""
    with pytest.raises(ConfigError, match="no permission for this port"):
        listen(["127.0.0.1:1"])


def test_answers_are_sent_without_delay() -> None:
    """The listener says that it is TCP, for asyncio then turns off Nagle's delay of 40 ms."""
    with listen(["127.0.0.1:0"])[0] as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_name_is_listened_on(ecu: Ecu, start: Start) -> None:
    """A name works as an address does."""
    port = start(ecu, address="localhost:0").port
    connection = http.client.HTTPConnection("localhost", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/-/healthy")

        assert connection.getresponse().status == 200
