"""As much HTTP as a small web server in a box on the wall speaks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs

__all__ = ["LONGEST_HEAD", "Answer", "BadRequestError", "Request", "read_request"]

LONGEST_HEAD = 16 * 1024
"""The reader's limit, beyond which a request is refused."""
_LONGEST_FORM = 4 * 1024
_PATIENCE_S = 30.0


class BadRequestError(Exception):
    """What came is no request that this server takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = b""

    def form(self) -> dict[str, str]:
        """Read the body as a form's fields, the last of each name."""
        fields = parse_qs(self.body.decode(errors="replace"), keep_blank_values=True)
        return {name: values[-1].strip() for name, values in fields.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered."""

    body: bytes
    status: int = 200
    headers: tuple[str, ...] = ("Content-type: text/html",)
    has_length: bool = True
    """Otherwise the end of the connection ends the body."""

    def encode(self, *, head_only: bool = False, old: bool = False) -> bytes:
        """Write it down; `old`: as HTTP/1.0 with lines that end in a bare LF."""
        lines = [
            f"HTTP/1.{0 if old else 1} {self.status} {HTTPStatus(self.status).phrase}",
            *self.headers,
            *([f"Content-Length: {len(self.body)}"] if self.has_length and not old else []),
            *([] if old else ["Connection: close"]),
        ]
        end = "\n" if old else "\r\n"
        head = "".join(f"{line}{end}" for line in (*lines, ""))
        return head.encode("latin-1") + (b"" if head_only else self.body)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request; ``None``: the other side left without a word.

    Raises `BadRequestError`, also for a request that doesn't end.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, headers = _parse_head(head)
            length = headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > _LONGEST_FORM:
                raise BadRequestError(length)
            body = await reader.readexactly(int(length))
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        message = "cut off"
        raise BadRequestError(message) from error
    except (asyncio.LimitOverrunError, TimeoutError) as error:
        message = "without an end"
        raise BadRequestError(message) from error
    return Request(method=method, path=path, headers=headers, body=body)


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Take apart ``GET /index.php/home?x=1 HTTP/1.1`` and the header lines below it."""
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):  # noqa: PLR2004  # all three
        raise BadRequestError(first)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
    }
    return parts[0], parts[1].partition("?")[0], headers
