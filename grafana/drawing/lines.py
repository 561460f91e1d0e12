"""Draws lines, areas and columns over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana.ask import Panel, Series, items, mapping, number
from grafana.drawing.canvas import Canvas, Points, legend, pieces
from grafana.drawing.style import PALETTE, Look, look, paint

__all__ = ["lines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The value axis."""

    low: float
    high: float
    step: float
    floor: float
    """Where its lower end lies on the canvas."""

    def y(self, value: float) -> float:
        """Place a value; what is beyond the ends is put at them."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.floor - share * (self.floor - 8)

    @property
    def ticks(self) -> list[float]:
        """Name the values that get a line."""
        count = round((self.high - self.low) / self.step)
        return [self.low + self.step * place for place in range(count + 1)]


def lines(panel: Panel, series: Sequence[Series], canvas: Canvas) -> str:
    """Draw a time series panel, with its legend."""
    looks = [look(panel.raw, each.name) for each in series]
    paints = [
        paint(each.fixed or PALETTE[place % len(PALETTE)], canvas.theme)
        for place, each in enumerate(looks)
    ]
    own = look(panel.raw, "")
    curves = [list(each.points) for each in series]
    bases: list[Points] = [[] for _ in series]
    if mapping(own.custom.get("stacking")).get("mode") == "normal":
        curves, bases = _stack(curves)
    axis = _axis([value for curve in curves for _, value in curve], own, canvas.floor)
    parts = []
    for tick in axis.ticks:
        parts.append(canvas.rule(axis.y(tick)))
        parts.append(canvas.label(canvas.left - 6, axis.y(tick) + 4, own.text(tick), "end"))
    parts += _limits(own, canvas, axis)
    by_name = {each.name: curve for each, curve in zip(series, curves, strict=True)}
    for each, curve, base, color in zip(looks, curves, bases, paints, strict=True):
        floor = by_name.get(str(each.custom.get("fillBelowTo")), base)
        draw = _columns if each.custom.get("drawStyle") == "bars" else _curve
        parts += draw(each, (curve, floor), color, canvas, axis)
    placement = mapping(mapping(panel.raw["options"]).get("legend")).get("placement")
    names = [each.name for each in series]
    return canvas.wrap(*parts) + legend(zip(names, paints, strict=True), str(placement))


def _curve(
    own: Look, edges: tuple[Points, Points], color: str, canvas: Canvas, axis: Axis
) -> Iterator[str]:
    """Draw a curve in pieces: where points are missing, it has a gap."""
    curve, under = edges[0], dict(edges[1])
    width = number(own.custom.get("lineWidth"), 1)
    opacity = number(own.custom.get("fillOpacity")) / 100
    dash = ' stroke-dasharray="7 5"' if "lineStyle" in own.custom else ""
    inside = [point for point in curve if point[1] <= axis.high]
    for piece in pieces(inside, canvas.step):
        path = " ".join(f"{canvas.x(at):.1f},{axis.y(value):.1f}" for at, value in piece)
        if opacity:
            back = " ".join(
                f"{canvas.x(at):.1f},{axis.y(under.get(at, -math.inf)):.1f}"
                for at, _ in reversed(piece)
            )
            yield f'<polygon points="{path} {back}" fill="{color}" fill-opacity="{opacity}"/>'
        yield (
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"'
            f'{dash} stroke-linejoin="round"/>'
        )


def _columns(
    own: Look, edges: tuple[Points, Points], color: str, canvas: Canvas, axis: Axis
) -> Iterator[str]:
    """Draw a column per point, over the step before it."""
    curve, under = edges[0], dict(edges[1])
    opacity = number(own.custom.get("fillOpacity")) / 100
    room = canvas.x(canvas.step.total_seconds()) - canvas.x(0)
    for at, value in curve:
        top, bottom = axis.y(value), axis.y(under.get(at, 0))
        left = canvas.x(at) - room * 0.85
        if left > canvas.left and bottom > top:
            yield (
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{room * 0.7:.1f}"'
                f' height="{bottom - top:.1f}" fill="{color}" fill-opacity="{opacity}"/>'
            )


def _stack(curves: list[Points]) -> tuple[list[Points], list[Points]]:
    """Put each curve upon those before it."""
    below: dict[float, float] = {}
    tops, bases = [], []
    for curve in curves:
        bases.append([(at, below.get(at, 0.0)) for at, _ in curve])
        tops.append([(at, below.get(at, 0.0) + value) for at, value in curve])
        below |= dict(tops[-1])
    return tops, bases


def _axis(values: list[float], own: Look, floor: float) -> Axis:
    """Choose the ends of the value axis, and round steps between them."""
    settings = own.settings
    low = number(settings.get("min"), min(values, default=0.0))
    high = max(*values, number(own.custom.get("axisSoftMax"), low), low)
    high = min(high, number(settings.get("max"), high))
    if high == low:
        low, high = (low, low + 1) if "min" in settings else (low - 1, low + 1)
    step = next(each for each in _steps(own) if (high - low) / each <= 5)  # noqa: PLR2004  # lines
    low = math.floor(round(low / step, 6)) * step
    high = max(math.ceil(round(high / step, 6)) * step, low + step)
    return Axis(low=low, high=high, step=step, floor=floor)


def _steps(own: Look) -> Iterator[float]:
    """Give round numbers in the unit's own way."""
    unit = own.settings.get("unit")
    if unit == "s":
        yield from (0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 10, 30, 60, 300, 600, 1200, 3600)
        yield from (7200, 14400, 21600, 43200, 86400)
    scale = 2**20 if unit == "bytes" else 1
    lowest = 0 if own.settings.get("decimals") == 0 else -4
    yield from (b * scale * 10.0**p for p in range(lowest, 9) for b in (1, 2, 5))


def _limits(own: Look, canvas: Canvas, axis: Axis) -> Iterator[str]:
    """Draw the thresholds that lie within the axis, dashed."""
    if mapping(own.custom.get("thresholdsStyle")).get("mode") != "dashed":
        return
    for step in map(mapping, items(mapping(own.settings.get("thresholds")).get("steps"))):
        value = step.get("value")
        if value is not None and axis.low <= number(value) <= axis.high:
            yield (
                f'<line x1="{canvas.left}" x2="{canvas.width - 4}" y1="{axis.y(number(value)):.1f}"'
                f' y2="{axis.y(number(value)):.1f}" stroke-dasharray="7 5"'
                f' stroke="{paint(str(step["color"]), canvas.theme)}"/>'
            )
