"""Fetches pages from an ECU: GET only, one total deadline, a size cap, our errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from functools import lru_cache, partial
from http.client import HTTPException, IncompleteRead
from typing import Final, cast
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import DecodeError, HTTPError
from urllib3.exceptions import IncompleteRead as BodyIncomplete
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.addresses import Resolve, connect, resolve
from aps_exporter.errors import EcuError, EcuPageError, EcuTimeoutError, EcuUnreachableError

__all__ = [
    "BODY_CAP",
    "LATE",
    "Fetch",
    "Knock",
    "fetch",
    "fetch_any",
    "knock",
    "make_fetch",
    "make_knock",
]

Fetch = Callable[[str, Deadline], bytes]
"""Takes a URL and a deadline; returns the body of a page or raises `EcuError`.

Raises `TargetError` as well where strangers name targets.
"""

BODY_CAP: Final = 1 << 20
"""Bytes after decoding; a table of a thousand inverters stays well below."""

_CHUNK: Final = 1 << 16
_GONE: Final = (404, 410)
_NO_RETRIES: Final = Retry(0, read=False)
_HEADERS: Final = {
    "User-Agent": "aps-exporter",
    "Accept": "text/html",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


def make_fetch(resolve: Resolve) -> Fetch:
    """Make what fetches pages from ECUs that `resolve` finds, and from nowhere else.

    It raises what `resolve` does; `EcuUnreachableError`; `EcuTimeoutError` when the deadline
    passes, whatever the ECU drips; `EcuPageError` for a status other than 200, for a body over
    `BODY_CAP` and for one that stops short.
    """
    return partial(_fetch, resolve)


def _fetch(resolve: Resolve, url: str, deadline: Deadline, *, any_status: bool = False) -> bytes:
    """GET one page and close the connection."""
    host, port = _place(url)
    try:
        request = _request(urlunsplit(urlsplit(url)._replace(scheme="", netloc="")))
        sock = connect(resolve(host, port), deadline)
        with closing(_Line(host, port, timeout=sock.gettimeout())) as line:
            line.sock = sock
            with _LineAdapter(line).send(request, stream=True) as response:
                if not any_status:
                    _require_ok(response)
                return _body(response)
    except (requests.RequestException, HTTPError, HTTPException, OSError) as error:
        raise _translated(error, deadline) from error


fetch: Final = make_fetch(resolve)
"""Fetches pages from the ECUs of the configuration."""

fetch_any: Final[Fetch] = partial(_fetch, resolve, any_status=True)
"""As `fetch`, but a page that comes with an error, such as a 404, is an answer too."""

Knock = Callable[[str, Deadline], None]
"""Takes a URL and a deadline; raises `EcuError` unless somebody listens there."""


def make_knock(resolve: Resolve) -> Knock:
    """Make what finds out whether somebody listens, among those that `resolve` finds."""
    return partial(_knock, resolve)


def _knock(resolve: Resolve, url: str, deadline: Deadline) -> None:
    """Connect, and hang up."""
    host, port = _place(url)
    try:
        connect(resolve(host, port), deadline).close()
    except OSError as error:
        raise _translated(error, deadline) from error


knock: Final = make_knock(resolve)
"""Knocks at the ECUs of the configuration."""


def _place(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise EcuUnreachableError(f"the ECU's address is none: {url}") from error
    return parts.hostname or "", port


@lru_cache(maxsize=64)
def _request(target: str) -> requests.PreparedRequest:
    """Prepare the request for a page; all ECUs have the same few, and the line knows the host."""
    return requests.Request("GET", f"http://ecu{target}", headers=_HEADERS).prepare()


def _require_ok(response: requests.Response) -> None:
    status = response.status_code
    if status in _GONE:
        message = f"the ECU answers {status}: its firmware has no such page"
        raise EcuPageError(message, "page_gone")
    if status != requests.codes["ok"]:
        message = f"the ECU answers with status {status}"
        raise EcuPageError(message, "page_unrecognised")


def _body(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > BODY_CAP:
            message = f"the page is larger than {BODY_CAP >> 20} MiB"
            raise EcuPageError(message, "page_unrecognised")
    return bytes(body)


def _translated(error: Exception, deadline: Deadline) -> EcuError:
    """Tell silence, refusal, junk and a cut from one another, by what lies at the bottom."""
    causes = list(_causes(error))
    if deadline.remaining() == 0:
        return EcuTimeoutError(LATE)
    for kinds, meaning in _MEANINGS:
        if any(isinstance(cause, kinds) for cause in causes):
            return meaning()
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return EcuUnreachableError(f"the ECU can't be reached: {reasons[-1] if reasons else error}")


LATE: Final = "the ECU did not answer in time"
_MEANINGS: Final[tuple[tuple[tuple[type[BaseException], ...], Callable[[], EcuError]], ...]] = (
    ((TimeoutError,), lambda: EcuTimeoutError(LATE)),
    ((ConnectionRefusedError,), lambda: EcuUnreachableError("the ECU refuses the connection")),
    (
        (ConnectionError,),
        lambda: EcuUnreachableError("the ECU closed the connection without an answer"),
    ),
    (
        (IncompleteRead, BodyIncomplete, ChunkedEncodingError),
        lambda: EcuPageError(
            "the page is cut off: the ECU sent less than it said", "page_truncated"
        ),
    ),
    (
        (HTTPException, DecodeError),
        lambda: EcuPageError("the answer is not HTTP that we understand", "page_unrecognised"),
    ),
)
"""What lies at the bottom → what it means; the first that fits counts."""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk down to the exception that started it; libraries hide it in args and attributes."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__context__, cause.__cause__, *cause.args]
            waiting.append(getattr(cause, "reason", None))


class _Line(HTTPConnection):
    """A connection that is there already, for one request; to requests it is a pool of its own.

    Pools, retries and their bookkeeping cost more than the talking, and who reads thousands of
    ECUs has no use for them: each page has a connection of its own.
    """

    auto_open = 0
    """Never connects by itself, because it would look the name up anew."""

    def urlopen(
        self, method: str, url: str, headers: Mapping[str, str], **_for_pools: object
    ) -> BaseHTTPResponse:
        """Ask, and give the answer with its body still to be read."""
        # What an ECU said before it stopped listening can still be read.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.request(method, url, headers=headers, preload_content=False, decode_content=False)
        return self.getresponse()


class _LineAdapter(HTTPAdapter):
    """Makes requests use a line; without a session there are no proxies, redirects or cookies."""

    def __init__(self, line: _Line) -> None:
        """Take the line, whose owner closes it."""
        super().__init__(max_retries=_NO_RETRIES)
        self._line = line

    def init_poolmanager(self, *_args: object, **_kwargs: object) -> None:
        """Make no pools."""

    def get_connection_with_tls_context(
        self, *_args: object, **_kwargs: object
    ) -> HTTPConnectionPool:
        """Give the line; nothing but `urlopen` is asked of it."""
        return cast("HTTPConnectionPool", self._line)

    def cert_verify(self, *_args: object, **_kwargs: object) -> None:
        """Verify nothing: ECUs speak plain HTTP."""

    def request_url(self, request: requests.PreparedRequest, proxies: object) -> str:
        """Give what stands in the request line."""
        del proxies
        return request.path_url

    def build_response(
        self, req: requests.PreparedRequest, resp: BaseHTTPResponse
    ) -> requests.Response:
        """Wrap the answer; its cookies and its encoding are nothing to us."""
        response = requests.Response()
        response.status_code, response.raw, response.request = resp.status, resp, req
        return response
