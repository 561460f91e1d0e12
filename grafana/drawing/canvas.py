"""The room of a panel: its size, its time axis, and how things are placed on them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from grafana.ask import Range
from grafana.drawing.style import Theme

__all__ = ["Canvas", "Points", "legend", "pieces"]

Points = list[tuple[float, float]]
"""Moments and values."""
BOTTOM = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """The room of a panel, and what its time axis spans."""

    width: float
    height: float
    shown: Range
    step: timedelta
    theme: Theme
    zone: ZoneInfo
    left: float
    """How much of the width the names and numbers beside the plot take."""

    @property
    def floor(self) -> float:
        """Where the time axis lies."""
        return self.height - BOTTOM

    def x(self, at: float) -> float:
        """Place a moment."""
        share = (at - self.shown.start.timestamp()) / self.shown.length.total_seconds()
        return self.left + share * (self.width - self.left - 4)

    def wrap(self, *parts: str) -> str:
        """Put everything into one picture, with the hours below."""
        return (
            f'<svg width="{self.width:.0f}" height="{self.height:.0f}">'
            + "".join((*self._hours(), *parts))
            + "</svg>"
        )

    def label(self, x: float, y: float, text: str, anchor: str = "middle") -> str:
        """Write a small text."""
        return (
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{self.theme.faint}"'
            f' font-size="11">{html.escape(text)}</text>'
        )

    def rule(self, y: float) -> str:
        """Draw a faint line across."""
        return (
            f'<line x1="{self.left}" x2="{self.width - 4}" y1="{y:.1f}" y2="{y:.1f}"'
            f' stroke="{self.theme.border}"/>'
        )

    def _hours(self) -> Iterator[str]:
        hours = self.shown.length / timedelta(hours=1)
        every = next(n for n in (1, 2, 3, 4, 6, 12, 24) if hours / n * 52 < self.width - self.left)
        at = self.shown.start.astimezone(self.zone).replace(minute=0, second=0, microsecond=0)
        while at <= self.shown.end:
            if at >= self.shown.start and at.hour % every == 0:
                x = self.x(at.timestamp())
                if x < self.width - 16:
                    yield self.label(max(x, 16), self.height - 5, f"{at:%H:%M}")
            at = (at.astimezone(UTC) + timedelta(hours=1)).astimezone(self.zone)


def legend(entries: Iterable[tuple[str, str]], where: str = "bottom") -> str:
    """Name what is drawn: names with their colours."""
    spans = "".join(
        f'<span><i style="background:{color}"></i>{html.escape(name)}</span>'
        for name, color in entries
    )
    return f'<div class="legend {where}">{spans}</div>'


def pieces(curve: Points, step: timedelta) -> Iterator[Points]:
    """Cut a curve where points are missing."""
    piece: Points = []
    for point in curve:
        if piece and point[0] - piece[-1][0] > step.total_seconds() * 1.5:
            yield piece
            piece = []
        piece.append(point)
    if piece:
        yield piece
