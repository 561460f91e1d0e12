"""The files of the pages as they are served, and the headers that let nothing else in."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

__all__ = ["PAGE_HEADERS", "STYLE", "TOKEN", "Asset", "asset", "static"]

_SCRIPT: Final = "text/javascript; charset=utf-8"
_TYPES: Final = {
    "chart.js": _SCRIPT,
    "day.js": _SCRIPT,
    "details.js": _SCRIPT,
    "dom.js": _SCRIPT,
    "fleet.js": _SCRIPT,
    "live.js": _SCRIPT,
    "refresh.js": _SCRIPT,
    "roof.js": _SCRIPT,
    "words.js": _SCRIPT,
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file and how it is served."""

    body: bytes
    headers: dict[str, str]


def _read(name: str) -> bytes:
    return (files("aps_exporter.web") / "static" / name).read_bytes()


_BODIES: Final = {name: _read(name) for name in _TYPES}

STYLE: Final = _read("roof.css").decode()
"""Goes into the page itself: the first answer is all that the first picture needs."""

TOKEN: Final = hashlib.sha256(b"".join(_BODIES.values())).hexdigest()[:12]
"""Part of the files' addresses: they change with their content, and can be kept for ever."""

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

PAGE_HEADERS: Final = {
    "content-security-policy": (
        f"default-src 'none'; script-src 'self'; style-src 'sha256-{_STYLE_HASH}'; "
        "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}
"""Only what is ours may run or load, whatever an ECU's texts manage to smuggle in."""


def asset(name: str) -> Asset | None:
    """Give a file by its name; ``None``: there is no such file."""
    if name not in _BODIES:
        return None
    headers = {
        "content-type": _TYPES[name],
        "cache-control": "public, max-age=31536000, immutable",
    }
    return Asset(body=_BODIES[name], headers=headers)


def static(name: str) -> str:
    """Give the address of a file, relative to the page."""
    return f"static/{TOKEN}/{name}"
