"""Pick the exposition format that a scraper asks for, and write a registry in it.

The rules are those of Prometheus's content negotiation and of RFC 9110 §12.5. They are here because
prometheus_client's own take the first known type whatever its weight, and fail on odd versions.
"""

from __future__ import annotations

import gzip
import hashlib
import marshal
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client import exposition as text
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

__all__ = [
    "FORMATS",
    "Exposition",
    "Expositions",
    "Format",
    "accepts_gzip",
    "choose_format",
    "describe_format",
]

GZIP_LEVEL = 1
"""A page of 800 series: 0.1 ms and 5.5 kB; level 9 takes 2.4 ms to save half of that."""

_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A text format, and what writes it."""

    media_type: str
    version: str
    parameters: str
    write: Callable[[Collector], bytes]
    end: bytes = b""
    """What follows the last family."""

    @property
    def content_type(self) -> str:
        """Name exactly what `write` writes."""
        return f"{self.media_type}; version={self.version}; {self.parameters}"


FORMATS = (
    Format(
        media_type="text/plain",
        version="0.0.4",
        parameters="charset=utf-8",
        write=text.generate_latest,
    ),
    Format(
        media_type="application/openmetrics-text",
        version="1.0.0",
        parameters="charset=utf-8; escaping=underscores",
        write=openmetrics.generate_latest,
        end=b"# EOF\n",
    ),
)
"""The preferred one, which is also the last resort, comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """One element of an `Accept` header, e.g. ``text/*;q=0.5``."""

    media_type: str
    version: str | None
    weight: float

    def specificity(self, offer: Format) -> int:
        """Say how closely the range names the format; 0 if it doesn't at all."""
        if self.media_type == offer.media_type:
            return {None: 3, offer.version: 4}.get(self.version, 0)
        if self.media_type == f"{offer.media_type.partition('/')[0]}/*":
            return 2
        return int(self.media_type == "*/*")


def choose_format(accept: str) -> Format:
    """Choose the format that weighs most for the scraper; at equal weight, what it names first."""
    ranges = [
        _Range(media_type=value, version=parameters.get("version"), weight=weight)
        for value, parameters, weight in _elements(accept)
    ]
    best, best_rank = FORMATS[0], (0.0, 0)
    for offer in FORMATS:
        matches = [
            (specificity, wanted.weight, -position)
            for position, wanted in enumerate(ranges)
            if (specificity := wanted.specificity(offer))
        ]
        if matches:
            _, weight, order = max(matches)
            if weight > 0 and (weight, order) > best_rank:
                best, best_rank = offer, (weight, order)
    return best


def accepts_gzip(accept_encoding: str) -> bool:
    """Say whether gzip is allowed, and not less welcome than an uncompressed body."""
    weights = {value: weight for value, _, weight in _elements(accept_encoding)}
    gzip_weight = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip_weight > 0 and gzip_weight >= weights.get("identity", 0.0)


def describe_format(accept: str) -> dict[str, str]:
    """Give the headers of what `render` would write, as far as they are known without writing."""
    return {
        "content-type": choose_format(accept).content_type,
        "vary": "accept, accept-encoding",
    }


@dataclass(frozen=True, slots=True)
class _Family(Collector):
    """A registry of one family."""

    metric: Metric

    def collect(self) -> list[Metric]:
        return [self.metric]


