"""The roof's page with its numbers already in it: without JavaScript it is right, with it alive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

from aps_exporter.web import words
from aps_exporter.web.assets import STYLE, static
from aps_exporter.web.contract import FleetFailure, PanelNow, Poll, Status
from aps_exporter.web.failures import failures_card
from aps_exporter.web.markup import Markup, document, tag
from aps_exporter.web.roof_words import classes, lists, texts

__all__ = ["head", "link_list", "render_page"]

_MODULES: Final = ("chart.js", "day.js", "details.js", "dom.js", "live.js", "words.js")

_LINKS: Final = {
    "fleet": "all ECUs",
    "metrics": "metrics for Prometheus",
    "reading": "this reading as JSON",
    "status": "this page as JSON",
    "day": "the day as JSON",
    "roof_svg": "the roof as a picture (SVG)",
    "docs": "documentation",
    "healthy": "is the exporter alive",
}
_LEGEND: Final = (
    ("zero", "0 W"),
    ("missing", "missing"),
    ("never_contacted", "never contacted"),
    ("stale", "stale or asleep: repeats an old report"),
)


def render_page(
    status: Status, *, ecu: str | None = None, failures: list[FleetFailure] | None = None
) -> str:
    """Write the page of one ECU; `ecu` names it in the addresses where there are several.

    `failures`: of targets that are probed beside it.
    """
    return document(_head(status), _Page(status, ecu, failures or []).body())


def _head(status: Status) -> Iterator[Markup]:
    measured = status["power"]["measured_w"]
    power = "" if measured is None else f"{words.power(measured)} · "
    refresh_s = max(round(status["refresh_s"]), 10)
    yield from head(f"{power}{status['ecu']['name']}", "roof.js", _MODULES, refresh_s)


def head(title: str, script: str, modules: tuple[str, ...], refresh_s: int) -> Iterator[Markup]:
    """Write what stands in the head of any page of ours.

    Who has no JavaScript, or one too old, gets the whole page anew every `refresh_s`.
    """
    yield tag("meta", name="viewport", content="width=device-width, initial-scale=1")
    yield tag("meta", name="color-scheme", content="light dark")
    yield tag("title", title)
    yield tag("style", Markup(STYLE))
    yield tag("link", rel="icon", type="image/svg+xml", href=static("icon.svg"))
    for module in modules:
        yield tag("link", rel="modulepreload", href=static(module))
    yield tag("script", type="module", src=static(script))
    yield tag("script", defer="", src=static("refresh.js"), data_refresh=refresh_s)
    yield tag("noscript", tag("meta", http_equiv="refresh", content=refresh_s))


def link_list(links: dict[str, str]) -> Markup:
    """Write links by what they lead to."""
    items = (
        tag("li", tag("a", _LINKS.get(name, name), href=href))
        for name, href in links.items()
        if name != "fleet"
    )
    return tag("ul", items, class_="links")


class _Page:
    """Writes the sections; what changes is taken from `texts`, `lists` and `classes` by its key."""

    def __init__(self, status: Status, ecu: str | None, failures: list[FleetFailure]) -> None:
        self._status = status
        self._failures = failures
        self._query = "" if ecu is None else f"?ecu={quote(ecu, safe='')}"
        self._texts = texts(status)
        self._lists = lists(status)
        self._classes = classes(status)

    def body(self) -> Iterator[Markup]:
        yield tag("a", "Skip to the table of panels", href="#panels", class_="skip")
        yield self._header()
        yield self._class(
            "main",
            "main",
            self._now(),
            tag("div", self._roof(), self._day(), class_="pair"),
            self._panels_day(),
            tag("div", self._panel_table(), self._inverter_table(), class_="pair tables"),
            failures_card(self._failures) if self._failures else Markup(),
            self._plumbing(),
            data_status=f"api/v1/status{self._query}",
            data_day=f"api/v1/day{self._query}",
        )

    def _text(self, name: str, key: str, **attributes: str | int | None) -> Markup:
        return tag(name, self._texts[key], data_t=key, **attributes)

    def _class(self, name: str, key: str, *children: Markup, **attributes: str | None) -> Markup:
        return tag(name, *children, class_=self._classes[key], data_c=key, **attributes)

    def _header(self) -> Markup:
        fleet = self._status["links"].get("fleet")
        sentence = self._text("span", "sentence")
        return tag(
            "header",
            tag("nav", tag("a", "All ECUs", href=fleet)) if fleet else None,
            self._text("h1", "name"),
            self._class("p", "level", sentence, role="status"),
            tag("p", id="trouble", class_="trouble", role="status"),
        )

    def _fact(self, title: str, key: str, kind: str = "fact", **attributes: str) -> Markup:
        return tag(
            "div",
            tag("dt", title),
            self._text("dd", key),
            self._text("dd", f"{key}.note", class_="note"),
            class_=self._classes.get(key, kind),
            data_c=key if key in self._classes else None,
            **attributes,
        )

    def _now(self) -> Markup:
        facts = (
            self._fact("Power", "power", "fact hero"),
            self._fact("Estimate", "estimate"),
            self._fact("Panels", "panels"),
            self._fact("Energy today", "energy"),
            self._fact("Age of the data", "age"),
        )
        return tag("section", tag("h2", "Now", class_="vh"), tag("dl", facts, class_="facts"))

    def _roof(self) -> Markup:
        rows, columns, lines = _lines(self._status["roof"])
        aisles = [set(column) == {None} for column in zip(*lines, strict=True)]
        cells = (map(self._cell, line, aisles) for line in lines)
        roof = tag(
            "div",
            (tag("div", *each, data_row=row) for row, each in zip(rows, cells, strict=True)),
            class_="tiles",
            role="group",  # until the arrow keys work, which makes it a grid
            aria_label="The roof, tile by tile",
            data_columns=" ".join(map(str, columns)),
        )
        scale = (tag("i", class_=f"s{step}") for step in range(11))
        keys = (tag("li", tag("i", class_=kind), label) for kind, label in _LEGEND)
        legend = tag(
            "ul",
            tag("li", "0", tag("span", scale, class_="scale"), "100 % of its group's typical"),
            keys,
            class_="legend",
        )
        surface = tag("div", roof, class_="surface") if self._status["roof"] else None
        nothing = None if surface else tag("p", "No panel has been seen yet.")
        return tag("section", tag("h2", "The roof"), surface, nothing, legend, class_="card")

    def _cell(self, index: int | None, aisle: bool) -> Markup:  # noqa: FBT001 as map() calls it
        tile = None if index is None else self._tile(index)
        return tag("div", tile, class_="aisle" if aisle else None)

    def _tile(self, index: int) -> Markup:
        key = f"t{index}"
        value, unit, name, more = self._lists[key]
        return tag(
            "a",
            tag("b", value),
            tag("small", unit),
            tag("span", name),
            tag("em", more),
            class_=self._classes[key],
            href=f"#p{index}",
            data_id=self._status["roof"][index]["id"],
        )

    def _day(self) -> Markup:
        link = tag("a", "The numbers", href=f"api/v1/day{self._query}")
        without = tag("noscript", tag("p", "The curves need JavaScript. ", link, " don't."))
        chart = tag("div", id="day", class_="chart")
        sun = self._text("p", "sun", class_="note")
        note = tag("p", id="day-note", class_="note")
        return tag("section", tag("h2", "The day"), chart, without, sun, note, class_="card")

    def _panels_day(self) -> Markup:
        minis = tag("div", id="minis", class_="minis")
        heading = tag("h2", "Each panel's day")
        note = tag("p", "Grey: what is typical in its group.", class_="note")
        return tag("section", heading, note, minis, class_="card scripted")

    def _panel_table(self) -> Markup:
        roof = self._status["roof"]
        rows = (self._row(f"p{index}", panel["id"]) for index, panel in enumerate(roof))
        heads = ("Panel", "Group", "State", "Power", "Of its group", "DC")
        return self._table("panels", "Panels", heads, rows)

    def _inverter_table(self) -> Markup:
        all_ = enumerate(self._status["inverters"])
        rows = (self._row(f"v{index}", inverter["serial"]) for index, inverter in all_)
        heads = ("Inverter", "State", "Grid", "Frequency", "Inside", "Signal", "Last report")
        note = self._text("p", "inverters", class_="note")
        return self._table("inverters", "Inverters", heads, rows, note)

    def _row(self, key: str, own_name: str) -> Markup:
        """Write a row; `own_name` stands behind the name that somebody gave."""
        name, *values = self._lists[key]
        by_own = tag("small", own_name) if own_name != name else None
        cells = (tag("td", value) for value in values)
        kind = self._classes[key] or None
        return tag("tr", tag("th", name, by_own), *cells, id=key, class_=kind)

    def _table(
        self,
        name: str,
        title: str,
        heads: tuple[str, ...],
        rows: Iterable[Markup],
        note: Markup | None = None,
    ) -> Markup:
        heading = tag("h2", title, id=f"{name}-title")
        top = tag("thead", tag("tr", (tag("th", text, scope="col") for text in heads)))
        body = tag("tbody", rows)
        table = self._class("table", f"{name}.table", top, body, aria_labelledby=f"{name}-title")
        label = f"Table: {title}"
        wide = tag("div", table, class_="wide", tabindex=0, role="region", aria_label=label)
        return tag("section", heading, note, wide, id=name, class_="card")

    def _plumbing(self) -> Markup:
        pvoutput = self._class(
            "div",
            "pvoutput",
            tag("h3", "PVOutput"),
            self._text("p", "pvoutput"),
            self._text("p", "pvoutput.note", class_="note"),
        )
        polls = tag(
            "details",
            self._text("summary", "polls"),
            tag("table", tag("tbody", map(_poll_row, self._status["polls"]), id="polls")),
        )
        links = tag("div", tag("h3", "More"), link_list(dict(self._status["links"])), class_="card")
        parts = tag("div", pvoutput, self._about(polls), links, class_="plumbing")
        return tag("section", tag("h2", "The plumbing"), parts)

    def _about(self, polls: Markup) -> Markup:
        ecu = self._status["ecu"]
        facts = {
            "Address": ecu["host"],
            "ECU": ecu["id"],
            "Firmware": ecu["firmware"],
            "Read as": ecu["interface"],
            "Time zone": ecu["timezone"],
            "aps-exporter": self._status["version"],
        }
        items = (
            tag("div", tag("dt", name), tag("dd", value)) for name, value in facts.items() if value
        )
        return tag("div", tag("h3", "The ECU"), tag("dl", items), polls, class_="card")


def _poll_row(poll: Poll) -> Markup:
    at = tag("td", poll["at"][:19].replace("T", " "))
    took = tag("td", words.number(poll["duration_s"], 2, "s"), class_="n")
    return tag("tr", at, tag("td", poll["status"]), took, tag("td", poll["error"] or ""))


def _lines(roof: list[PanelNow]) -> tuple[list[int], list[int], list[list[int | None]]]:
    """Give the numbers of rows and columns, and the index of the panel in each cell."""
    places = {(panel["row"], panel["column"]): index for index, panel in enumerate(roof)}
    rows = _closed_up({row for row, _ in places})
    columns = _closed_up({column for _, column in places})
    return rows, columns, [[places.get((row, column)) for column in columns] for row in rows]


def _closed_up(used: set[int]) -> list[int]:
    """Sort the numbers of lines, with one unused between those that aren't neighbours."""
    lines: list[int] = []
    for line in sorted(used):
        if lines and line > lines[-1] + 1:
            lines.append(line - 1)
        lines.append(line)
    return lines
