"""What all dashboards are made of: panels with our defaults, queries, variables and the grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    statushistory,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model

__all__ = [
    "STATUSES",
    "Line",
    "at_once",
    "bars",
    "board",
    "cells",
    "color",
    "fixed",
    "graph",
    "listing",
    "mapped",
    "over_time",
    "override",
    "status_code",
    "steps",
    "strip",
    "tile",
]

COLUMNS = 24
DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "aps-exporter"

STATUSES: Mapping[str, tuple[str, str]] = {
    "ok": ("answers", "green"),
    "empty": ("table empty", "yellow"),
    "unreachable": ("unreachable", "red"),
    "timeout": ("too slow", "orange"),
    "page_gone": ("page gone", "purple"),
    "page_unrecognised": ("page not understood", "purple"),
    "page_truncated": ("page cut off", "orange"),
}
"""Values of the label `status` of `aps_ecu_status`, as people say them, and their colour."""


class Placed(Protocol):
    """A panel's builder, as far as the grid needs it."""

    def grid_pos(self, grid_pos: model.GridPos) -> Self:
        """Put the panel somewhere."""

    def build(self) -> model.Panel:
        """Make the panel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Panels beside one another, each with its width out of 24; a title starts a section."""

    height: int
    panels: tuple[tuple[int, Placed], ...]
    section: str | None = None


def board(
    *, uid: str, title: str, description: str, start: str, lines: Iterable[Line]
) -> dashboard.Dashboard:
    """Make a dashboard and lay its lines out from the top."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .time(start, "now")
        .refresh("1m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
        .link(
            dashboard.DashboardLink("APsystems")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .keep_time(True)
        )
    )
    y = 0
    for number, line in enumerate(lines):
        if line.section:
            place = model.GridPos(x=0, y=y, w=COLUMNS, h=1)
            made.with_row(dashboard.Row(line.section).id(1000 + number).grid_pos(place))
            y += 1
        x = 0
        for width, panel in line.panels:
            made.with_panel(panel.grid_pos(model.GridPos(x=x, y=y, w=width, h=line.height)))
            x += width
        y += line.height
    return made


def over_time(expr: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """Ask for values over the dashboard's whole time range."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref).range()


def at_once(expr: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """Ask for the values at the end of the time range: what is gone by then stays away."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref).instant()


def status_code(selector: str) -> str:
    """Tell an ECU's status as the number of its place in `STATUSES`."""
    return " + ".join(
        f'{code} * max by (instance) (aps_ecu_status{{status="{status}"{selector}}})'
        for code, status in enumerate(STATUSES)
        if code
    )


def tile(panel_id: int, title: str, description: str, unit: str) -> stat.Panel:
    """Start one big number, or a few beside one another."""
    return (
        stat.Panel()
        .id(panel_id)
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .no_value("—")
        .color_mode(common_model.BigValueColorMode.VALUE)
        .graph_mode(common_model.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(steps("text"))
    )


def graph(panel_id: int, title: str, description: str, unit: str) -> timeseries.Panel:
    """Start lines over time."""
    return (
        timeseries.Panel()
        .id(panel_id)
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .interval("1m")
        .line_width(2)
        .show_points(common_model.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .placement(common_model.LegendPlacement.BOTTOM)
            .display_mode(common_model.LegendDisplayMode.LIST)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.DESCENDING)
        )
    )


def strip(panel_id: int, title: str, description: str) -> statetimeline.Panel:
    """Start a strip per series, coloured by its state."""
    return (
        statetimeline.Panel()
        .id(panel_id)
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit("none")
        .interval("1m")
        .merge_values(True)
        .show_value(common_model.VisibilityMode.NEVER)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(85)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .placement(common_model.LegendPlacement.BOTTOM)
            .display_mode(common_model.LegendDisplayMode.LIST)
        )
    )


def cells(panel_id: int, title: str, description: str, unit: str) -> statushistory.Panel:
    """Start a row of coloured cells per series: a heat map with names."""
    return (
        statushistory.Panel()
        .id(panel_id)
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .interval("15m")
        .max_data_points(96)
        .show_value(common_model.VisibilityMode.NEVER)
        .row_height(0.94)
        .col_width(0.97)
        .line_width(0)
        .fill_opacity(100)
        .legend(common.VizLegendOptions().show_legend(False))
    )


def bars(panel_id: int, title: str, description: str, unit: str) -> bargauge.Panel:
    """Start horizontal bars, one per series, in the order of the answer."""
    return (
        bargauge.Panel()
        .id(panel_id)
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .display_mode(common_model.BarGaugeDisplayMode.BASIC)
        .show_unfilled(True)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def listing(
    panel_id: int, title: str, description: str, columns: Mapping[str, str], *, hidden: tuple[str, ...] = ()
) -> table.Panel:
    """Start a table: fields of the merged answers in their order, each with its heading."""
    return (
        table.Panel()
        .id(panel_id)
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit("none")
        .show_header(True)
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": dict.fromkeys(("Time", *hidden), True),
                    "indexByName": {field: place for place, field in enumerate(columns)},
                    "renameByName": dict(columns),
                },
            )
        )
    )


def steps(base: str, *above: tuple[float, str]) -> dashboard.ThresholdsConfig:
    """Colour by value: the base colour, then another from each value on."""
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(color=base), *(model.Threshold(value=v, color=c) for v, c in above)])
    )


def mapped(values: Mapping[float, tuple[str, str]]) -> list[model.ValueMapping]:
    """Say numbers in words, each with its colour."""
    return [
        model.ValueMap(
            options={
                f"{value:g}": model.ValueMappingResult(text=text, color=paint, index=index)
                for index, (value, (text, paint)) in enumerate(values.items())
            }
        )
    ]


def color(mode: model.FieldColorModeId) -> dashboard.FieldColor:
    """Colour by a scheme."""
    return dashboard.FieldColor().mode(mode)


def fixed(name: str) -> model.DynamicConfigValue:
    """Give a series its own colour, by a name that suits light and dark."""
    return model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": name})


def override(**settings: object) -> list[model.DynamicConfigValue]:
    """Set options of one field: a keyword is the option's name, `custom_` says whose it is."""
    return [
        model.DynamicConfigValue(id_val=name.replace("custom_", "custom."), value=value)
        for name, value in settings.items()
    ]
