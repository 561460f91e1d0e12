"""THE table of the forwarder's metrics, and the collector that fills it from a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from aps_exporter.pvoutput.status import Snapshot

__all__ = ["PVOUTPUT_FAMILIES", "PVOutputCollector", "PVOutputFamily"]

_Sample = tuple[tuple[str, ...], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PVOutputFamily:
    """One metric: a row of the table."""

    name: str
    kind: Literal["gauge", "counter", "summary"] = "gauge"
    help: str
    labels: tuple[str, ...] = ()
    samples: Callable[[Snapshot], Iterable[_Sample]]
    """Label values and the value, ``None`` if unknown; a summary's are its count and its sum."""

    def fill(self, snapshot: Snapshot | None) -> Metric:
        """Make the family; without samples where nothing is known."""
        samples = [] if snapshot is None else list(self.samples(snapshot))
        if self.kind == "summary":
            summary = SummaryMetricFamily(self.name, self.help, labels=self.labels)
            if samples:
                (_, count), (_, total) = samples
                summary.add_metric((), int(count or 0), total or 0.0)
            return summary
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family = make(self.name, self.help, labels=self.labels)
        for labels, value in samples:
            if value is not None:
                family.add_metric(labels, value)
        return family


@dataclass(frozen=True, slots=True, eq=False)
class PVOutputCollector(Collector):
    """The forwarder as it stood after its last step; a scrape waits for nothing.

    ::

        aps_pvoutput_active 1.0
        aps_pvoutput_uploads_total 144.0
        aps_pvoutput_upload_failures_total 0.0
        aps_pvoutput_records_total{result="sent"} 144.0
        aps_pvoutput_queue_records 0.0
    """

    snapshot: Callable[[], Snapshot]

    def describe(self) -> list[Metric]:
        """Name the families."""
        return [family.fill(None) for family in PVOUTPUT_FAMILIES]

    def collect(self) -> list[Metric]:
        """Fill the families; one without a value is absent."""
        snapshot = self.snapshot()
        families = [family.fill(snapshot) for family in PVOUTPUT_FAMILIES]
        return [family for family in families if family.samples]


def _one(get: Callable[[Snapshot], float | None]) -> Callable[[Snapshot], Iterable[_Sample]]:
    return lambda snapshot: [((), get(snapshot))]


def _time(
    get: Callable[[Snapshot], datetime | None],
) -> Callable[[Snapshot], Iterable[_Sample]]:
    def sample(snapshot: Snapshot) -> Iterable[_Sample]:
        moment = get(snapshot)
        yield (), None if moment is None else moment.timestamp()

    return sample


PVOUTPUT_FAMILIES: tuple[PVOutputFamily, ...] = (
    PVOutputFamily(
        name="aps_pvoutput_active",
        help="1 if this process forwards, 0 while another one does from the same outbox.",
        samples=_one(lambda s: s.active),
    ),
    PVOutputFamily(
        name="aps_pvoutput_uploads_total",
        kind="counter",
        help="Requests that carried statuses (addstatus, addbatchstatus).",
        samples=_one(lambda s: s.uploads),
    ),
    PVOutputFamily(
        name="aps_pvoutput_upload_failures_total",
        kind="counter",
        help="Of these, the ones that PVOutput refused or never answered.",
        samples=_one(lambda s: s.upload_failures),
    ),
    PVOutputFamily(
        name="aps_pvoutput_records_total",
        kind="counter",
        help="Statuses by what became of them.",
        labels=("result",),
        samples=lambda s: [((result,), number) for result, number in s.records.items()],
    ),
    PVOutputFamily(
        name="aps_pvoutput_queue_records",
        help="Statuses that wait to be sent.",
        samples=_one(lambda s: s.queue_records),
    ),
    PVOutputFamily(
        name="aps_pvoutput_dead_records",
        help="Statuses that were refused for good and are kept to be looked at.",
        samples=_one(lambda s: s.dead_records),
    ),
    PVOutputFamily(
        name="aps_pvoutput_queue_oldest_timestamp_seconds",
        help="Start of the oldest slot that waits; absent when none does.",
        samples=_time(lambda s: s.queue_oldest),
    ),
    PVOutputFamily(
        name="aps_pvoutput_last_success_timestamp_seconds",
        help="When PVOutput last took a status.",
        samples=_time(lambda s: s.last_success),
    ),
    PVOutputFamily(
        name="aps_pvoutput_last_sent_slot_timestamp_seconds",
        help="Start of the newest slot that PVOutput has.",
        samples=_time(lambda s: s.last_sent_slot),
    ),
    PVOutputFamily(
        name="aps_pvoutput_rate_limit_requests",
        help="Requests an hour that PVOutput allows the key (X-Rate-Limit-Limit).",
        samples=_one(lambda s: s.rate_limit),
    ),
    PVOutputFamily(
        name="aps_pvoutput_rate_limit_remaining_requests",
        help="Requests left in this hour (X-Rate-Limit-Remaining).",
        samples=_one(lambda s: s.rate_remaining),
    ),
    PVOutputFamily(
        name="aps_pvoutput_rate_limit_reset_timestamp_seconds",
        help="When the hour's quota is new (X-Rate-Limit-Reset).",
        samples=_time(lambda s: s.rate_reset),
    ),
    PVOutputFamily(
        name="aps_pvoutput_auth_ok",
        help="1 if PVOutput accepted the credentials last, 0 if it refused them.",
        samples=_one(lambda s: s.auth_ok),
    ),
    PVOutputFamily(
        name="aps_pvoutput_donation",
        help="1 if PVOutput is taken to accept what only donors may send.",
        samples=_one(lambda s: s.donation),
    ),
    PVOutputFamily(
        name="aps_pvoutput_timezone_agrees",
        help="1 if the configured time zone is the system's at PVOutput, 0 if not.",
        samples=_one(lambda s: s.timezone_agrees),
    ),
    PVOutputFamily(
        name="aps_pvoutput_request_duration_seconds",
        kind="summary",
        help="Time that requests to PVOutput took.",
        samples=lambda s: [((), s.requests), ((), s.request_seconds)],
    ),
    PVOutputFamily(
        name="aps_pvoutput_backoff_until_timestamp_seconds",
        help="No request goes out before; absent when one may go out now.",
        samples=_time(lambda s: s.hold_until),
    ),
    PVOutputFamily(
        name="aps_pvoutput_outbox_on_disk",
        help="1 if the outbox is on disk, 0 while the disk fails and memory serves.",
        samples=_one(lambda s: s.outbox_on_disk),
    ),
    PVOutputFamily(
        name="aps_pvoutput_outbox_set_aside_total",
        kind="counter",
        help="Damaged outbox files that were set aside.",
        samples=_one(lambda s: s.outbox_set_aside),
    ),
)