@dataclass(slots=True)
class Exposition:
    """Writes registries, and remembers of each family all that stands around its values.

    Writing is the dearest part of a scrape (16 ms of 25 for 200 panels), and while the values
    change at every sweep of the ECU, the panels and what they are called don't.
    """

    size: int = 0
    """Characters of what is remembered."""
    _written: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    """Media type and family → a digest of all but the values, and the text with ``%s`` for each."""

    def render(
        self, registry: Collector, accept: str, accept_encoding: str
    ) -> tuple[bytes, dict[str, str]]:
        """Collect the registry and give body and headers of the answer."""
        offer = choose_format(accept)
        families = [self._text(offer, metric) for metric in registry.collect()]
        body = b"".join((*families, offer.end))
        headers = describe_format(accept)
        if accepts_gzip(accept_encoding):
            body = gzip.compress(body, compresslevel=GZIP_LEVEL, mtime=0)
            headers["content-encoding"] = "gzip"
        return body, headers

    def _text(self, offer: Format, metric: Metric) -> bytes:
        key = (offer.media_type, metric.name)
        shape = _digest(metric)
        known, form = self._written.get(key, (b"", ""))
        if known == shape:
            return _filled(form, metric)
        self.size -= len(form)
        self._written.pop(key, None)
        text = offer.write(_Family(metric)).removesuffix(offer.end)
        form = _form(text)
        if _is_plain(metric) and _filled(form, metric) == text:
            self.size += len(form)
            self._written[key] = (shape, form)
        return text


@dataclass(slots=True)
class Expositions:
    """One `Exposition` for each of many ECUs, in a bounded memory."""

    most: int = 128 << 20
    """Characters of text: 10 000 ECUs of 20 panels need 90 million."""
    _size: int = 0
    _used: OrderedDict[str, Exposition] = field(default_factory=OrderedDict)
    """The one used last comes last."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while writing: Python runs one thread at a time, and who waits for that costs time."""

    def render(
        self, name: str, registry: Collector, accept: str, accept_encoding: str
    ) -> tuple[bytes, dict[str, str]]:
        """Do as `Exposition.render` for the ECU of this name.

        One at a time: a registry must not wait for anybody.
        """
        with self._lock:
            # Whoever else asks for this ECU at this moment gets a new one.
            exposition = self._used.pop(name, None) or Exposition()
            self._size -= exposition.size
        with self._turn:
            answer = exposition.render(registry, accept, accept_encoding)
        with self._lock:
            self._size += exposition.size
            if replaced := self._used.pop(name, None):
                self._size -= replaced.size
            self._used[name] = exposition
            while self._size > self.most:
                self._size -= self._used.popitem(last=False)[1].size
        return answer


def _digest(metric: Metric) -> bytes:
    """Tell a family from others that would be written otherwise, whatever its values.

    The names and labels themselves would take ten times the memory of their text.
    """
    head = [metric.documentation, metric.type, metric.unit]
    samples = [(s.name, s.labels, s.timestamp, s.exemplar) for s in metric.samples]
    # Later versions write equal values differently when they are shared.
    return hashlib.blake2b(marshal.dumps((head, samples), 2), digest_size=16).digest()


def _is_plain(metric: Metric) -> bool:
    """Say whether each sample is a line with a value at its end, in the order of the samples."""
    names = (metric.name, f"{metric.name}_total")
    return metric.type in ("gauge", "counter") and all(
        s.name in names and s.timestamp is None and s.exemplar is None for s in metric.samples
    )


def _form(text: bytes) -> str:
    """Put ``%s`` in place of each value: what stands behind a line's last blank."""
    lines = text.decode().replace("%", "%%").split("\n")
    return "\n".join(
        line if line.startswith("#") or not line else f"{line.rpartition(' ')[0]} %s"
        for line in lines
    )


def _filled(form: str, metric: Metric) -> bytes:
    """Put the values of a family in their places; nothing if it has not as many of them."""
    values = tuple([floatToGoString(sample.value) for sample in metric.samples])  # type: ignore[no-untyped-call]  # prometheus_client has no types here
    try:
        return (form % values).encode()
    except TypeError:
        return b""


def _elements(header: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """Split a weighted list into value, parameters and weight; malformed elements are left out."""
    for element in header.split(","):
        value, *rest = (part.strip() for part in element.lower().split(";"))
        parameters = {}
        for part in rest:
            name, _, argument = part.partition("=")
            parameters[name.strip()] = argument.strip().strip('"')
        weight = parameters.pop("q", "1")
        if value and _WEIGHT.fullmatch(weight):
            yield value, parameters, float(weight)
