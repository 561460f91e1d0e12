"""`/sd`: tells Prometheus which ECUs there are, and how to scrape each through this exporter."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aps_exporter.errors import ConfigError
from aps_exporter.fleet import Fleet

__all__ = ["Discovery", "Place", "parse_external_url"]

MOST_REMEMBERED = 4
"""Answers for as many names of this exporter are kept."""
_LABEL = r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
_HOST = re.compile(rf"(?:\[[0-9A-Fa-f:.]{{2,45}}\]|{_LABEL}(?:\.{_LABEL})*)(?::[0-9]{{1,5}})?")
_LONGEST_HOST = 260


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where Prometheus finds this exporter."""

    scheme: str
    host: str
    """With the port where it isn't the scheme's."""
    prefix: str = ""
    """What a reverse proxy puts before our paths, without a slash at the end."""


@dataclass(slots=True, kw_only=True)
class Discovery:
    """Writes the list, and remembers it until the configuration changes."""

    fleet: Fleet
    external: Place | None = None
    """Where we are found, as the owner says; ``None``: where the request found us."""
    _version: int = field(default=-1, init=False)
    _ends: list[bytes] = field(default_factory=list, init=False)
    """What costs most, and is the same for all, whatever they write into their Host header."""
    _written: dict[Place, tuple[bytes, str]] = field(default_factory=dict, init=False)
    """Place → the list, and its tag."""

    async def sd(self, request: Request) -> Response:
        """Give the whole list, as Prometheus's `http_sd_configs` wants it."""
        place = self.external or _place_of(request)
        if place is None:
            return PlainTextResponse("The Host header is no host.\n", status_code=400)
        body, tag = self._list(place)
        headers = {"etag": tag, "cache-control": "no-cache"}
        given = request.headers.get("if-none-match", "")
        if tag in (each.strip().removeprefix("W/") for each in given.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    def _list(self, place: Place) -> tuple[bytes, str]:
        if self._version != self.fleet.version:
            self._version = self.fleet.version
            self._written.clear()
            self._ends = [
                _end_of_group(name, station.labels) for name, station in self.fleet.stations.items()
            ]
        if place not in self._written:
            if len(self._written) >= MOST_REMEMBERED:
                self._written.clear()
            body = _write(place, self._ends)
            digest = hashlib.blake2b(body, digest_size=16).hexdigest()
            self._written[place] = body, f'"{digest}"'
        return self._written[place]


def parse_external_url(url: str) -> Place:
    """Take the owner's word for where we are found; raises `ConfigError`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    host = parts.netloc
    if (
        parts.scheme not in {"http", "https"}
        or not _is_host(host)
        or parts.query
        or parts.fragment
        or not re.fullmatch(r"[!-~]*", parts.path)
    ):
        raise ConfigError("--web.external-url: must be a URL such as https://aps.example:10025")
    return Place(scheme=parts.scheme, host=host, prefix=parts.path.rstrip("/"))


def _place_of(request: Request) -> Place | None:
    """Say where the request found us; anybody can write anything into its Host header."""
    hosts = request.headers.getlist("host")
    if len(hosts) != 1 or not _is_host(hosts[0]):
        return None
    return Place(scheme=request.scope["scheme"], host=hosts[0].lower())


def _is_host(text: str) -> bool:
    return len(text) <= _LONGEST_HOST and _HOST.fullmatch(text) is not None


def _end_of_group(name: str, labels: Mapping[str, str]) -> bytes:
    """Write what is said of an ECU wherever we are found, and the end of its group."""
    return _json({**labels, "__param_target": name, "instance": name})[1:] + b"}"


def _write(place: Place, ends: Sequence[bytes]) -> bytes:
    """Write a group for each ECU; these labels make relabelling unnecessary."""
    common = {"__scheme__": place.scheme, "__metrics_path__": f"{place.prefix}/probe"}
    begin = _json({"targets": [place.host], "labels": common}).removesuffix(b"}}") + b","
    return b"[" + b",".join([begin + end for end in ends]) + b"]"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
