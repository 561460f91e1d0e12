"""Lays a dashboard out as a page of HTML, in Grafana's grid, with the answers drawn in."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from grafana.ask import Panel, Range, Series, mapping
from grafana.drawing.canvas import Canvas
from grafana.drawing.lines import lines
from grafana.drawing.rows import cells, strips
from grafana.drawing.style import Theme
from grafana.drawing.tiles import bars, listing, tile

__all__ = ["HEAD", "WIDTH", "Page", "height_of"]

WIDTH = 1280
CELL = 30
GAP = 8
MARGIN = 12
HEAD = 56
BESIDE = {"timeseries": 62, "state-timeline": 104, "status-history": 76}
"""Room for what stands on the left of a plot."""

PLOTS: Mapping[str, Callable[[Panel, Sequence[Series], Canvas], str]] = {
    "timeseries": lines,
    "state-timeline": strips,
    "status-history": cells,
}
VALUES: Mapping[str, Callable[[Panel, Sequence[Series], Theme], str]] = {
    "stat": tile,
    "bargauge": bars,
    "table": listing,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One dashboard at one moment."""

    title: str
    chosen: Mapping[str, str]
    """The variables that the head shows."""
    shown: Range
    zone: ZoneInfo
    theme: Theme

    def write(self, drawn: Sequence[tuple[Panel, Sequence[Series]]]) -> str:
        """Write the whole page."""
        theme = self.theme
        span = " to ".join(
            f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"
            for at in (self.shown.start, self.shown.end)
        )
        choices = "".join(
            f"<span class=choice>{html.escape(label)} <b>{html.escape(text)}</b></span>"
            for label, text in self.chosen.items()
        )
        style = STYLE
        for name in ("page", "panel", "border", "text", "faint"):
            style = style.replace(f"${name}", str(getattr(theme, name)))
        body = "".join(self._panel(panel, series) for panel, series in drawn)
        return (
            f"<!doctype html><meta charset=utf-8><style>{style}</style>"
            f"<header><b>{html.escape(self.title)}</b>{choices}<em>{span}</em></header>{body}"
        )

    def _panel(self, panel: Panel, series: Sequence[Series]) -> str:
        column = (WIDTH - 2 * MARGIN + GAP) / 24
        width, height = panel.width * column - GAP, panel.height * (CELL + GAP) - GAP
        place = (
            f"left:{MARGIN + panel.x * column:.0f}px;top:{HEAD + panel.y * (CELL + GAP)}px;"
            f"width:{width:.0f}px;height:{height}px"
        )
        title = html.escape(panel.title)
        if panel.kind == "row":
            return f'<h2 style="{place}">⌄ {title}</h2>'
        if panel.kind in VALUES:
            inside = VALUES[panel.kind](panel, series, self.theme)
            return f'<section style="{place}"><h3>{title}</h3>{inside}</section>'
        legend = mapping(mapping(panel.raw["options"]).get("legend"))
        beside = legend.get("placement") == "right"
        beneath = legend.get("showLegend") is True and not beside
        canvas = Canvas(
            width=width - 20 - 120 * beside,
            height=height - 46 - 22 * beneath,
            shown=self.shown,
            step=panel.queries[0].step(self.shown),
            theme=self.theme,
            zone=self.zone,
            left=BESIDE[panel.kind],
        )
        inside = PLOTS[panel.kind](panel, series, canvas)
        return f'<section style="{place}"><h3>{title}</h3>{inside}</section>'


def height_of(panels: Sequence[Panel]) -> int:
    """Tell how high the page must be."""
    return HEAD + max(panel.y + panel.height for panel in panels) * (CELL + GAP) + MARGIN


STYLE = """
* { box-sizing: border-box; margin: 0 }
body { background: $page; color: $text; font: 13px Inter, "DejaVu Sans", sans-serif }
header { height: 44px; padding: 12px 16px; font-size: 15px; border-bottom: 1px solid $border }
header em { float: right; font-style: normal; font-size: 13px; color: $faint }
.choice { margin-left: 18px; font-size: 13px; color: $faint }
.choice b { color: $text; border: 1px solid $border; border-radius: 3px; padding: 3px 8px;
  font-weight: 500; background: $panel; margin-left: 4px }
section, h2 { position: absolute; overflow: hidden }
section { background: $panel; border: 1px solid $border; border-radius: 3px; padding: 8px 10px }
h2 { font-size: 15px; font-weight: 500; padding: 6px 4px }
h3 { font-size: 13px; font-weight: 500; height: 22px; white-space: nowrap }
.tiles { display: flex; height: calc(100% - 24px) }
.tiles div { flex: 1; display: flex; flex-direction: column; justify-content: center;
  align-items: center }
.tiles p { font-weight: 500; white-space: nowrap }
.tiles small { color: $faint; font-size: 12px }
.legend { white-space: nowrap; font-size: 11px; color: $faint }
.legend.bottom { height: 22px; padding-top: 5px }
.legend.bottom span { margin-right: 11px }
.legend.right { position: absolute; top: 34px; right: 10px; width: 112px; line-height: 19px }
.legend.right span { display: block }
.legend i { display: inline-block; width: 10px; height: 4px; border-radius: 2px;
  margin: 0 5px 3px 0 }
table { border-collapse: collapse; width: 100%; margin-top: 4px }
th { text-align: left; color: #5794f2; font-weight: 500; padding: 6px 8px }
td { padding: 6px 8px; border-top: 1px solid $border; white-space: nowrap }
.link { text-decoration: underline; text-underline-offset: 3px }
.empty { color: $faint; text-align: center; padding-top: 80px }
.bars { padding-top: 4px }
.bar { display: flex; align-items: center; font-size: 12px }
.bar b { font-weight: 400; text-align: right; padding-right: 8px; white-space: nowrap }
.bar span { flex: 1; height: 74%; background: $page; border-radius: 2px }
.bar i { display: block; height: 100%; border-radius: 2px }
.bar em { width: 48px; font-style: normal; text-align: right; font-weight: 500 }
"""
