"""TLS as the web configuration has it: who gets in, and that nobody holds up others."""

from __future__ import annotations

import contextlib
import gc
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from starlette.types import Receive, Scope, Send

from aps_exporter.web.connections import Limits
from aps_exporter.web.server import ServerThread
from aps_exporter.web.tls_connection import TlsConnection
from tests.web.secured import TIMEOUT_S, TLS, Authority, fetch, secured

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
SHORT_S = 0.15
GET = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"

Serve = Callable[..., ServerThread]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make authorities and certificates."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def serve(authority: Authority) -> Iterator[Serve]:
    """Make a function that serves over TLS, with more in that section."""
    with contextlib.ExitStack() as servers:

        def start(more: str = "", limits: Limits | None = None) -> ServerThread:
            text = f"tls_server_config: {{{TLS}{', ' if more else ''}{more}}}"
            return servers.enter_context(secured(authority.folder / "web.yml", text, limits=limits))

        yield start


@contextlib.contextmanager
def connect(server: ServerThread) -> Iterator[socket.socket]:
    """Open a connection, without a word."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_S) as connection:
        yield connection


@contextlib.contextmanager
def greet(server: ServerThread, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """Open a connection, and shake hands."""
    with (
        connect(server) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        yield connection


def is_answered(server: ServerThread, context: ssl.SSLContext) -> bool:
    """Say whether a client gets an answer; TLS 1.3 tells it only then that it isn't let in."""
    try:
        return fetch(server.port, "/x", tls=context).body == b"/x"
    except (OSError, http.client.HTTPException):
        return False


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes the connection, politely or not."""
    chunks = []
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    return b"".join(chunks)


def limited(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Have a client speak one version alone."""
    context.minimum_version = context.maximum_version = version
    return context


def test_answers_come_over_tls(serve: Serve, authority: Authority) -> None:
    """With a certificate the server speaks TLS 1.3 and HTTP/1.1, and says https."""
    server = serve()
    context = authority.client()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with greet(server, context) as connection:
        spoken = (connection.version(), connection.selected_alpn_protocol())
        connection.sendall(GET)
        answer = connection.recv(65536)

    assert server.url.startswith("https://127.0.0.1:")
    assert spoken == ("TLSv1.3", "http/1.1")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_connection_is_kept(serve: Serve, authority: Authority) -> None:
    """Scrapes after the first need no handshake of their own."""
    connection = http.client.HTTPSConnection(
        "127.0.0.1", serve().port, timeout=TIMEOUT_S, context=authority.client()
    )
    with contextlib.closing(connection):
        bodies, wires = [], set()
        for number in range(3):
            connection.request("GET", f"/{number}")
            bodies.append(connection.getresponse().read())
            wires.add(connection.sock)

    assert bodies == [b"/0", b"/1", b"/2"]
    assert len(wires) == 1


def test_plain_http_is_not_answered(serve: Serve, authority: Authority) -> None:
    """A client without TLS is closed, and the next one is served."""
    server = serve()
    with connect(server) as connection:
        connection.sendall(GET)

        assert not read_all(connection).startswith(b"HTTP")
    assert is_answered(server, authority.client())


AUTH = "client_ca_file: ca.pem, client_auth_type"
NONE, OWN, FOREIGN = "no certificate", "one of the own authority", "one of another authority"


@pytest.mark.parametrize(
    ("more", "let_in"),
    [
        ("", {NONE, OWN, FOREIGN}),
        ("client_auth_type: NoClientCert", {NONE, OWN, FOREIGN}),
        (f"{AUTH}: VerifyClientCertIfGiven", {NONE, OWN}),
        (f"{AUTH}: RequireAndVerifyClientCert", {OWN}),
        ("client_auth_type: RequireAndVerifyClientCert", set()),
    ],
    ids=["none", "none by name", "if given", "required", "required, of the system's authorities"],
)
def test_client_certificates(
    serve: Serve, authority: Authority, more: str, let_in: set[str]
) -> None:
    """Each kind lets in those whom it should, and nobody else, in both versions of TLS."""
    server = serve(more)
    clients: dict[str, Callable[[], ssl.SSLContext]] = {
        NONE: authority.client,
        OWN: partial(authority.client, "prometheus.example"),
        FOREIGN: partial(authority.client, "prometheus.example", ca=authority.foreign),
    }

    for version in (TLS12, TLS13):
        assert let_in == {
            name
            for name, client in clients.items()
            if is_answered(server, limited(client(), version))
        }


