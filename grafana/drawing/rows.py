"""Draws a row per series: strips of states, and cells of a heat map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grafana.ask import Panel, Series, mapping, number
from grafana.drawing.canvas import Canvas, Points, legend, pieces
from grafana.drawing.style import blend, look

__all__ = ["cells", "strips"]


def strips(panel: Panel, series: Sequence[Series], canvas: Canvas) -> str:
    """Draw a state timeline: neighbours of one state are one piece."""
    own = look(panel.raw, "")
    parts = []
    states: dict[str, str] = {}
    for each, top, height in _rows(series, canvas):
        parts.append(canvas.label(canvas.left - 8, top + height / 2 + 4, each.name, "end"))
        for piece in pieces(list(each.points), canvas.step):
            for start, end, value in _runs(piece, canvas.step.total_seconds()):
                color = own.color(value, canvas.theme)
                states.setdefault(own.text(value), color)
                parts.append(_rect(canvas.x(start), canvas.x(end), top + 2, height - 4, color))
    return canvas.wrap(*parts) + legend(states.items())


def cells(panel: Panel, series: Sequence[Series], canvas: Canvas) -> str:
    """Draw a status history: a cell per point, coloured along a scheme."""
    own = look(panel.raw, "")
    scheme = str(mapping(own.settings.get("color"))["mode"])
    values = [value for each in series for _, value in each.points]
    low = number(own.settings.get("min"), min(values, default=0.0))
    high = max(values, default=1.0)
    parts = []
    step = canvas.step.total_seconds()
    for each, top, height in _rows(series, canvas):
        parts.append(canvas.label(canvas.left - 8, top + height / 2 + 4, each.name, "end"))
        for at, value in each.points:
            color = blend(scheme, (value - low) / ((high - low) or 1))
            start, end = canvas.x(max(at - step, canvas.shown.start.timestamp())), canvas.x(at)
            parts.append(_rect(start, end - 0.6, top + 0.5, height - 1, color))
    return canvas.wrap(*parts)


def _rows(series: Sequence[Series], canvas: Canvas) -> Iterator[tuple[Series, float, float]]:
    height = canvas.floor / max(len(series), 1)
    for place, each in enumerate(series):
        yield each, place * height, height


def _runs(piece: Points, step: float) -> Iterator[tuple[float, float, float]]:
    start, value = piece[0]
    for at, now in piece:
        if now != value:
            yield start, at, value
            start, value = at, now
    yield start, piece[-1][0] + step * 0.2, value


def _rect(start: float, end: float, top: float, height: float, color: str) -> str:
    return (
        f'<rect x="{start:.1f}" y="{top:.1f}" width="{max(end - start, 1):.1f}"'
        f' height="{height:.1f}" fill="{color}"/>'
    )
