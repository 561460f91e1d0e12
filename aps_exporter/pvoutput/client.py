"""HTTP to PVOutput: one request, one total deadline, a size cap, no redirects, the key unseen."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Protocol, Self, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from aps_exporter import __version__
from aps_exporter.deadline import Deadline
from aps_exporter.errors import PVOutputError
from aps_exporter.pvoutput.answers import Answer, Rate
from aps_exporter.pvoutput.policy import Account
from aps_exporter.pvoutput.redact import blot

__all__ = ["BODY_CAP", "Client", "Service"]

BODY_CAP: Final = 1 << 16
"""Bytes of an answer; the longest real one, a batch of 100, has 2 kB."""

_CONNECT_S: Final = 10.0
_CHUNK: Final = 1 << 12


class Service(Protocol):
    """The three services of PVOutput that we use; each raises `PVOutputError` without an answer."""

    def add_status(self, form: Mapping[str, str]) -> Answer:
        """Send one record."""

    def add_batch(self, lines: list[str], *, lifetime: bool) -> Answer:
        """Send several records as one request."""

    def get_system(self) -> Answer:
        """Ask about the system, which also tries the key without writing anything."""


class Client:
    """Speaks to PVOutput for one account, one request at a time."""

    def __init__(self, account: Account, *, total_s: float = 30.0) -> None:
        """Take the account, and how long one request may take whatever the server drips."""
        self._account = account
        self._total_s = total_s
        self._loopback = _is_loopback(account.base_url)

    def add_status(self, form: Mapping[str, str]) -> Answer:
        """Send one record with addstatus."""
        return self._request("POST", "addstatus", form)

    def add_batch(self, lines: list[str], *, lifetime: bool) -> Answer:
        """Send records with addbatchstatus; `lifetime` marks all their energies (c1=2)."""
        form = {"data": ";".join(lines)} | ({"c1": "2"} if lifetime else {})
        return self._request("POST", "addbatchstatus", form)

    def get_system(self) -> Answer:
        """Ask getsystem for the zone and the donations too."""
        return self._request("GET", "getsystem", {"donations": "1", "tz": "1"})

    def _request(self, method: str, service: str, form: Mapping[str, str]) -> Answer:
        key = self._account.api_key.get_secret_value()
        deadline = Deadline.after(self._total_s)
        with requests.Session() as session, _Watch(deadline) as watch:
            session.trust_env = not self._loopback  # a proxy may stand before PVOutput, not us
            session.mount("https://", _Adapter(watch))
            session.mount("http://", _Adapter(watch))
            try:
                with session.request(
                    method,
                    f"{self._account.base_url.rstrip('/')}/{service}.jsp",
                    params=form if method == "GET" else None,
                    data=form if method == "POST" else None,
                    headers={
                        "X-Pvoutput-Apikey": key,
                        "X-Pvoutput-SystemId": self._account.system_id,
                        "X-Rate-Limit": "1",
                        "User-Agent": f"aps-exporter/{__version__}",
                        "Accept-Encoding": "identity",
                        "Connection": "close",
                    },
                    timeout=(min(_CONNECT_S, self._total_s), self._total_s),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    return _answer(response, key)
            except (requests.RequestException, HTTPError, OSError) as error:
                late = deadline.remaining() == 0
                reason = f"no answer within {self._total_s:g} s" if late else _reason(error)
                message = f"PVOutput can't be reached: {blot(reason, key)}"
                raise PVOutputError(message) from error


def _answer(response: requests.Response, key: str) -> Answer:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > BODY_CAP:
            message = f"PVOutput's answer is larger than {BODY_CAP >> 10} KiB"
            raise PVOutputError(message)
    text = body.decode("utf-8", "replace").strip()
    content_type = response.headers.get("Content-Type", "").lower()
    return Answer(
        status=response.status_code,
        text=blot(" ".join(text.split()), key),
        html="html" in content_type or text.startswith("<"),
        rate=_rate(response.headers),
    )


def _rate(headers: Mapping[str, str]) -> Rate | None:
    """Read the three quota headers; one that is missing or odd makes all of them worthless."""
    try:
        limit, remaining = (int(headers[f"X-Rate-Limit-{n}"]) for n in ("Limit", "Remaining"))
        reset = float(headers["X-Rate-Limit-Reset"])
    except (KeyError, ValueError):
        return None
    if limit <= 0 or remaining < 0 or not math.isfinite(reset):
        return None
    return Rate(limit=limit, remaining=remaining, reset=reset)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _reason(error: BaseException) -> str:
    """Find what started it: libraries wrap it in long words of their own."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class _Watch:
    """Cuts the connection when the deadline passes.

    A library's timeout is for each receive, so a server that drips a byte now and then would
    hold us for ever.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(deadline.remaining(), self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def over(self, connection: socket.socket) -> None:
        """Watch over this connection."""
        self._socket = connection

    def _cut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # closed a moment ago: just what we want
                self._socket.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Shows the watch every connection that is made."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch
        super().__init__()

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,  # noqa: FBT001  the library's signature
        proxies: Mapping[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> HTTPConnectionPool:
        pool = cast(
            "HTTPConnectionPool",
            super().get_connection_with_tls_context(request, verify, proxies, cert),
        )
        plain, watch = pool.ConnectionCls, self._watch

        def connect(self: HTTPConnection) -> None:
            plain.connect(self)
            watch.over(self.sock)

        pool.ConnectionCls = type(plain.__name__, (plain,), {"connect": connect})
        return pool
