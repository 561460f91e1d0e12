"""What every request passes before it is answered: web configuration, rate limit, password."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aps_exporter.errors import ConfigError
from aps_exporter.web.live_config import LiveWebConfig
from aps_exporter.web.passwords import BusyError, Passwords, parse_basic
from aps_exporter.web.rate_limit import Bucket
from aps_exporter.web.web_config import RateLimit, WebConfig

__all__ = ["Door"]

HEALTH_PATHS: Final = ("/-/healthy", "/-/ready")


class Door:
    """An ASGI application around another, as the web configuration wants it."""

    def __init__(
        self,
        app: ASGIApp,
        file: Path,
        *,
        health_without_auth: bool = False,
        passwords: Passwords | None = None,
    ) -> None:
        """Guard `app` as the file says; `health_without_auth`: the health paths want no password.

        Raises `ConfigError`.
        """
        self._app = app
        self._live = LiveWebConfig(file)
        self._open = HEALTH_PATHS if health_without_auth else ()
        self._passwords = passwords or Passwords()
        self._bucket = Bucket(RateLimit())
        self.handshakes = self._context if self._live.tls else None
        """With TLS says how to shake hands right now; ``None`` means not at all."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it pass."""
        try:
            config = self._live.current().config
        except ConfigError:
            await _plain(500, "The web configuration is broken; the log says more.")(
                scope, receive, send
            )
            return
        if not self._may_pass(config.rate_limit):
            await _plain(429, "Too many requests; come back later.")(scope, receive, send)
            return
        send = _with_headers(send, config)
        refusal = await self._refusal(scope, config)
        await (refusal or self._app)(scope, receive, send)

    def _context(self) -> ssl.SSLContext | None:
        try:
            return self._live.current().context
        except ConfigError:
            return None  # and it is logged

    def _may_pass(self, limit: RateLimit) -> bool:
        if self._bucket.limit != limit:
            self._bucket = Bucket(limit)
        return self._bucket.take()

    async def _refusal(self, scope: Scope, config: WebConfig) -> Response | None:
        """Give what to answer to whoever may not pass."""
        users = config.basic_auth_users
        if not users or scope["path"] in self._open:
            return None
        given = parse_basic(Headers(scope=scope).get("authorization", ""))
        try:
            if given and await self._passwords.match(users, *given):
                return None
        except BusyError:
            return _plain(503, "Too many passwords to check; come back later.", retry_after="1")
        except asyncio.CancelledError:
            # Only the server cancels, when it has waited long enough for us to finish.
            return _plain(503, "aps-exporter is stopping.")
        return _plain(401, "Unauthorized", www_authenticate="Basic")


def _plain(status: int, text: str, **headers: str) -> Response:
    """Make an answer of one line; headers by name, with ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PlainTextResponse(f"{text}\n", status_code=status, headers=named)


def _with_headers(send: Send, config: WebConfig) -> Send:
    """Add the configured headers to an answer that doesn't set them itself."""
    # "Unset if blank"; the server sets nosniff, the only value of its header, on every answer.
    wanted = {
        name: value
        for name, value in config.http_server_config.headers.items()
        if value and name != "X-Content-Type-Options"
    }
    if not wanted:
        return send

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in wanted.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers
