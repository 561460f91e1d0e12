"""The sidecar's threads: they share the poller, never hold up a scrape, and end when told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from aps_exporter.config import PVOutputSettings, Settings
from aps_exporter.deadline import Deadline
from aps_exporter.errors import EcuUnreachableError
from aps_exporter.model import Reading
from aps_exporter.pvoutput.client import Client
from aps_exporter.pvoutput.forwarder import Forwarder
from aps_exporter.pvoutput.outbox import Outbox
from aps_exporter.pvoutput.policy import Account, Policy
from aps_exporter.pvoutput.rows import SCRIPTS
from aps_exporter.pvoutput.sidecar import Sidecar, make_sidecar
from aps_exporter.pvoutput.store import Store
from aps_exporter.summary import Roster, Summary
from tests.pvoutput.day import Roof
from tests.pvoutput.fake_pvoutput import KEY, SYSTEM_ID, FakePVOutput, Fault

PATIENCE_S = 20.0


@pytest.fixture
def fake() -> Iterator[FakePVOutput]:
    """Run the fake server in the real time that threads live in."""
    with FakePVOutput(clock=lambda: datetime.now(UTC)) as server:
        server.world.systems[SYSTEM_ID].tz = "UTC"
        yield server


class Ecu:
    """An ECU whose last sweep was in the slot before this one, and can fail."""

    def __init__(self) -> None:
        """Begin without having been asked."""
        self.reads = 0
        self.asked = threading.Event()
        self.error: Exception | None = None

    def read(self, _: Deadline) -> Reading:
        """Give the reading."""
        self.reads += 1
        self.asked.set()
        if self.error:
            raise self.error
        return summary().reading


def summary() -> Summary:
    """Summarise a sweep of eight minutes ago, so that its slot is over."""
    now = datetime.now(UTC) - timedelta(minutes=8)
    roof = Roof(zone="UTC", lag_s=0, spike=lambda _: 1234.0)
    return roof.summary(now)


@pytest.fixture
def sidecar_of(folder: Path, fake: FakePVOutput) -> Iterator[Callable[[Ecu], Sidecar]]:
    """Make sidecars, and stop them at the end."""
    sidecars: list[Sidecar] = []

    def make(ecu: Ecu) -> Sidecar:
        account = Account(base_url=fake.url, system_id=SYSTEM_ID, api_key=SecretStr(KEY))
        forwarder = Forwarder(
            state_dir=folder,
            system_id=SYSTEM_ID,
            service=Client(account, total_s=3.0),
            policy=Policy(timezone="UTC"),
        )
        sidecar = Sidecar(forwarder, read=ecu.read, summarize=Roster().summarize)
        sidecars.append(sidecar)
        return sidecar

    yield make
    for sidecar in sidecars:
        sidecar.stop()


def eventually(condition: Callable[[], object]) -> None:
    """Wait for something that has to happen."""
    deadline = Deadline.after(PATIENCE_S)
    while not condition():
        assert deadline.remaining() > 0
        time.sleep(0.01)


def test_polls_when_nobody_scrapes(
    sidecar_of: Callable[[Ecu], Sidecar], fake: FakePVOutput
) -> None:
    """Without a scrape the sidecar reads the ECU itself, and keeps its sweep."""
    ecu = Ecu()
    sidecar = sidecar_of(ecu)
    sidecar.start()
    eventually(lambda: sidecar.snapshot().auth_ok)
    eventually(lambda: ecu.reads)

    assert ecu.reads == 1
    assert [r.service for r in fake.requests][:1] == ["getsystem"]
    assert sidecar.snapshot().active


def test_an_ecu_that_fails_is_no_trouble(sidecar_of: Callable[[Ecu], Sidecar]) -> None:
    """When the ECU can't be read the sidecar goes on, and waits for the next time."""
    ecu = Ecu()
    ecu.error = EcuUnreachableError("no")
    sidecar = sidecar_of(ecu)
    sidecar.start()
    assert ecu.asked.wait(PATIENCE_S)
    eventually(lambda: sidecar.snapshot().auth_ok)

    assert sidecar.snapshot().queue_records == 0


