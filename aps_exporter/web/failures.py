"""Writes the table of what failed last, target by target."""

from __future__ import annotations

from aps_exporter.web.contract import FleetFailure
from aps_exporter.web.markup import Markup, tag

__all__ = ["failures_card"]


def failures_card(failures: list[FleetFailure]) -> Markup:
    """Write the card; it isn't shown while nothing has failed."""
    rows = tag("tbody", map(_row, failures), id="failures")
    table = tag("table", rows, aria_label="The last failure of each target")
    wide = tag("div", table, class_="wide")
    return tag(
        "section", tag("h2", "Last failures"), wide, class_="card" if failures else "card gone"
    )


def _row(failure: FleetFailure) -> Markup:
    texts = (failure["at"][:19].replace("T", " "), failure["status"], failure["error"])
    return tag("tr", tag("th", failure["target"], scope="row"), (tag("td", text) for text in texts))
