"""Draws the roof as one SVG that needs nothing else: for a README, a mail or a wall."""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

from aps_exporter.web import words
from aps_exporter.web.contract import PanelNow, Status
from aps_exporter.web.markup import Markup, tag

__all__ = ["SVG_HEADERS", "THEMES", "Theme", "draw_roof"]

Theme = Literal["auto", "light", "dark"]
THEMES: Final[tuple[Theme, ...]] = get_args(Theme)

TILE_W: Final = 92
TILE_H: Final = 66
GAP: Final = 6
PAD: Final = 20
LEAST_W: Final = 500
MOST_LETTERS: Final = 13
"""Of a name on a tile."""
LETTER_W: Final = 6.9
"""Of the sentence, on average; SVG doesn't wrap lines."""

SURFACE: Final = "#1b2430"
STEPS: Final = (
    "#402811",
    "#53320f",
    "#663e0e",
    "#794b0e",
    "#8c590e",
    "#aa7120",
    "#bc8021",
    "#ce8f23",
    "#e09e26",
    "#f2ae28",
    "#ffbe2c",
)
"""A panel's colour by its share of what is typical in its group; roof.css has the same."""
BRIGHT_FROM: Final = 5
"""From this step on a tile's text is dark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paint:
    """How a tile looks."""

    fill: str
    text: str
    edge: str = "none"
    dashes: str | None = None


_PAINTS: Final = {
    "zero": _Paint(fill=STEPS[0], text="#fbf4e6", edge="#8e5b12"),
    "missing": _Paint(fill="url(#gone)", text="#ffffff", edge="#ff7a5c"),
    "never_contacted": _Paint(fill="none", text="#c3ccd8", edge="#8b98a9", dashes="2 4"),
    "stale": _Paint(fill="#2c3746", text="#aab6c6"),
    "asleep": _Paint(fill="#2c3746", text="#aab6c6"),
    "unused": _Paint(fill="none", text="#8b98a9", edge="#39475a"),
    **{
        f"s{step}": _Paint(fill=fill, text="#fbf4e6" if step < BRIGHT_FROM else "#130c05")
        for step, fill in enumerate(STEPS)
    },
}

_CARDS: Final = {
    "light": {"card": "#ffffff", "ink": "#17202b", "soft": "#566372"},
    "dark": {"card": "#0e141b", "ink": "#eef2f7", "soft": "#9aa7b6"},
}
_LEVELS: Final = {"good": "#2f9e6e", "sleep": "#6f86c9", "warn": "#d98a1f", "bad": "#d9543a"}

_STYLE: Final = (
    "@media (prefers-color-scheme: dark) {"
    + "".join(f".{name} {{ fill: {colour}; }}" for name, colour in _CARDS["dark"].items())
    + "}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

SVG_HEADERS: Final = {
    "content-type": "image/svg+xml",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'self'"
    ),
    "cache-control": "no-store",
}

_NOT_XML: Final = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LEGEND: Final = (
    ("zero", "0 W"),
    ("missing", "missing"),
    ("never_contacted", "never contacted"),
    ("stale", "stale or asleep"),
)


def draw_roof(status: Status, theme: Theme = "auto") -> str:
    """Draw the roof as it is; `auto` goes by what the viewer prefers."""
    return _Drawing(status, theme).write()


class _Drawing:
    def __init__(self, status: Status, theme: Theme) -> None:
        self._status = status
        self._theme = theme
        self._card = _CARDS["dark" if theme == "dark" else "light"]
        counts = status["panels"]
        self._panels = " of ".join(
            str(each) for each in (counts["received"], counts["expected"]) if each is not None
        )
        self._power = words.power(status["power"]["measured_w"])
        self._last_reports = {each["serial"]: each["last_report"] for each in status["inverters"]}
        rows = _closed_up({panel["row"] for panel in status["roof"]})
        columns = _closed_up({panel["column"] for panel in status["roof"]})
        self._rows, self._columns = rows, columns
        tiles_w = (max(columns.values(), default=0) + 1) * (TILE_W + GAP) - GAP
        tiles_h = (max(rows.values(), default=0) + 1) * (TILE_H + GAP) - GAP
        self._width = max(tiles_w + 4 * PAD, LEAST_W)
        self._left = (self._width - tiles_w) / 2
        letters = int((self._width - 2 * PAD - 16) / LETTER_W)
        self._sentence = textwrap.wrap(
            _clean(status["ecu"]["sentence"]), letters, max_lines=3, placeholder=" …"
        )
        self._top = 104 + 20 * len(self._sentence)
        self._tiles_h = tiles_h + 2 * PAD
        self._height = self._top + self._tiles_h + 58

    def write(self) -> str:
        name = _clean(self._status["ecu"]["name"])
        missing = [p["name"] for p in self._status["roof"] if p["state"] == "missing"]
        read_at = words.clock(self._status["data"]["read_at"], self._status["now"])
        gone = f" Missing: {', '.join(missing)}." if missing else ""
        return tag(
            "svg",
            tag("title", f"The roof of {name}: {self._power} at {read_at}", id="title"),
            tag("desc", f"{_clean(self._status['ecu']['sentence'])}{_clean(gone)}", id="desc"),
            tag("style", Markup(_STYLE)) if self._theme == "auto" else None,
            _hatch(),
            tag(
                "rect",
                class_="card",
                fill=self._card["card"],
                width=f"{self._width:g}",
                height=f"{self._height:g}",
                rx=16,
            ),
            self._head(name),
            self._surface(),
            self._legend(),
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {self._width:g} {self._height:g}",
            width=f"{self._width:g}",
            height=f"{self._height:g}",
            role="img",
            aria_labelledby="title desc",
            font_family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
        )

    def _head(self, name: str) -> Iterator[Markup]:
        status = self._status
        estimated = status["power"]["estimated_w"]
        right = self._width - PAD
        yield self._text(name, PAD, 34, 15, "soft")
        yield self._text(self._power, PAD, 76, 40, "ink", font_weight=650)
        yield self._text(f"{self._panels} panels", right, 55, 15, "ink", text_anchor="end")
        reported = status["data"]["reported_at"] or status["data"]["read_at"]
        when = "not read yet" if reported is None else _date(reported)
        yield self._text(when, right, 34, 15, "soft", text_anchor="end")
        today = status["energy"]["today_wh"]
        about = [
            f"≈ {words.power(estimated)} estimated" if estimated is not None else None,
            f"{words.energy(today)} today" if today is not None else None,
        ]
        yield self._text(" · ".join(filter(None, about)), right, 76, 15, "soft", text_anchor="end")
        level = _LEVELS[status["ecu"]["level"]]
        yield tag("circle", cx=PAD + 5, cy=97, r=5, fill=level)
        for line, text in enumerate(self._sentence):
            yield self._text(text, PAD + 18, 102 + 20 * line, 14, "ink")

    def _surface(self) -> Iterator[Markup]:
        yield tag(
            "rect",
            x=PAD,
            y=self._top,
            width=f"{self._width - 2 * PAD:g}",
            height=self._tiles_h,
            rx=12,
            fill=SURFACE,
        )
        for panel in self._status["roof"]:
            yield self._tile(panel)

    def _tile(self, panel: PanelNow) -> Markup:
        x = self._left + self._columns[panel["column"]] * (TILE_W + GAP)
        y = self._top + PAD + self._rows[panel["row"]] * (TILE_H + GAP)
        online, name = panel["state"] == "online", _short(panel)
        kind = words.step(panel["share"], panel["power_w"]) if online else panel["state"]
        paint = _PAINTS[kind]
        if online:
            value, _, unit = words.power(panel["power_w"]).partition(words.GAP)
        else:
            value, _, unit = words.STATES.get(panel["state"], panel["state"]).partition(" ")
            last = self._last_reports.get(panel["inverter"])
            if last is not None and not unit:
                unit = words.clock(last, self._status["now"])
        number = [tag("tspan", value, font_size=21 if online else 14, font_weight=650)]
        if online:
            number.append(tag("tspan", f" {unit}", font_size=12))
        middle = f"{x + TILE_W / 2:g}"
        under = (
            None
            if online or not unit
            else tag("text", unit, x=middle, y=f"{y + 41:g}", font_size=11)
        )
        return tag(
            "g",
            tag(
                "title", f"{_clean(panel['name'])} ({_clean(panel['id'])}): {value} {unit}".strip()
            ),
            _box(x, y, (TILE_W, TILE_H), paint),
            tag("text", number, x=middle, y=f"{y + (32 if online else 25):g}"),
            under,
            tag("text", name, x=middle, y=f"{y + 56:g}", font_size=11),
            fill=paint.text,
            text_anchor="middle",
        )

    def _legend(self) -> Iterator[Markup]:
        y = self._height - 36
        yield self._text("0", PAD, y + 12, 12, "soft")
        x = PAD + 14.0
        for fill in STEPS:
            yield tag("rect", x=f"{x:g}", y=f"{y:g}", width=10, height=16, fill=fill)
            x += 10
        yield self._text("100 % of its group's typical", x + 6, y + 12, 12, "soft")
        x += 180
        for kind, label in _LEGEND:
            yield tag("rect", x=f"{x:g}", y=f"{y:g}", width=22, height=16, rx=4, fill=SURFACE)
            yield _box(x, y, (22, 16), _PAINTS[kind], radius=4)
            yield self._text(label, x + 28, y + 12, 12, "soft")
            x += 40 + 6.6 * len(label)

    def _text(
        self, text: str, x: float, y: float, size: int, role: str, **more: str | int
    ) -> Markup:
        fill, at = self._card[role], (f"{x:g}", f"{y:g}")
        return tag("text", text, class_=role, fill=fill, x=at[0], y=at[1], font_size=size, **more)


def _box(x: float, y: float, size: tuple[float, float], paint: _Paint, radius: int = 8) -> Markup:
    """Draw what is behind a tile's text, its edge within its bounds."""
    return tag(
        "rect",
        x=f"{x + 1:g}",
        y=f"{y + 1:g}",
        width=f"{size[0] - 2:g}",
        height=f"{size[1] - 2:g}",
        rx=radius,
        fill=paint.fill,
        stroke=paint.edge,
        stroke_width="1.5",
        stroke_dasharray=paint.dashes,
    )


def _hatch() -> Markup:
    """Define what covers a missing panel."""
    ground = tag("rect", width=9, height=9, fill="#2a1714")
    line = tag("rect", width=3, height=9, fill="#d9543a", opacity="0.55")
    pattern = tag(
        "pattern",
        ground,
        line,
        id="gone",
        width=9,
        height=9,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
    return tag("defs", pattern)


def _closed_up(used: set[int]) -> dict[int, int]:
    """Give the lines new numbers, with one empty line where some are unused."""
    numbers: dict[int, int] = {}
    for line in sorted(used):
        before = max(numbers, default=None)
        numbers[line] = 0 if before is None else numbers[before] + min(line - before, 2)
    return numbers


def _date(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]}"


def _short(panel: PanelNow) -> str:
    """Give the part of a name that a tile has room for; of an id its end tells panels apart."""
    name = _clean(panel["name"])
    if len(name) <= MOST_LETTERS:
        return name
    return f"…{name[-6:]}" if name == panel["id"] else f"{name[: MOST_LETTERS - 1]}…"


def _clean(text: str) -> str:
    """Leave out what XML can't hold; the markup escapes the rest."""
    return _NOT_XML.sub("�", text)
