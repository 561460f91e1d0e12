"""Fetches pages from an ECU: GET only, one total deadline, a size cap, our errors."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from functools import lru_cache
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING, Any, Final, Self

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import DecodeError, HTTPError, NameResolutionError
from urllib3.exceptions import IncompleteRead as BodyIncomplete

from aps_exporter.deadline import Deadline
from aps_exporter.errors import EcuError, EcuPageError, EcuTimeoutError, EcuUnreachableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["BODY_CAP", "LATE", "Fetch", "fetch"]

Fetch = Callable[[str, Deadline], bytes]
"""Takes a URL and a deadline; returns the body of a page or raises `EcuError`."""

BODY_CAP: Final = 1 << 20
"""Bytes after decoding; a table of a thousand inverters stays well below."""

_CHUNK: Final = 1 << 16
_GONE: Final = (404, 410)
_HEADERS: Final = {
    "User-Agent": "aps-exporter",
    "Accept": "text/html",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


def fetch(url: str, deadline: Deadline) -> bytes:
    """GET one page and close the connection.

    Raises `EcuUnreachableError`; `EcuTimeoutError` when the deadline passes, whatever the ECU
    drips; `EcuPageError` for a status other than 200, for a body over `BODY_CAP` and for one that
    stops short.
    """
    with _DeadlineAdapter(pool_connections=1, pool_maxsize=1) as adapter:
        try:
            # Straight to the adapter: no session means no proxies, redirects or cookies.
            timeout = max(deadline.remaining(), 0.001)
            with adapter.send(_request(url), stream=True, timeout=timeout) as response:
                _require_ok(response)
                return _body(response)
        except (requests.RequestException, HTTPError, HTTPException, OSError) as error:
            raise _translated(error, deadline) from error


@lru_cache(maxsize=64)
def _request(url: str) -> requests.PreparedRequest:
    """Prepare the request for a page; an ECU has few pages, and they are read again and again."""
    return requests.Request("GET", url, headers=_HEADERS).prepare()


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
    ((NameResolutionError,), lambda: EcuUnreachableError("the ECU's name does not resolve")),
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


class _DeadlineSocket(socket.socket):
    """A socket whose timeout counts for all that is still to come, not for each call."""

    deadline: Deadline

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        """Receive what has arrived; raises `TimeoutError` once the deadline has passed."""
        self.settimeout(max(self.deadline.remaining(), 1e-6))
        return super().recv_into(buffer, nbytes, flags)


class _DeadlineConnection(HTTPConnection):
    """A connection that takes its timeout for the whole conversation."""

    def connect(self) -> None:
        """Connect, and let the deadline run from the start of the connecting."""
        deadline = Deadline.after(float(self.timeout or 0))
        super().connect()
        sock = _DeadlineSocket(fileno=self.sock.detach())
        sock.deadline = deadline
        self.sock = sock


class _DeadlinePool(HTTPConnectionPool):
    ConnectionCls = _DeadlineConnection


class _DeadlineAdapter(HTTPAdapter):
    """Makes requests use `_DeadlineConnection`; closes all connections at the end of a `with`."""

    def __enter__(self) -> Self:
        """Give the adapter."""
        return self

    def __exit__(self, *_exc_info: object) -> None:
        """Close what the ECU would keep open."""
        self.close()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # passed through
        """Make the pool manager as always, then tell it whose connections to use."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _DeadlinePool}
