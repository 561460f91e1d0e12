"""Reads a dashboard's file, and asks Prometheus what Grafana would ask for each of its panels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import requests

__all__ = ["Json", "Panel", "Query", "Range", "Series", "ask", "load", "panels"]

Json = str | float | bool | list["Json"] | dict[str, "Json"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The time range that the dashboard shows."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question of a panel."""

    ref: str
    expr: str
    legend: str
    instant: bool
    least_step: timedelta

    def concrete(self, shown: Range, variables: Mapping[str, str]) -> str:
        """Put values in the place of Grafana's variables."""
        expr = self.expr
        seconds = {
            "$__range": shown.length.total_seconds(),
            "$__rate_interval": max(1200.0, self.step(shown).total_seconds()),
            "$__interval": self.step(shown).total_seconds(),
        }
        for name, value in seconds.items():
            expr = expr.replace(name, f"{int(value)}s")
        for name, text in variables.items():
            expr = expr.replace(f"${name}", text)
        return expr

    def step(self, shown: Range) -> timedelta:
        """Give the distance of points: about 250 over the range, but never closer than allowed."""
        return max(
            self.least_step, shown.length / 250 // timedelta(minutes=1) * timedelta(minutes=1)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel as the file describes it."""

    id: int
    kind: str
    title: str
    description: str
    x: int
    y: int
    width: int
    height: int
    queries: tuple[Query, ...]
    raw: dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of an answer."""

    ref: str
    name: str
    """As the legend says it."""
    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    """Time and value; one of an instant query."""


def load(path: Path) -> dict[str, Json]:
    """Read a dashboard's file."""
    return mapping(json.loads(path.read_text(encoding="utf-8")))


def mapping(value: Json) -> dict[str, Json]:
    """Take a JSON object for one; nothing for none."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"not an object: {value!r}")
    return value


def items(value: Json) -> list[Json]:
    """Take a JSON list for one; nothing for none."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"not a list: {value!r}")
    return value


def number(value: Json, otherwise: float = 0.0) -> float:
    """Take a JSON number for one."""
    return float(value) if isinstance(value, int | float) else otherwise


def panels(board: dict[str, Json]) -> Iterator[Panel]:
    """Go through a dashboard's panels, headings of sections included."""
    for each in items(board["panels"]):
        raw = mapping(each)
        place = mapping(raw["gridPos"])
        least = str(raw.get("interval") or "1m")
        unit = {"m": "minutes", "h": "hours"}[least[-1]]
        yield Panel(
            id=int(number(raw["id"])),
            kind=str(raw["type"]),
            title=str(raw["title"]),
            description=str(raw.get("description", "")),
            x=int(number(place.get("x"))),
            y=int(number(place.get("y"))),
            width=int(number(place["w"])),
            height=int(number(place["h"])),
            queries=tuple(
                Query(
                    ref=str(target["refId"]),
                    expr=str(target["expr"]),
                    legend=str(target.get("legendFormat", "")),
                    instant=target.get("instant") is True,
                    least_step=timedelta(**{unit: int(least[:-1])}),
                )
                for target in map(mapping, items(raw.get("targets")))
            ),
            raw=raw,
        )


def ask(url: str, query: Query, shown: Range, variables: Mapping[str, str]) -> list[Series]:
    """Ask Prometheus one question, as Grafana would, and raise what it complains about."""
    expr = query.concrete(shown, variables)
    if query.instant:
        route, when = "query", {"time": shown.end.timestamp()}
    else:
        step = query.step(shown).total_seconds()
        start = shown.start.timestamp() // step * step
        route = "query_range"
        when = {"start": start, "end": shown.end.timestamp(), "step": step}
    answer = requests.post(f"{url}/api/v1/{route}", data={"query": expr, **when}, timeout=30)
    body = mapping(answer.json())
    if body.get("status") != "success":
        raise RuntimeError(f"{body.get('error')}: {expr}")
    return [_series(query, mapping(each)) for each in items(mapping(body["data"])["result"])]


def _series(query: Query, result: dict[str, Json]) -> Series:
    labels = {name: str(value) for name, value in mapping(result["metric"]).items()}
    points = items(result["values"]) if "values" in result else [result["value"]]
    name = query.legend
    for label, text in labels.items():
        name = name.replace(f"{{{{{label}}}}}", text)
    pairs = (items(point) for point in points)
    return Series(
        ref=query.ref,
        name=name,
        labels=labels,
        points=tuple((number(at), float(str(value))) for at, value in pairs),
    )
