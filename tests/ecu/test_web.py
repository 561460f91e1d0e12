"""Fetching a page from ECUs that behave, misbehave, and try our patience; all on loopback."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable

import pytest

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.web import BODY_CAP, fetch
from aps_exporter.errors import EcuError, EcuPageError, EcuTimeoutError, EcuUnreachableError
from tests.ecu.loopback import OK, PAGE, Ecu, Talk, drip, hang, reset, say

SLACK = 1.0
"""Seconds that a busy machine may add to a deadline."""


def failure(url: str, seconds: float = 5.0) -> EcuError:
    """Fetch a page that can't be fetched, and give the error."""
    with pytest.raises(EcuError) as caught:
        fetch(url, Deadline.after(seconds))
    return caught.value


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 28\r\n\r\n" + PAGE,
        OK + b"\r\n" + PAGE,
        OK + b"Transfer-Encoding: chunked\r\n\r\n1c\r\n" + PAGE + b"\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + PAGE,
        b"HTTP/1.0 200 OK\nContent-type: text/html\n\n" + PAGE,
        b"HTTP/1.1 200 OK\r\nSet-Cookie: ci_session=a%3A4; path=/\r\nContent-Length: 28\r\n\r\n"
        + PAGE
        + b"trailing junk",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 28\r\n\r\n" + PAGE,
        OK + b"Content-Length: many\r\n\r\n" + PAGE,
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE),
    ],
    ids=[
        "with length",
        "until close",
        "chunked",
        "HTTP 1.0",
        "LF only, no length",
        "more than its length",
        "100 Continue",
        "length in words",
        "gzip though not asked for",
    ],
)
def test_a_page_arrives(serve: Callable[[Talk], Ecu], answer: bytes) -> None:
    """However an ECU frames its page, its bytes are handed over."""
    ecu = serve(say(answer))

    assert fetch(ecu.url, Deadline.after(5)) == PAGE


def test_the_request_is_a_plain_get(serve: Callable[[Talk], Ecu]) -> None:
    """An ECU gets one GET that asks for nothing special and closes."""
    ecu = serve(say(OK, b"\r\n", PAGE))
    fetch(ecu.url, Deadline.after(5))
    (request,) = ecu.requests
    lines = request.decode().split("\r\n")

    assert lines[0] == "GET /cgi-bin/parameters HTTP/1.1"
    assert "Connection: close" in lines
    assert "Accept-Encoding: identity" in lines
    assert lines[-2:] == ["", ""]


def test_the_connection_is_closed_though_the_server_keeps_it(
    serve: Callable[[Talk], Ecu],
) -> None:
    """A server that keeps the connection alive sees us close it."""
    closed = threading.Event()

    def keep_alive(connection: socket.socket, over: threading.Event) -> None:
        del over
        connection.sendall(OK + b"Connection: keep-alive\r\nContent-Length: 28\r\n\r\n" + PAGE)
        connection.settimeout(10)
        if connection.recv(1) == b"":
            closed.set()

    ecu = serve(keep_alive)
    fetch(ecu.url, Deadline.after(5))

    assert closed.wait(5)