@pytest.mark.parametrize(
    ("more", "version", "alert"),
    [
        (f"{AUTH}: RequireAndVerifyClientCert", TLS13, "CERTIFICATE_REQUIRED"),
        (f"{AUTH}: RequireAndVerifyClientCert", TLS12, "HANDSHAKE_FAILURE"),
        ("min_version: TLS13", TLS12, "PROTOCOL_VERSION"),
    ],
)
def test_clients_are_told_why(
    serve: Serve, authority: Authority, more: str, version: ssl.TLSVersion, alert: str
) -> None:
    """Who isn't let in gets to know the reason, as TLS has it."""
    server = serve(more)
    with (
        pytest.raises(ssl.SSLError) as caught,
        greet(server, limited(authority.client(), version)) as connection,
    ):
        connection.recv(1)

    assert str(caught.value.reason).endswith(f"ALERT_{alert}")


def test_trust_needs_no_root(serve: Serve, authority: Authority) -> None:
    """An authority that another one vouches for is trusted by itself, as in Go."""
    child = authority.own.create_child_ca()
    child.cert_pem.write_to_path(str(authority.folder / "child.pem"))
    server = serve("client_ca_file: child.pem, client_auth_type: RequireAndVerifyClientCert")

    assert is_answered(server, authority.client("prometheus.example", ca=child))
    assert not is_answered(server, authority.client("prometheus.example"))


SANS = f"{AUTH}: RequireAndVerifyClientCert, client_allowed_sans"


@pytest.mark.parametrize(
    ("allowed", "let_in", "kept_out"),
    [
        (
            "prometheus.example, 192.0.2.7, '2001:db8::7', me@example.com",
            [
                ["prometheus.example"],
                ["other.example", "prometheus.example"],
                ["192.0.2.7"],
                ["2001:db8::7"],
                ["me@example.com"],
            ],
            [
                ["other.example"],
                ["sub.prometheus.example"],
                ["*.prometheus.example"],
                ["192.0.2.70"],
                ["2001:db8::70"],
                ["you@example.com"],
            ],
        ),
        (
            "Prometheus.example, '2001:0db8::7'",
            [],
            [["prometheus.example"], ["2001:db8::7"]],
        ),
        ("", [], [["prometheus.example"]]),
    ],
    ids=["names", "not to the letter", "nobody"],
)
def test_allowed_names(
    serve: Serve,
    authority: Authority,
    allowed: str,
    let_in: list[list[str]],
    kept_out: list[list[str]],
) -> None:
    """A name in the certificate has to be, to the letter, one of those that are allowed."""
    server = serve(f"{SANS}: [{allowed}]")

    assert [
        names for names in let_in + kept_out if is_answered(server, authority.client(*names))
    ] == let_in