def test_a_bug_does_not_end_it(
    sidecar_of: Callable[[Ecu], Sidecar], caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception is logged with its traceback, and the threads live on."""
    ecu = Ecu()
    ecu.error = RuntimeError("a bug")
    sidecar = sidecar_of(ecu)
    sidecar.start()
    eventually(lambda: any("stumbled" in r.message for r in caplog.records))

    assert any(r.exc_info for r in caplog.records if "stumbled" in r.message)
    eventually(lambda: sidecar.snapshot().auth_ok)


def test_observing_never_waits(sidecar_of: Callable[[Ecu], Sidecar], fake: FakePVOutput) -> None:
    """With PVOutput hanging, a scrape hands over its summary at once, however many there are."""
    fake.faults.append(Fault("delay", seconds=2.0, times=5))
    sidecar = sidecar_of(Ecu())
    sidecar.start()
    eventually(lambda: fake.in_flight)
    reading = summary()
    began = time.perf_counter()
    for _ in range(1000):
        sidecar.observe(reading)
        sidecar.snapshot()
    took = time.perf_counter() - began

    assert took < 0.5


def test_stop_is_quick_and_loses_nothing(
    sidecar_of: Callable[[Ecu], Sidecar], fake: FakePVOutput, folder: Path
) -> None:
    """Told to stop, it ends at once; what waits is in the outbox of the next life."""
    fake.faults.append(Fault("status", status=503, times=1000))
    sidecar = sidecar_of(Ecu())
    sidecar.start()
    sidecar.observe(summary())
    eventually(lambda: fake.requests)
    began = time.monotonic()
    sidecar.stop()

    assert time.monotonic() - began < 4.0
    assert (folder / "state.sqlite3").exists()


def test_stop_before_start(sidecar_of: Callable[[Ecu], Sidecar]) -> None:
    """A sidecar that never ran can be stopped, twice."""
    sidecar = sidecar_of(Ecu())
    sidecar.stop()
    sidecar.stop()

    assert not sidecar.snapshot().active


def test_quiet_log(sidecar_of: Callable[[Ecu], Sidecar], caplog: pytest.LogCaptureFixture) -> None:
    """When all is well, nothing is said."""
    sidecar = sidecar_of(Ecu())
    sidecar.start()
    eventually(lambda: sidecar.snapshot().auth_ok)

    assert [r.message for r in caplog.records if r.levelno >= logging.INFO] == []


def test_made_from_the_configuration(fake: FakePVOutput, folder: Path) -> None:
    """The configuration makes a sidecar that forwards, and keeps its key out of the log."""
    factory = logging.getLogRecordFactory()
    ecu = Ecu()
    settings = Settings(
        host="192.0.2.7",
        state_dir=folder,
        pvoutput=PVOutputSettings(
            publish=True, api_key=SecretStr(KEY), system_id=SYSTEM_ID, base_url=fake.url
        ),
    )
    sidecar = make_sidecar(settings, read=ecu.read, summarize=Roster().summarize)
    try:
        sidecar.start()
        eventually(lambda: sidecar.snapshot().auth_ok)

        assert logging.getLogRecordFactory() is not factory
    finally:
        sidecar.stop()
        logging.setLogRecordFactory(factory)


def test_a_scrape_feeds_it(
    sidecar_of: Callable[[Ecu], Sidecar], fake: FakePVOutput, folder: Path
) -> None:
    """What a scrape has read is sent when its slot is over."""
    store = Store(folder, "outbox", SCRIPTS)
    outbox = Outbox(store, SYSTEM_ID)
    outbox.write_note("asked", {"at": datetime.now(UTC).timestamp()})
    outbox.write_note("system", {"interval": 5})
    store.close()
    fake.world.systems[SYSTEM_ID].sun = lambda _: (datetime.min.time(), datetime.max.time())
    ecu = Ecu()
    ecu.error = EcuUnreachableError("only scrapes see it")
    sidecar = sidecar_of(ecu)
    sidecar.start()
    sidecar.observe(summary())
    eventually(fake.stored)

    assert list(fake.stored("v2").values()) == [("1234",)]