def test_a_refused_connection_is_unreachable() -> None:
    """Nobody listens: refused, and said so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(f"http://127.0.0.1:{port}/")

    assert isinstance(error, EcuUnreachableError)
    assert str(error) == "the ECU refuses the connection"


@pytest.mark.parametrize("host", ["no-such-ecu.invalid", "a" * 70 + ".invalid", "[::zz]", "a..b"])
def test_a_name_that_is_none_is_unreachable(host: str) -> None:
    """A name that doesn't resolve, or can't be one, is unreachable."""
    assert isinstance(failure(f"http://{host}/", 30), EcuUnreachableError)


@pytest.mark.parametrize("talk", [reset, lambda *_: None], ids=["reset", "closed"])
def test_an_ecu_that_hangs_up_is_unreachable(serve: Callable[[Talk], Ecu], talk: Talk) -> None:
    """A connection closed or reset without an answer is no conversation."""
    error = failure(serve(talk).url)

    assert isinstance(error, EcuUnreachableError)
    assert str(error) == "the ECU closed the connection without an answer"


@pytest.mark.parametrize(
    "talk",
    [
        hang,
        drip(b"", b"H"),
        drip(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
        drip(OK + b"\r\n", b"<"),
        drip(OK + b"Content-Length: 1000\r\n\r\n", b"<"),
        drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n<\r\n"),
        drip(OK + b"Transfer-Encoding: chunked\r\n\r\n1", b"0"),
        drip(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE)[:10], b"\0"),
        drip(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b"<"),
        drip(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 90, b""),
    ],
    ids=[
        "hang",
        "status line",
        "headers",
        "body until close",
        "body with length",
        "chunks",
        "chunk size",
        "100 Continue",
        "gzip",
        "redirect",
        "headers without end",
    ],
)
def test_the_deadline_holds_whatever_drips(serve: Callable[[Talk], Ecu], talk: Talk) -> None:
    """An ECU that says a little now and then is given up at the deadline, and not before."""
    ecu = serve(talk)
    began = time.monotonic()
    error = failure(ecu.url, 0.4)
    took = time.monotonic() - began

    assert took < 0.4 + SLACK
    assert isinstance(error, EcuTimeoutError) or error.status == "page_unrecognised"


def test_dripping_is_a_timeout(serve: Callable[[Talk], Ecu]) -> None:
    """A page that never ends is a timeout, not a page."""
    error = failure(serve(drip(OK + b"\r\n", b"<")).url, 0.3)

    assert isinstance(error, EcuTimeoutError)
    assert str(error) == "the ECU did not answer in time"


def test_a_passed_deadline_is_a_timeout_at_once(serve: Callable[[Talk], Ecu]) -> None:
    """Nothing is waited for when no time is left."""
    ecu = serve(hang)
    began = time.monotonic()

    assert isinstance(failure(ecu.url, -1), EcuTimeoutError)
    assert time.monotonic() - began < SLACK


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (OK + b"Content-Length: 1000\r\n\r\n" + PAGE, "page_truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1c\r\n" + PAGE + b"\r\n", "page_truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + PAGE, "page_truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + PAGE, "page_truncated"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + PAGE, "page_unrecognised"),
        (b"220 ftp ready\r\n", "page_unrecognised"),
        (b"\x16\x03\x01\x02\x00" * 20, "page_unrecognised"),
        (b"HTTP/1.1 two hundred\r\n\r\n", "page_unrecognised"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n", "page_unrecognised"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "page_unrecognised"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n<h1>404</h1>", "page_gone"),
        (b"HTTP/1.1 410 Gone\r\n\r\n", "page_gone"),
        (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n", "page_unrecognised"),
        (b"HTTP/1.1 417 Expectation Failed\r\n\r\n", "page_unrecognised"),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n" + PAGE, "page_unrecognised"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "page_unrecognised"),
        (b"HTTP/1.1 206 Partial Content\r\n\r\n" + PAGE, "page_unrecognised"),
    ],
)
def test_what_is_no_page_is_said_so(
    serve: Callable[[Talk], Ecu], answer: bytes, status: str
) -> None:
    """An answer that is short, junk, gone or refused has the status that says so."""
    error = failure(serve(say(answer)).url)

    assert isinstance(error, EcuPageError)
    assert error.status == status
    assert "\n" not in str(error)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(serve: Callable[[Talk], Ecu], code: int) -> None:
    """The place that a redirect names is never asked."""
    target = serve(say(OK, b"\r\n", PAGE))
    ecu = serve(say(f"HTTP/1.1 {code} Moved\r\nLocation: {target.url}\r\n\r\n".encode()))

    assert failure(ecu.url).status == "page_unrecognised"
    assert target.requests == []


@pytest.mark.parametrize("location", [b"http://[::zz]/", b"\xff\xfe", b"//", b"gopher://x:y/"])
def test_a_redirect_to_nonsense_is_not_followed(
    serve: Callable[[Talk], Ecu], location: bytes
) -> None:
    """A location that is no address changes nothing."""
    ecu = serve(say(b"HTTP/1.1 302 Found\r\nLocation: ", location, b"\r\n\r\n"))

    assert failure(ecu.url).status == "page_unrecognised"


def test_a_redirect_without_end_is_not_read(serve: Callable[[Talk], Ecu]) -> None:
    """The body of a redirect, however long, is not waited for."""
    start = b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"
    ecu = serve(drip(start, b"<" * 10, every=0.02))
    began = time.monotonic()

    assert failure(ecu.url, 5).status == "page_unrecognised"
    assert time.monotonic() - began < 1


def test_a_page_of_the_cap_arrives(serve: Callable[[Talk], Ecu]) -> None:
    """A page of exactly 1 MiB is still read."""
    page = b"x" * BODY_CAP

    assert BODY_CAP == 1024 * 1024
    assert fetch(serve(say(OK, b"\r\n", page)).url, Deadline.after(5)) == page


@pytest.mark.parametrize("length", [b"", b"Content-Length: 1048577\r\n"])
def test_a_page_over_the_cap_is_refused(serve: Callable[[Talk], Ecu], length: bytes) -> None:
    """One byte more than 1 MiB is not a page."""
    error = failure(serve(say(OK, length, b"\r\n", b"x" * (BODY_CAP + 1))).url)

    assert error.status == "page_unrecognised"
    assert str(error) == "the page is larger than 1 MiB"


def test_an_endless_page_is_refused_at_the_cap(serve: Callable[[Talk], Ecu]) -> None:
    """A page that never ends, but fast, is refused long before the deadline."""
    error = failure(serve(drip(OK + b"\r\n", b"x" * 100_000, every=0.001)).url, 30)

    assert str(error) == "the page is larger than 1 MiB"


def test_a_gzip_bomb_does_not_explode(serve: Callable[[Talk], Ecu]) -> None:
    """The cap counts decoded bytes, and what is decoded beyond it stays small."""
    bomb = gzip.compress(bytes(64 << 20), compresslevel=9)
    ecu = serve(say(OK, b"Content-Encoding: gzip\r\n\r\n", bomb))
    tracemalloc.start()
    try:
        error = failure(ecu.url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert str(error) == "the page is larger than 1 MiB"
    assert peak < 8 << 20


def test_a_proxy_in_the_environment_is_ignored(
    serve: Callable[[Talk], Ecu], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ECU is asked itself, whatever proxy the machine has."""
    proxy = serve(say(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url.removesuffix("/cgi-bin/parameters"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    ecu = serve(say(OK, b"\r\n", PAGE))

    assert fetch(ecu.url, Deadline.after(5)) == PAGE
    assert proxy.requests == []


def test_an_ecu_over_ipv6_is_read() -> None:
    """An address in brackets works."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("needs IPv6 on loopback")

    def serve_once() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(OK + b"\r\n" + PAGE)

    thread = threading.Thread(target=serve_once)
    with listener:
        thread.start()
        page = fetch(f"http://[::1]:{listener.getsockname()[1]}/", Deadline.after(5))
        thread.join(5)

    assert page == PAGE


def test_an_address_that_swallows_everything_is_a_timeout(full: tuple[str, int]) -> None:
    """A host that doesn't even take the connection is given up at the deadline."""
    began = time.monotonic()
    error = failure(f"http://127.0.0.1:{full[1]}/", 0.3)

    assert isinstance(error, EcuTimeoutError)
    assert time.monotonic() - began < 0.3 + SLACK