def test_allowed_uri(serve: Serve, authority: Authority, tmp_path: Path) -> None:
    """A name may be a URI, as SPIFFE has them."""
    uri = "spiffe://example/prometheus"
    leaf = authority.own.issue_cert("prometheus.example")
    old = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=old.subject,
        public_key=old.public_key(),
        serial_number=old.serial_number + 1,
        not_valid_before=old.not_valid_before_utc,
        not_valid_after=old.not_valid_after_utc,
        extensions=[e for e in old.extensions if e.oid != names.oid],
    ).add_extension(names, critical=False)
    signer = load_pem_private_key(authority.own.private_key_pem.bytes(), None)
    certificate = builder.sign(signer, old.signature_hash_algorithm)  # type: ignore[arg-type]  # an EC key
    (tmp_path / "client.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    leaf.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    client = authority.client()
    client.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")

    assert is_answered(serve(f"{SANS}: ['{uri}']"), client)


@pytest.mark.parametrize(
    ("more", "answered"),
    [
        ("", [TLS12, TLS13]),
        ("min_version: TLS13", [TLS13]),
        ("max_version: TLS12", [TLS12]),
        ("cipher_suites: [TLS_AES_128_GCM_SHA256]", [TLS13]),
        ("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]", [TLS13]),
        ("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]", [TLS12, TLS13]),
    ],
    ids=["all", "1.3", "1.2", "suites of 1.3", "suites for RSA", "suites for EC"],
)
def test_versions(
    serve: Serve, authority: Authority, more: str, answered: list[ssl.TLSVersion]
) -> None:
    """Only the versions that are allowed, and have a suite for our kind of key, are spoken."""
    server = serve(more)

    assert [
        version
        for version in (TLS12, TLS13)
        if is_answered(server, limited(authority.client(), version))
    ] == answered


ORDER = [
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
]


@pytest.mark.parametrize(
    ("prefer", "chosen"),
    [("true", "ECDHE-ECDSA-AES256-GCM-SHA384"), ("false", "ECDHE-ECDSA-CHACHA20-POLY1305")],
)
def test_whose_order_of_suites_counts(
    serve: Serve, authority: Authority, prefer: str, chosen: str
) -> None:
    """The server's order counts, or the client's."""
    client = limited(authority.client(), TLS12)
    client.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384")
    more = f"cipher_suites: [{', '.join(ORDER)}], prefer_server_cipher_suites: {prefer}"
    with greet(serve(more), client) as connection:
        cipher = connection.cipher()

    assert cipher is not None
    assert cipher[0] == chosen


@pytest.mark.parametrize(("curve", "answered"), [("secp384r1", True), ("prime256v1", False)])
def test_curve(serve: Serve, authority: Authority, curve: str, *, answered: bool) -> None:
    """With a preferred curve no other is spoken."""
    client = authority.client()
    client.set_ecdh_curve(curve)

    assert is_answered(serve("curve_preferences: [CurveP384]"), client) == answered


def test_silent_clients_hold_up_nobody(serve: Serve, authority: Authority) -> None:
    """Clients that connect and say nothing block no one, and are closed in time."""
    server = serve(limits=Limits(handshake_s=SHORT_S))
    with contextlib.ExitStack() as silent:
        connections = [silent.enter_context(connect(server)) for _ in range(50)]

        assert is_answered(server, authority.client())
        assert [read_all(connection) for connection in connections] == [b""] * 50


@pytest.mark.parametrize(
    "begun",
    [b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x16\x03\x01\x40\x00"],
    ids=["a byte", "half a greeting", "a promise of 16 kB"],
)
def test_half_a_greeting_is_closed(serve: Serve, begun: bytes) -> None:
    """Whoever begins to shake hands has to end it in time."""
    server = serve(limits=Limits(handshake_s=SHORT_S))
    with connect(server) as connection:
        connection.sendall(begun)
        began = time.monotonic()
        read_all(connection)

    assert SHORT_S * 0.5 < time.monotonic() - began < TIMEOUT_S / 2


@pytest.mark.parametrize("begun", [b"", b"GET /x HTTP/1.1\r\nHost: x\r\n", GET + b"GET /y"])
def test_slow_request_within_tls_is_closed(
    serve: Serve, authority: Authority, begun: bytes
) -> None:
    """After the handshake the time for a request counts as without TLS."""
    server = serve(limits=Limits(request_s=SHORT_S))
    with greet(server, authority.client()) as connection:
        connection.sendall(begun)
        began = time.monotonic()
        read_all(connection)

    assert SHORT_S * 0.5 < time.monotonic() - began < TIMEOUT_S / 2


def test_dripping_a_header_within_tls_does_not_help(serve: Serve, authority: Authority) -> None:
    """The time counts from the first byte of a request."""
    server = serve(limits=Limits(request_s=SHORT_S))
    began = time.monotonic()
    with greet(server, authority.client()) as connection, contextlib.suppress(OSError):
        connection.settimeout(0.01)
        for byte in b"GET /x HTTP/1.1\r\n" + b"X: y\r\n" * 1000:
            connection.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1):
                    break

    assert time.monotonic() - began < TIMEOUT_S / 2


def test_large_answers_arrive_whole(authority: Authority) -> None:
    """Neither the small buffers nor the limit for slow readers cut an answer."""
    size = 5_000_000

    async def flood(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * size})

    text = f"tls_server_config: {{{TLS}}}"
    with secured(authority.folder / "web.yml", text, app=flood) as server:
        assert len(fetch(server.port, tls=authority.client()).body) == size


