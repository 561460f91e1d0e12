"""Panels with our defaults, queries, and the settings of fields.

The SDK's options take a bool by position.
"""

# ruff: noqa: FBT003

from __future__ import annotations

from collections.abc import Mapping

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
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as query_model

from grafana.boards.layout import DATASOURCE

__all__ = [
    "DASHED",
    "as_table",
    "at_once",
    "bars",
    "cells",
    "color",
    "falling",
    "fixed",
    "graph",
    "legend",
    "listing",
    "mapped",
    "over_time",
    "override",
    "steps",
    "strip",
    "tile",
]

DASHED = {"fill": "dash", "dash": [8, 6]}
"""The style of a line."""


def over_time(expr: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """Ask for values over the dashboard's whole time range."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref).range()


def at_once(expr: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """Ask for the values at the end of the time range: what is gone by then stays away."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref).instant()


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
        .legend(legend())
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.DESCENDING)
        )
    )


def legend(
    placement: common_model.LegendPlacement = common_model.LegendPlacement.BOTTOM,
) -> common.VizLegendOptions:
    """Name the series beneath a graph, or beside it where they are many."""
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .placement(placement)
        .display_mode(common_model.LegendDisplayMode.LIST)
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
        .legend(legend())
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
    panel_id: int,
    title: str,
    description: str,
    columns: Mapping[str, str],
    *,
    hidden: tuple[str, ...] = (),
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


def as_table(expr: str, ref: str = "A") -> prometheus.Dataquery:
    """Ask for the values at the end of the time range, with their labels as columns."""
    return at_once(expr, ref=ref).format(query_model.PromQueryFormat.TABLE)


def falling(column: str) -> list[Builder[common_model.TableSortByFieldState]]:
    """Sort a table by a column, the highest first."""
    return [common.TableSortByFieldState().display_name(column).desc(True)]


def steps(base: str, *above: tuple[float, str]) -> dashboard.ThresholdsConfig:
    """Colour by value: the base colour, then another from each value on."""
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps(
            [model.Threshold(color=base), *(model.Threshold(value=v, color=c) for v, c in above)]
        )
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
