"""Tells a probe step by step, as text: settings, requests, columns, odd cells, log, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import generate_latest
from prometheus_client.registry import Collector

from aps_exporter.ecu.pages import headings
from aps_exporter.ecu.tcp_client import TcpClient
from aps_exporter.ecu.trace import Step, Trace
from aps_exporter.errors import EcuPageError
from aps_exporter.posts import Asked, Post
from aps_exporter.station import Station
from aps_exporter.summary import Summary

__all__ = ["report"]


def report(asked: Asked, post: Post, trace: Trace, ask: Callable[[], Collector]) -> str:
    """Ask the ECU for what a scrape would give, and tell all about it; secrets are masked."""
    with trace.listening():
        metrics = generate_latest(ask()).decode()
    module = f", module {asked.module}" if asked.module else ""
    commands = [*_commands(post.tcp_client)]
    parts = {
        f"Probe of {asked.settings.name}{module}": [
            "Of what this exporter remembers of the ECU nothing was used, nor changed"
            + (", but for what it said over TCP, where it is asked seldom." if commands else "."),
        ],
        "Settings": [asked.settings.model_dump_json(indent=2)],
        "Requests": [
            *map(_line, trace.steps),
            *commands,
        ],
        "Columns": [*_columns(trace)],
        "Cells that are not understood": [*_cells(post.station)],
        "Log": trace.log,
        "Metrics": [metrics.rstrip("\n")],
    }
    return "\n".join(_text(parts))


def _text(parts: dict[str, list[str]]) -> Iterator[str]:
    for heading, lines in parts.items():
        yield f"{heading}\n{'=' * len(heading)}"
        yield from (_printable(line) for line in lines or ["none"])
        yield ""


def _line(step: Step) -> str:
    return f"{step.what}: {step.outcome} ({step.duration_s * 1000:.1f} ms)"


def _commands(client: TcpClient | None) -> Iterator[str]:
    """Say what was last asked over TCP, which may have been for somebody else."""
    if client is not None:
        now = client.monotonic()
        for at, step in client.told:
            yield f"TCP {_line(step)}, {now - at:.0f} s ago"


def _columns(trace: Trace) -> Iterator[str]:
    """Say which heading of a page is taken for what."""
    for url, page in trace.pages.items():
        try:
            found = headings(page)
        except EcuPageError:  # the home page has no such table
            continue
        yield f"{url}:"
        for heading, column in found:
            yield f"  {heading!r} -> {column or 'not used'}"


def _cells(station: Station) -> Iterator[str]:
    """Quote what could not be read."""
    last = station.last
    if last is None or not isinstance(last.result, Summary):
        return
    reading = last.result.reading
    for cell in (*reading.unreadable, *(reading.ecu.unreadable if reading.ecu else ())):
        yield f"{cell.column} of {cell.row}: {cell.text!r}"


def _printable(text: str) -> str:
    """Keep what an ECU says from doing anything to a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
