"""The Exporter dashboard: how the program itself is doing, and how its ECUs answer it."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, dashboard, stat, statetimeline, timeseries
from grafana_foundation_sdk.models import common as common_model

from grafana.boards.layout import Line, board, targets
from grafana.boards.parts import (
    at_once,
    graph,
    mapped,
    over_time,
    override,
    steps,
    strip,
    tile,
)
from grafana.boards.promql import STATUSES, status_code

__all__ = ["exporter"]

OURS = 'instance="$instance"'
RECORDS = {
    "sent": "green",
    "dead": "red",
    "expired": "orange",
    "overflow": "orange",
    "rejected_local": "purple",
    "skipped_night": "blue",
}


def exporter() -> dashboard.Dashboard:
    """Lay out the dashboard."""
    return board(
        uid="aps-exporter",
        title="APsystems exporter",
        description="The exporter's own health, its polls, and its uploads to PVOutput.",
        start="now-24h",
        lines=(
            Line(
                height=4,
                panels=(
                    (4, _up()),
                    (4, _version()),
                    (4, _running()),
                    (4, _memory_now()),
                    (4, _shared_now()),
                    (4, _queue_now()),
                ),
            ),
            Line(
                height=8,
                section="ECUs",
                panels=((12, _polls()), (12, _states())),
            ),
            Line(height=8, panels=((8, _shared()), (8, _cells()), (8, _clock()))),
            Line(height=8, section="Process", panels=((8, _memory()), (8, _cpu()), (8, _files()))),
            Line(
                height=8,
                section="PVOutput",
                panels=((8, _queue()), (8, _records()), (8, _taken())),
            ),
        ),
    ).with_variable(targets("Exporter", "aps_exporter_build_info"))


def _up() -> stat.Panel:
    return (
        tile(1, "Exporter", "Whether Prometheus could scrape the exporter itself.", "none")
        .with_target(at_once(f"up{{{OURS}}}", "up"))
        .mappings(mapped({1: ("up", "green"), 0: ("down", "red")}))
    )


def _version() -> stat.Panel:
    return (
        tile(2, "Version", "The exporter's version and Python's.", "none")
        .text_mode(common_model.BigValueTextMode.NAME)
        .with_target(
            at_once(f"aps_exporter_build_info{{{OURS}}}", "{{version}} · Python {{python_version}}")
        )
    )


def _running() -> stat.Panel:
    return (
        tile(3, "Running for", "Time since the process started.", "s")
        .decimals(1)
        .with_target(at_once(f"time() - process_start_time_seconds{{{OURS}}}", "running"))
    )


def _memory_now() -> stat.Panel:
    return (
        tile(4, "Memory", "Resident memory of the process now.", "bytes")
        .decimals(1)
        .with_target(at_once(f"process_resident_memory_bytes{{{OURS}}}", "resident"))
        .thresholds(steps("green", (100 * 2**20, "orange")))
    )


def _shared_now() -> stat.Panel:
    return (
        tile(
            5,
            "Polls spared",
            "Reads within the time range that another reader's poll has answered, so that the ECU "
            "wasn't asked again.",
            "none",
        )
        .decimals(0)
        .with_target(
            at_once(f"increase(aps_exporter_scrapes_shared_total{{{OURS}}}[$__range])", "spared")
        )
    )


def _queue_now() -> stat.Panel:
    return (
        tile(
            6,
            "PVOutput queue",
            "Records that wait to be taken by PVOutput. Empty when the exporter doesn't publish.",
            "none",
        )
        .with_target(at_once(f"aps_pvoutput_queue_records{{{OURS}}}", "wait"))
        .thresholds(steps("green", (12, "yellow"), (72, "orange")))
    )


def _polls() -> timeseries.Panel:
    return (
        graph(
            7,
            "Time to answer",
            "Time that each poll of an ECU took, for all ECUs, and Prometheus's whole scrape of "
            "this exporter.",
            "s",
        )
        .min(0)
        .line_width(1)
        .with_target(over_time("aps_poll_duration_seconds", "{{instance}}", "A"))
        .with_target(over_time(f"scrape_duration_seconds{{{OURS}}}", "Prometheus, in all", "B"))
    )


def _states() -> statetimeline.Panel:
    return (
        strip(8, "How each ECU answered", "The end of each poll, as one of the seven statuses.")
        .mappings(mapped(dict(enumerate(STATUSES.values()))))
        .with_target(over_time(status_code(), "{{instance}}"))
    )


def _shared() -> timeseries.Panel:
    return (
        graph(
            9,
            "Polls spared per hour",
            "Reads that shared another reader's poll. Many of them mean that several Prometheus "
            "servers, people or tools ask at once, and that the ECU doesn't feel it.",
            "none",
        )
        .min(0)
        .draw_style(common_model.GraphDrawStyle.BARS)
        .fill_opacity(70)
        .line_width(0)
        .interval("1h")
        .with_target(
            over_time(f"increase(aps_exporter_scrapes_shared_total{{{OURS}}}[1h])", "spared")
        )
    )


def _cells() -> timeseries.Panel:
    return (
        graph(
            10,
            "Cells not understood",
            "Cells of the ECU's pages that had no meaning for us, and so have no value. More than "
            "none: a new firmware, worth an issue with the page.",
            "none",
        )
        .min(0)
        .decimals(0)
        .axis_soft_max(1)
        .with_target(over_time("aps_page_unreadable_cells", "{{instance}}"))
    )


def _clock() -> timeseries.Panel:
    return (
        graph(
            11,
            "Clock of each ECU",
            "Newest report's time minus our clock, while inverters report. Between nothing and "
            "minus five minutes is right, and a fall at dusk; whole hours are a wrong time zone.",
            "s",
        )
        .line_width(1)
        .with_target(
            over_time(
                "aps_ecu_clock_offset_seconds and on (instance) aps_inverters_online > 0",
                "{{instance}}",
            )
        )
    )


def _memory() -> timeseries.Panel:
    return (
        graph(12, "Memory", "Resident memory of the process; it should stay flat.", "bytes")
        .min(0)
        .fill_opacity(20)
        .with_target(over_time(f"process_resident_memory_bytes{{{OURS}}}", "resident"))
    )


def _cpu() -> timeseries.Panel:
    return (
        graph(13, "Processor", "Share of one core that the process uses.", "percentunit")
        .min(0)
        .fill_opacity(20)
        .with_target(
            over_time(f"rate(process_cpu_seconds_total{{{OURS}}}[$__rate_interval])", "one core")
        )
    )


def _files() -> timeseries.Panel:
    return (
        graph(
            14,
            "Open files",
            "File descriptors and connections that the process has open, and may have.",
            "none",
        )
        .min(0)
        .decimals(0)
        .with_target(over_time(f"process_open_fds{{{OURS}}}", "open"))
    )


def _queue() -> timeseries.Panel:
    return (
        graph(
            15,
            "Records that wait",
            "The outbox: it grows while PVOutput can't be reached or our quota is used up, and "
            "shrinks afterwards. Nothing in it is lost by a restart.",
            "none",
        )
        .min(0)
        .decimals(0)
        .fill_opacity(20)
        .with_target(over_time(f"aps_pvoutput_queue_records{{{OURS}}}", "wait"))
    )


def _records() -> timeseries.Panel:
    made = (
        graph(
            16,
            "Records per hour, by what became of them",
            "Sent: taken by PVOutput. Dead: refused by it. Expired: too old to be taken. Overflow: "
            "too many waited. Night and rejected: not sent at all, as they should be.",
            "none",
        )
        .min(0)
        .stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A"))
        .draw_style(common_model.GraphDrawStyle.BARS)
        .fill_opacity(70)
        .line_width(0)
        .interval("1h")
        .with_target(over_time(f"increase(aps_pvoutput_records_total{{{OURS}}}[1h])", "{{result}}"))
    )
    for result, paint in RECORDS.items():
        made.override_by_name(result, override(color={"mode": "fixed", "fixedColor": paint}))
    return made


def _taken() -> timeseries.Panel:
    return (
        graph(
            17,
            "Time since PVOutput took a record",
            "Climbs at night, when there is nothing to send; by day it should stay below the "
            "status interval and a bit.",
            "s",
        )
        .min(0)
        .with_target(
            over_time(
                f"time() - aps_pvoutput_last_success_timestamp_seconds{{{OURS}}}", "last taken"
            )
        )
    )
