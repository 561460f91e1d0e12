"""Passwords held against bcrypt hashes: one at a time, beside the event loop, and remembered."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from aps_exporter.web.scrapes import in_thread

__all__ = ["BusyError", "Passwords", "parse_basic"]

MOST_REMEMBERED: Final = 100
MOST_WAITING: Final = 32
_BCRYPT_BYTES: Final = 72
"""bcrypt looks at no more; Go's cuts, Python's refuses."""
_NOBODYS: Final = b"$CQ0NpYpKp9rrnbQ6l7B0C.sH5JZJ0n2rN5cQp4iQ3mE6xUyV8G3aK"
"""Salt and hash of no password in particular."""


class BusyError(Exception):
    """Too many passwords wait to be checked already."""


def parse_basic(header: str) -> tuple[str, bytes] | None:
    """Take name and password out of an ``Authorization`` header; ``None`` if they aren't there."""
    scheme, _, encoded = header.partition(" ")
    if scheme.casefold() != "basic":
        return None
    try:
        text = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(b":")
    return (name.decode("utf-8", "surrogateescape"), password) if colon else None


class Passwords:
    """Checks passwords; for one event loop."""

    def __init__(self, check: Callable[[bytes, bytes], bool] | None = None) -> None:
        """Know nobody yet; `check` stands in for bcrypt, which the first password loads."""
        self._check = check or _bcrypt
        self._secret = secrets.token_bytes(32)
        # Two, lest a flood of wrong ones push out the right ones.
        self._right: dict[bytes, None] = {}
        self._wrong: dict[bytes, None] = {}
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def match(self, users: Mapping[str, bytes], name: str, password: bytes) -> bool:
        """Say whether it is this user's password; as slowly where there is no such user.

        Raises `BusyError` rather than wait behind many others.
        """
        known = name in users
        expected = users[name] if known else _like(next(iter(users.values())))
        key = self._key(name, expected, password)
        if key in self._right or key in self._wrong:
            return key in self._right
        if self._waiting >= MOST_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            async with self._turn:
                if key not in self._right and key not in self._wrong:
                    same = await self._compute(password, expected)
                    _remember(self._right if known and same else self._wrong, key)
        finally:
            self._waiting -= 1
        return key in self._right

    async def _compute(self, password: bytes, expected: bytes) -> bool:
        """Run bcrypt in a thread of its own, which the end of the program doesn't wait for."""
        return await asyncio.wrap_future(in_thread(partial(self._check, password, expected)))

    def _key(self, *parts: str | bytes) -> bytes:
        """Stand for user, hash and password without keeping them; no two triples are alike."""
        digest = hashlib.blake2b(key=self._secret)
        for part in parts:
            data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.digest()


def _like(known: bytes) -> bytes:
    """Make a hash that takes as long as a known one."""
    return known[: known.rindex(b"$")] + _NOBODYS


def _remember(keys: dict[bytes, None], key: bytes) -> None:
    if len(keys) >= MOST_REMEMBERED:
        del keys[next(iter(keys))]
    keys[key] = None


def _bcrypt(password: bytes, expected: bytes) -> bool:
    from bcrypt import checkpw  # noqa: PLC0415 - optional

    return checkpw(password[:_BCRYPT_BYTES], expected)
