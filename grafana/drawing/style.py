"""How Grafana says and colours values, as far as our dashboards use it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from grafana.ask import Json, items, mapping, number

__all__ = ["DARK", "LIGHT", "PALETTE", "Look", "Theme", "blend", "look", "paint"]

PAINTS = {
    "green": "#73BF69",
    "yellow": "#FADE2A",
    "orange": "#FF9830",
    "semi-dark-orange": "#FF780A",
    "red": "#F2495C",
    "blue": "#5794F2",
    "purple": "#B877D9",
}
PALETTE = (
    "#73BF69",
    "#F2CC0C",
    "#8AB8FF",
    "#FF780A",
    "#F2495C",
    "#5794F2",
    "#B877D9",
    "#37872D",
    "#CA95E5",
    "#E0B400",
)
SCHEMES = {"continuous-BlYlRd": ("#1F60C4", "#FFF899", "#C4162A")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """The colours of Grafana's page."""

    page: str
    panel: str
    border: str
    text: str
    faint: str


DARK = Theme(page="#111217", panel="#181b1f", border="#2a2d35", text="#d8d9da", faint="#8e8e96")
LIGHT = Theme(page="#f4f5f5", panel="#ffffff", border="#dcdfe3", text="#24292e", faint="#6f7780")


def paint(name: str, theme: Theme) -> str:
    """Turn Grafana's name of a colour into one for CSS."""
    return theme.text if name == "text" else PAINTS.get(name, name)


def blend(scheme: str, share: float) -> str:
    """Pick a colour of a continuous scheme, 0 its beginning and 1 its end."""
    stops = SCHEMES[scheme]
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    first = min(int(place), len(stops) - 2)
    here, there = (
        [int(stop[at : at + 2], 16) for at in (1, 3, 5)] for stop in stops[first : first + 2]
    )
    mixed = (h + (t - h) * (place - first) for h, t in zip(here, there, strict=True))
    return "#" + "".join(f"{round(each):02x}" for each in mixed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The settings of one field: the panel's defaults with the overrides that match its name."""

    settings: Mapping[str, Json]
    custom: Mapping[str, Json]

    def text(self, value: float) -> str:
        """Say a value, mapped to words or with its unit."""
        found = self._mapped(f"{value:g}")
        if found:
            return str(found.get("text"))
        decimals = self.settings.get("decimals")
        return _said(value, str(self.settings.get("unit", "none")), decimals)

    def color(self, value: float, theme: Theme) -> str:
        """Colour a value, by mapping or threshold."""
        found = self._mapped(f"{value:g}")
        if found:
            return paint(str(found.get("color")), theme)
        name = "text"
        for step in map(mapping, items(mapping(self.settings.get("thresholds")).get("steps"))):
            if step.get("value") is None or value >= number(step["value"]):
                name = str(step["color"])
        return paint(name, theme)

    def word(self, text: str, theme: Theme) -> tuple[str, str]:
        """Say a text and colour it, as a mapping has it."""
        found = self._mapped(text)
        if not found:
            return text, theme.text
        return str(found.get("text")), paint(str(found.get("color")), theme)

    @property
    def fixed(self) -> str | None:
        """The field's own colour, if it has one."""
        color = mapping(self.settings.get("color"))
        return str(color["fixedColor"]) if color.get("mode") == "fixed" else None

    def _mapped(self, key: str) -> Mapping[str, Json]:
        for each in map(mapping, items(self.settings.get("mappings"))):
            options = mapping(each.get("options"))
            if key in options:
                return mapping(options[key])
        return {}


def look(raw: Mapping[str, Json], name: str) -> Look:
    """Collect what a panel says about the field of that name."""
    config = mapping(raw.get("fieldConfig"))
    settings = dict(mapping(config.get("defaults")))
    custom = dict(mapping(settings.get("custom")))
    for each in map(mapping, items(config.get("overrides"))):
        matcher = mapping(each["matcher"])
        wanted = str(matcher["options"])
        hit = wanted == name if matcher["id"] == "byName" else re.fullmatch(wanted, name)
        if hit:
            for option in map(mapping, items(each["properties"])):
                key = str(option["id"])
                kept = custom if key.startswith("custom.") else settings
                kept[key.removeprefix("custom.")] = option.get("value")
    return Look(settings=settings, custom=custom)


def _said(value: float, unit: str, decimals: Json) -> str:
    scaled, sign = _scaled(value, unit)
    if isinstance(decimals, int | float):
        return f"{scaled:.{int(decimals)}f}{sign}"
    size = abs(scaled)
    digits = 0 if size >= 100 or scaled == int(scaled) else 1 if size >= 10 else 2  # noqa: PLR2004  # three figures
    text = f"{scaled:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}{sign}"


UNITS: Mapping[str, tuple[tuple[float, str], ...]] = {
    "watt": ((1, " W"), (1e3, " kW"), (1e6, " MW")),
    "kwatth": ((1, " kWh"), (1e3, " MWh")),
    "volt": ((1, " V"),),
    "hertz": ((1, " Hz"),),
    "celsius": ((1, " °C"),),
    "s": ((1e-3, " ms"), (1, " s"), (60, " mins"), (3600, " hours"), (86400, " days")),
    "bytes": ((1, " B"), (2**10, " KiB"), (2**20, " MiB"), (2**30, " GiB")),
    "percentunit": ((0.01, "%"),),
    "none": ((1, ""),),
}


def _scaled(value: float, unit: str) -> tuple[float, str]:
    """Choose the largest multiple of a unit that leaves at least one of it."""
    factor, sign = UNITS[unit][0]
    if unit == "s" and value == 0:
        return value, " s"
    for each, name in UNITS[unit]:
        if abs(value) >= each:
            factor, sign = each, name
    return value / factor, sign
