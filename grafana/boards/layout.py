"""The grid that panels are laid out on, and what all dashboards share around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    bargauge,
    dashboard,
    stat,
    statetimeline,
    statushistory,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import dashboard as model

__all__ = ["DATASOURCE", "Line", "Panel", "board", "targets"]

COLUMNS = 24
DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "aps-exporter"

Panel = (
    bargauge.Panel
    | stat.Panel
    | statetimeline.Panel
    | statushistory.Panel
    | table.Panel
    | timeseries.Panel
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Panels beside one another, each with its width out of 24; a title starts a section."""

    height: int
    panels: tuple[tuple[int, Panel], ...]
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
            .keep_time(True)  # noqa: FBT003  # the SDK's
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


def targets(label: str, metric: str) -> dashboard.QueryVariable:
    """Let people choose among the targets that have a metric; `$instance` in queries."""
    return (
        dashboard.QueryVariable("instance")
        .label(label)
        .datasource(DATASOURCE)
        .query(f"label_values({metric}, instance)")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )
