"""The page of many ECUs, worst first, each a link to its roof."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from aps_exporter.web import words
from aps_exporter.web.contract import Fleet, FleetEcu, Level
from aps_exporter.web.failures import failures_card
from aps_exporter.web.markup import Markup, document, tag
from aps_exporter.web.roof_page import head, link_list

__all__ = ["render_fleet"]

REFRESH_S: Final = 60
_MODULES: Final = ("dom.js", "live.js", "words.js")
_LEVELS: Final[dict[Level, tuple[str, str]]] = {
    "bad": ("fails", "fail"),
    "warn": ("needs a look", "need a look"),
    "good": ("is well", "are well"),
    "sleep": ("sleeps", "sleep"),
}
"""Level → what is said of one and of several, worst first."""

_LINKS: Final = {"metrics": "metrics", "status": "api/v1/fleet", "healthy": "-/healthy"}
_HEADS: Final = ("ECU", "How it is", "Power", "Panels", "Age of the data")


def render_fleet(fleet: Fleet) -> str:
    """Write the page."""
    ecus = fleet["ecus"]
    title = f"{words.power(_sum(ecus))} · {len(ecus)} ECUs"
    return document(head(title, "fleet.js", _MODULES, REFRESH_S), _body(fleet))


def _body(fleet: Fleet) -> Iterator[Markup]:
    ecus = fleet["ecus"]
    yield tag(
        "header",
        tag("h1", f"{len(ecus)} ECUs"),
        tag("p", _counts(ecus), id="counts", class_=f"sentence {_worst(ecus)}", role="status"),
        tag("p", id="trouble", class_="trouble", role="status"),
    )
    top = tag("thead", tag("tr", (tag("th", text, scope="col") for text in _HEADS)))
    rows = tag("tbody", map(_row, ecus), id="ecus")
    table = tag("table", top, rows, aria_label="ECUs, worst first", class_="fleet")
    hero = tag(
        "div",
        tag("dt", "Power"),
        tag("dd", words.power(_sum(ecus)), id="power"),
        tag("dd", "measured now, of all together", class_="note"),
        class_="fact hero",
    )
    yield tag(
        "main",
        tag("dl", hero, class_="facts"),
        tag("section", tag("h2", "ECUs, worst first"), table, class_="card"),
        failures_card(fleet["failures"]),
        tag("section", tag("h2", "More"), link_list(_LINKS), class_="card"),
        data_fleet="api/v1/fleet",
    )


def _row(ecu: FleetEcu) -> Markup:
    link = tag("a", ecu["name"], href=f"./?ecu={quote(ecu['name'], safe='')}")
    labels = " · ".join(ecu["labels"].values())
    counts = ecu["panels"]
    of = "" if counts["expected"] is None else f" of {counts['expected']}"
    how = tag("p", tag("span", ecu["sentence"]), class_=f"sentence {ecu['level']}")
    panels = tag(
        "td", f"{counts['received']}{of}", class_="n lacking" if counts["missing"] else "n"
    )
    return tag(
        "tr",
        tag("th", link, tag("small", labels) if labels else None, scope="row"),
        tag("td", how),
        tag("td", words.power(ecu["power_w"]), class_="n"),
        panels,
        tag("td", words.age(ecu["age_s"]), class_="n"),
    )


def _sum(ecus: list[FleetEcu]) -> float | None:
    known = [ecu["power_w"] for ecu in ecus if ecu["power_w"] is not None]
    return sum(known) if known else None


def _counts(ecus: list[FleetEcu]) -> str:
    counts = {level: sum(ecu["level"] == level for ecu in ecus) for level in _LEVELS}
    return ", ".join(
        f"{count} {_LEVELS[level][count > 1]}" for level, count in counts.items() if count
    )


def _worst(ecus: list[FleetEcu]) -> str:
    return next((level for level in _LEVELS if any(ecu["level"] == level for ecu in ecus)), "")