def test_slow_reader_within_tls_is_let_go(authority: Authority) -> None:
    """A client that doesn't take its answer is closed, and the answer forgotten."""
    ended = threading.Event()

    async def flood(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        ended.set()

    text, limits = f"tls_server_config: {{{TLS}}}", Limits(send_s=SHORT_S)
    with (
        secured(authority.folder / "web.yml", text, limits=limits, app=flood) as server,
        greet(server, authority.client()) as connection,
    ):
        connection.sendall(GET)

        assert ended.wait(TIMEOUT_S)
        assert len(read_all(connection)) < 64_000_000


def test_silent_clients_count(serve: Serve, authority: Authority) -> None:
    """A client that shakes hands takes a place, and gives it up for a newcomer."""
    server = serve(limits=Limits(connections=2, handshake_s=60))
    with connect(server) as first, connect(server) as second, connect(server):
        assert read_all(first) == b""
        assert is_answered(server, authority.client())
        assert read_all(second) == b""


def test_end_does_not_wait_for_silent_clients(authority: Authority) -> None:
    """Neither a client without a handshake nor an idle one that takes no leave holds up the end."""
    file, text = authority.folder / "web.yml", f"tls_server_config: {{{TLS}}}"
    with contextlib.ExitStack() as clients:
        with secured(file, text, limits=Limits(stop_s=60, handshake_s=60)) as server:
            clients.enter_context(connect(server))
            idle = clients.enter_context(greet(server, authority.client()))
            idle.sendall(GET)
            assert idle.recv(65536).startswith(b"HTTP/1.1 200")
            began = time.monotonic()
        took_s = time.monotonic() - began

    assert took_s < TIMEOUT_S / 2


def test_failed_handshakes_leave_nothing_behind(serve: Serve) -> None:
    """Whoever went away before the handshake was done is forgotten."""
    server = serve()
    for begun in (b"", b"\x16\x03\x01", GET):
        with connect(server) as connection:
            connection.sendall(begun)
            connection.shutdown(socket.SHUT_WR)
            read_all(connection)
    end = time.monotonic() + TIMEOUT_S
    while _tls_connections() and time.monotonic() < end:
        os.sched_yield()  # the server has closed, and is about to forget

    assert _tls_connections() == 0


def _tls_connections() -> int:
    gc.collect()
    return sum(isinstance(each, TlsConnection) for each in gc.get_objects())


def test_new_certificate_is_used_at_once(serve: Serve, authority: Authority) -> None:
    """When the certificate's files change, the next handshake has the new one."""
    server = serve()
    serials = []
    for _ in range(3):
        with greet(server, authority.client()) as connection:
            serials.append((connection.getpeercert() or {})["serialNumber"])
        authority.issue("server")

    assert len(set(serials)) == 3


def test_new_client_authority_is_used_at_once(serve: Serve, authority: Authority) -> None:
    """When the file of the clients' authority changes, the next handshake goes by the new one."""
    ca = authority.folder / "clients.pem"
    ca.write_bytes(authority.own.cert_pem.bytes())
    server = serve("client_ca_file: clients.pem, client_auth_type: RequireAndVerifyClientCert")
    client = authority.client("prometheus.example")
    before = is_answered(server, client)
    ca.write_bytes(authority.foreign.cert_pem.bytes())

    assert (before, is_answered(server, client)) == (True, False)


@pytest.mark.parametrize(
    "broken",
    [
        "tls_server_config: {cert_file: none.pem, key_file: server.key}",
        "tls_server_config: {cert_fil",
        "",
        None,
    ],
    ids=["certificate gone", "no YAML", "no TLS any more", "file gone"],
)
def test_broken_edit_serves_nobody(serve: Serve, authority: Authority, broken: str | None) -> None:
    """A broken edit makes handshakes fail rather than go on with what was; once right, all is well.

    Connections that are open get a 500 for it.
    """
    server, file = serve(), authority.folder / "web.yml"
    good = file.read_text()
    client = authority.client()
    with greet(server, client) as kept:
        if broken is None:
            file.unlink()
        else:
            file.write_text(broken)
        answered = is_answered(server, client)
        kept.sendall(GET)
        status = kept.recv(65536)[:12]
        file.write_text(good)

        assert not answered
        assert status == (b"HTTP/1.1 200" if broken == "" else b"HTTP/1.1 500")
        assert is_answered(server, client)


def test_tls_is_not_switched_on_while_running(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Who adds TLS while we run is told to start us again."""
    file = authority.folder / "web.yml"
    with secured(file, "") as server:
        file.write_text(f"tls_server_config: {{{TLS}}}")

        assert fetch(server.port, "/x").body == b"/x"
    assert "TLS can't be switched on or off while running" in caplog.text


def test_idle_clients_are_not_dear(serve: Serve, authority: Authority) -> None:
    """An idle connection with TLS takes some 100 kB, not the 300 of asyncio's own buffers."""
    server, client, count = serve(), authority.client(), 50
    with contextlib.ExitStack() as idle:
        idle.enter_context(greet(server, client))
        before = _resident_kb()
        for _ in range(count):
            idle.enter_context(greet(server, client))

        # Both ends are in this process.
        assert (_resident_kb() - before) / count < 200


def _resident_kb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024
