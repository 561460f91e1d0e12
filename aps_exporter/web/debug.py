"""Tells a probe step by step, as text: settings, requests, columns, odd cells, log, metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import generate_latest
from prometheus_client.registry import Collector

from aps_exporter.ecu.pages import headings
from aps_exporter.ecu.trace import Trace
from aps_exporter.errors import EcuPageError
from aps_exporter.fleet import Asked
from aps_exporter.station import Station
from aps_exporter.summary import Summary

__all__ = ["report"]


def report(asked: Asked, station: Station, trace: Trace, registry: Collector) -> str:
    """Collect the registry, which polls, and tell all about it; secrets are masked."""
    with trace.listening():
        metrics = generate_latest(registry).decode()
    module = f", module {asked.module}" if asked.module else ""
    parts = {
        f"Probe of {asked.settings.name}{module}": [
            "Of what this exporter remembers of the ECU nothing was used, nor changed.",
        ],
        "Settings": [asked.settings.model_dump_json(indent=2)],
        "Requests": [
            f"{step.what}: {step.outcome} ({step.duration_s * 1000:.1f} ms)" for step in trace.steps
        ],
        "Columns": [*_columns(trace)],
        "Cells that are not understood": [*_cells(station)],
        "Log": trace.log,
        "Metrics": [metrics.rstrip("\n")],
    }
    return "\n".join(_text(parts))


def _text(parts: dict[str, list[str]]) -> Iterator[str]:
    for heading, lines in parts.items():
        yield f"{heading}\n{'=' * len(heading)}"
        yield from (_printable(line) for line in lines or ["none"])
        yield ""


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
