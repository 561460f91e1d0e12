"""Work that many visitors want at once is done once, in a thread, and its result kept a while."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from aps_exporter.web.exposition import accepts_gzip
from aps_exporter.web.scrapes import header

__all__ = ["Body", "Shared"]

WORTH_GZIP: Final = 1000
GZIP_LEVEL: Final = 1
MOST_BYTES: Final = 16 * 1024 * 1024
"""Kept at a time; a page of 400 panels takes some 120 kB, and as much again is set aside for it."""

_T = TypeVar("_T")
_V = TypeVar("_V")
_log = logging.getLogger(__name__)


class Body:
    """An answer's body, ready to be sent as it is, compressed, or not at all."""

    def __init__(self, content: str | bytes) -> None:
        """Take what is to be said."""
        self.plain = content.encode(errors="replace") if isinstance(content, str) else content

    @property
    def weight(self) -> int:
        """How many bytes it may come to hold: compressed it isn't larger than plain."""
        return 2 * len(self.plain)

    @cached_property
    def gzipped(self) -> bytes:
        """The body for clients that take it so."""
        return gzip.compress(self.plain, compresslevel=GZIP_LEVEL, mtime=0)

    @cached_property
    def etag(self) -> str:
        """A name for just this body."""
        return f'W/"{hashlib.sha256(self.plain).hexdigest()[:16]}"'

    def answer(self, request: Request, headers: dict[str, str]) -> Response:
        """Answer in the encoding that the client takes, or that it has this very body already."""
        headers = {**headers, "vary": "accept-encoding"}
        if headers.get("cache-control") != "no-store":
            headers["etag"] = self.etag
            known = [tag.strip() for tag in header(request, "if-none-match").split(",")]
            if self.etag in known or "*" in known:
                return Response(status_code=304, headers=headers)
        welcome = accepts_gzip(header(request, "accept-encoding"))
        if len(self.plain) < WORTH_GZIP or not welcome:
            return Response(self.plain, headers=headers)
        return Response(self.gzipped, headers={**headers, "content-encoding": "gzip"})


@dataclass(slots=True)
class Shared:
    """Used from the server's loop only."""

    _works: dict[Hashable, asyncio.Future[None]] = field(default_factory=dict)
    _builds: dict[Hashable, asyncio.Future[Body]] = field(default_factory=dict)
    _bodies: OrderedDict[Hashable, tuple[object, Hashable, Body]] = field(
        default_factory=OrderedDict
    )
    _held: int = 0
    """The weight of all bodies."""

    async def body(
        self, key: Hashable, owner: object, stamp: Hashable, build: Callable[[], Body]
    ) -> Body:
        """Give the body that was built for this `owner` and `stamp`, or build it."""
        known = self._bodies.get(key)
        if known is not None and known[0] is owner and known[1] == stamp:
            self._bodies.move_to_end(key)
            return known[2]
        # One visitor who leaves must not take the others' answer along.
        body = await asyncio.shield(_join(self._builds, (key, id(owner), stamp), build))
        self._keep(key, owner, stamp, body)
        return body

    def _keep(self, key: Hashable, owner: object, stamp: Hashable, body: Body) -> None:
        """Keep a body in place of its forerunner, and let those go that nobody wanted for long."""
        if key in self._bodies:
            self._held -= self._bodies.pop(key)[2].weight
        self._bodies[key] = (owner, stamp, body)
        self._held += body.weight
        while self._held > MOST_BYTES:
            _, (_, _, oldest) = self._bodies.popitem(last=False)
            self._held -= oldest.weight

    async def wait(self, key: Hashable, work: Callable[[], None], patience_s: float) -> None:
        """Have the work done, and wait a while for its end; it goes on in any case."""
        future = _join(self._works, key, work)
        # Only the server cancels, when it stops: the answer is then what is known.
        with suppress(asyncio.CancelledError):
            await asyncio.wait({future}, timeout=patience_s)


def _join(
    running: dict[Hashable, asyncio.Future[_T]], key: Hashable, work: Callable[[], _T]
) -> asyncio.Future[_T]:
    """Start the work in a thread of its own, or join it if it is under way."""
    if key in running:
        return running[key]
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def call() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  # whoever waits gets it
            _log.exception("a bug behind a page")
            tell(future.set_exception, error)
        else:
            tell(future.set_result, result)

    def tell(how: Callable[[_V], None], what: _V) -> None:
        with suppress(RuntimeError):  # the server has ended, and nobody waits
            loop.call_soon_threadsafe(how, what)

    def end(done: asyncio.Future[_T]) -> None:
        del running[key]
        done.exception()  # the log has it, if nobody waits any more

    future.add_done_callback(end)
    running[key] = future
    threading.Thread(target=call, name="page", daemon=True).start()
    return future
