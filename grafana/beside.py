"""What Prometheus collects beside an ECU's own families: the exporter's, and its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from aps_exporter.metrics.exporter import ExporterCollector, Figures
from aps_exporter.metrics.families import Poll
from aps_exporter.metrics.pvoutput import PVOutputCollector
from aps_exporter.pvoutput.status import RESULTS, Snapshot
from aps_exporter.simulator.sun import noise

__all__ = ["Story"]

OUTAGE = (time(10, 20), time(12, 0))
"""When, on each day in UTC, PVOutput can't be reached."""
MOST_AT_ONCE = 4
"""Records that go out between two polls, while a backlog is worked off."""


@dataclass(slots=True, kw_only=True)
class Story:
    """A steady exporter that publishes, on days with an outage of PVOutput."""

    began: datetime
    waiting: int = 0
    sent: int = 0
    skipped: int = 0
    last_success: datetime | None = None

    def tell(self, moment: datetime, poll: Poll) -> Iterator[Metric]:
        """Go on to a moment, which stands for one record, and give what is collected then."""
        self._go_on(moment, by_day=poll.summary is not None and poll.summary.received > 0)
        elapsed_s = (moment - self.began).total_seconds()
        shared = int(elapsed_s / 700 + 9 * noise(1, 1, elapsed_s / 7200))
        yield from ExporterCollector(figures=lambda: Figures(shared=shared)).collect()
        yield _number("up", 1)
        yield _number("scrape_duration_seconds", poll.duration_s + 0.004)
        yield from self._process(elapsed_s)
        yield from self._pvoutput()
        if poll.summary is None:
            yield _alert("ApsEcuUnreachable")
        elif poll.summary.inverters_online and poll.summary.missing:
            yield _alert("ApsInverterMissing")

    def _go_on(self, moment: datetime, *, by_day: bool) -> None:
        self.waiting += by_day
        self.skipped += not by_day
        if self.waiting and not OUTAGE[0] <= moment.astimezone(UTC).time() < OUTAGE[1]:
            out = min(self.waiting, MOST_AT_ONCE)
            self.waiting, self.sent = self.waiting - out, self.sent + out
            self.last_success = moment - timedelta(seconds=40)

    def _process(self, elapsed_s: float) -> Iterator[Metric]:
        yield _number("process_resident_memory_bytes", 41.2e6 + 6e5 * noise(1, 2, elapsed_s / 3000))
        yield _number("process_open_fds", 14 + int(3 * noise(1, 3, elapsed_s / 300)))
        yield _number("process_start_time_seconds", self.began.timestamp() - 5 * 86400)
        used_s = elapsed_s * 0.004 + 2 * noise(1, 4, elapsed_s / 900)
        yield CounterMetricFamily("process_cpu_seconds_total", "", value=used_s)

    def _pvoutput(self) -> list[Metric]:
        snapshot = Snapshot(
            active=True,
            uploads=self.sent,
            records=dict.fromkeys(RESULTS, 0) | {"sent": self.sent, "skipped_night": self.skipped},
            queue_records=self.waiting,
            last_success=self.last_success,
            auth_ok=True,
        )
        return PVOutputCollector(lambda: snapshot).collect()


def _number(name: str, value: float) -> Metric:
    return GaugeMetricFamily(name, "", value=value)


def _alert(name: str) -> Metric:
    """Fire an alert, as Prometheus shows it in a series of its own."""
    family = GaugeMetricFamily("ALERTS", "", labels=("alertname", "alertstate"))
    family.add_metric((name, "firing"), 1)
    return family
