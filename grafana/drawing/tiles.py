"""Draws what a panel shows of one moment, as HTML: big numbers, bars and tables."""

from __future__ import annotations

import html
from collections.abc import Sequence

from grafana.ask import Panel, Series, items, mapping, number
from grafana.drawing.style import Theme, look

__all__ = ["bars", "listing", "tile"]


def tile(panel: Panel, series: Sequence[Series], theme: Theme) -> str:
    """Draw one big number, or a few beside one another."""
    options = mapping(panel.raw.get("options"))
    mode = str(options.get("textMode", "auto"))
    if not series:
        empty = str(look(panel.raw, "").settings.get("noValue", "No data"))
        return (
            f'<div class=tiles><div><p style="font-size:34px">{html.escape(empty)}</p></div></div>'
        )
    values = []
    for each in series:
        own = look(panel.raw, each.name)
        value = each.points[-1][1]
        text = each.name if mode == "name" else own.text(value)
        size = min(38, (52 * panel.width - 20) / len(series) / (0.66 * max(len(text), 4)))
        under = f"<small>{html.escape(each.name)}</small>" if mode == "value_and_name" else ""
        values.append(
            f'<div>{under}<p style="font-size:{size:.0f}px;color:{own.color(value, theme)}">'
            f"{html.escape(text)}</p></div>"
        )
    return f"<div class=tiles>{''.join(values)}</div>"


def bars(panel: Panel, series: Sequence[Series], theme: Theme) -> str:
    """Draw a bar per series, in the order of the answer."""
    rows = []
    room = (panel.height * 38 - 58) / max(len(series), 1)
    names = 12 + 7 * max((len(each.name) for each in series), default=0)
    for each in series:
        own = look(panel.raw, each.name)
        value = each.points[-1][1]
        low, high = number(own.settings.get("min")), number(own.settings.get("max"), 1)
        share = 100 * (min(value, high) - low) / (high - low)
        color = own.color(value, theme)
        rows.append(
            f'<div class=bar style="height:{min(room, 34):.1f}px">'
            f'<b style="width:{names}px">{html.escape(each.name)}</b>'
            f'<span><i style="width:{share:.1f}%;background:{color}"></i></span>'
            f'<em style="color:{color}">{own.text(value)}</em></div>'
        )
    return f"<div class=bars>{''.join(rows)}</div>"


def listing(panel: Panel, series: Sequence[Series], theme: Theme) -> str:
    """Merge the answers into rows as the panel's transformations say, and sort them."""
    organize = next(
        mapping(each["options"])
        for each in map(mapping, items(panel.raw.get("transformations")))
        if each["id"] == "organize"
    )
    names = mapping(organize["renameByName"])
    order = mapping(organize["indexByName"])
    columns = {field: str(names[field]) for field in sorted(names, key=lambda f: number(order[f]))}
    rows = _merged(panel, series)
    sort = [mapping(each) for each in items(mapping(panel.raw.get("options")).get("sortBy"))]
    for each in sort:
        field = next(name for name, text in columns.items() if text == each["displayName"])
        rows.sort(key=lambda row: float(row.get(field) or 0), reverse=each.get("desc") is True)
    if not rows:
        empty = str(look(panel.raw, "").settings.get("noValue", "No data"))
        return f"<p class=empty>{html.escape(empty)}</p>"
    head = "".join(f"<th>{html.escape(text)}</th>" for text in columns.values())
    body = "".join(
        "<tr>"
        + "".join(_cell(panel, text, row.get(field), theme) for field, text in columns.items())
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _merged(panel: Panel, series: Sequence[Series]) -> list[dict[str, str | float]]:
    """Join answers that agree in the labels they share, as Grafana's merge does."""
    several = len(panel.queries) > 1
    rows: list[dict[str, str | float]] = []
    for each in series:
        value = {f"Value #{each.ref}" if several else "Value": each.points[-1][1]}
        fitting = [
            row
            for row in rows
            if not value.keys() & row.keys()
            and all(row.get(name, text) == text for name, text in each.labels.items())
        ]
        for row in fitting or [dict[str, str | float]()]:
            if not fitting:
                rows.append(row)
            row |= {**each.labels, **value}
    return rows


def _cell(panel: Panel, column: str, value: str | float | None, theme: Theme) -> str:
    own = look(panel.raw, column)
    if value is None:
        return "<td></td>"
    if isinstance(value, str):
        text, color = own.word(value, theme)
        link = " class=link" if "links" in own.settings else ""
        return f'<td{link} style="color:{color}">{html.escape(text)}</td>'
    kind = mapping(own.custom.get("cellOptions")).get("type")
    color = own.color(value, theme)
    style = {
        "color-background": f' style="background:{color};color:#111"',
        "color-text": f' style="color:{color}"',
    }.get(str(kind), "")
    return f"<td{style}>{html.escape(own.text(value))}</td>"
