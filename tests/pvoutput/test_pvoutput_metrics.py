"""The forwarder's metrics: named by the rules, absent where unknown, without the key."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from aps_exporter.metrics.pvoutput import PVOUTPUT_FAMILIES, PVOutputCollector
from aps_exporter.pvoutput.status import Snapshot
from tests.pvoutput.day import Day
from tests.pvoutput.fake_pvoutput import KEY, SYSTEM_ID


def exposed(snapshot: Snapshot) -> CollectorRegistry:
    """Register a collector that tells this."""
    registry = CollectorRegistry()
    registry.register(PVOutputCollector(lambda: snapshot))
    return registry


def test_names() -> None:
    """Names begin with our prefix, counters and only counters end in _total, all have help."""
    for family in PVOUTPUT_FAMILIES:
        assert re.fullmatch(r"aps_pvoutput_[a-z_]+", family.name)
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert family.help.endswith(".")


def test_before_anything_is_known() -> None:
    """At the start the counters are 0 and what isn't known is absent."""
    text = generate_latest(exposed(Snapshot())).decode()

    assert 'aps_pvoutput_records_total{result="sent"} 0.0' in text
    assert "aps_pvoutput_uploads_total 0.0" in text
    assert "aps_pvoutput_auth_ok" not in text
    assert "timestamp" not in text


def test_after_a_day(day: Day, require: Callable[[str], str]) -> None:
    """After a day the numbers are right, promtool finds no fault, and nobody sees key or system."""
    day.until("2026-03-01 08:05")
    registry = exposed(day.alive.snapshot())
    value = registry.get_sample_value

    assert value("aps_pvoutput_records_total", {"result": "sent"}) == 24
    assert value("aps_pvoutput_uploads_total") == 24
    assert value("aps_pvoutput_request_duration_seconds_count") == 25
    assert value("aps_pvoutput_queue_records") == 0
    assert value("aps_pvoutput_auth_ok") == 1
    assert value("aps_pvoutput_rate_limit_requests") == 60
    openmetrics = generate_openmetrics(registry)  # type: ignore[no-untyped-call]  # the library's
    for text in (generate_latest(registry), openmetrics):
        assert KEY.encode() not in text
        assert SYSTEM_ID.encode() not in text
    checked = subprocess.run(
        [require("promtool"), "check", "metrics"],
        input=generate_latest(registry),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_describe_asks_nobody() -> None:
    """The families are known without a snapshot."""

    def nobody() -> Snapshot:
        raise AssertionError

    described = PVOutputCollector(nobody).describe()

    assert len(described) == len(PVOUTPUT_FAMILIES)
