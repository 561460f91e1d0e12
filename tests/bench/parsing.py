"""How fast pages are read: against lxml alone, and against a walk with html.parser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser

from lxml import etree

from aps_exporter.ecu.pages import parse_table
from tests.bench.pages import CHANNELS, write_pages
from tests.bench.report import Row, at_least, at_most, note

__all__ = ["measure_parsing"]

MOST_OF_LXML = 2.0
LEAST_OF_HTML_PARSER = 5.0


class _TableWalk(HTMLParser):
    """Collects the texts of cells, row by row, and makes nothing of them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  # its parent's
        """Begin a row or a cell."""
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th", "tr"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        """Add to the cell's text."""
        if self._in_cell and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def _walk(body: bytes) -> object:
    walk = _TableWalk()
    walk.feed(body.decode())
    walk.close()
    return walk.rows


def _lxml_alone(body: bytes) -> object:
    return etree.fromstring(body, etree.HTMLParser(encoding="utf-8"))


def measure_parsing(*, quick: bool) -> Iterator[Row]:
    """Compare three ways to read the same bytes, each at its best, taking turns."""
    for panels in (20, 200):
        for family in CHANNELS:
            body = write_pages(family, panels)[0].table
            ours_s, lxml_s, walk_s = _fastest(
                (
                    partial(parse_table, body),
                    partial(_lxml_alone, body),
                    partial(_walk, body),
                ),
                rounds=3 if quick else 25,
                times=2 if quick else max(1, 1000 // panels),
            )
            page = f"{panels} panels, {family}"
            yield note(f"parsing {page} ({len(body):,} bytes)", ours_s * 1e3, " ms")
            yield at_most(f"  to bare lxml.etree on {page}", ours_s / lxml_s, MOST_OF_LXML, "×")
            yield at_least(
                f"  faster than html.parser on {page}", walk_s / ours_s, LEAST_OF_HTML_PARSER, "×"
            )


def _fastest(
    functions: tuple[Callable[[], object], ...], *, rounds: int, times: int
) -> tuple[float, ...]:
    """Call all in turn, again and again; the least seconds a call of each took."""
    best = [float("inf")] * len(functions)
    for _ in range(rounds):
        for position, function in enumerate(functions):
            started = time.perf_counter()
            for _ in range(times):
                function()
            best[position] = min(best[position], (time.perf_counter() - started) / times)
    return tuple(best)
