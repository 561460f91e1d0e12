"""What a scrape costs while PVOutput hangs: the same as without PVOutput."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Exporter, Serve, Simulate, wait_until

SCRAPES = 60
DEAREST = 1.5
"""Times the median without PVOutput; 1.0 to 1.1 was measured, the rest is for noise."""


class Silence:
    """A server that takes connections and never says a word."""

    def __init__(self) -> None:
        """Listen, and take what comes."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over, self._end = socket.socketpair()
        self.taken: list[socket.socket] = []
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/service/r2"

    def close(self) -> None:
        """Hang up on everybody."""
        self._end.send(b"x")
        self._thread.join()
        for held in (self._listener, self._over, self._end, *self.taken):
            held.close()

    def _take(self) -> None:
        with selectors.DefaultSelector() as either:
            either.register(self._listener, selectors.EVENT_READ)
            either.register(self._over, selectors.EVENT_READ)
            while self._over not in [key.fileobj for key, _ in either.select()]:
                self.taken.append(self._listener.accept()[0])


@pytest.fixture
def silence() -> Iterator[Silence]:
    """Stand in for a PVOutput that hangs."""
    with contextlib.closing(Silence()) as server:
        yield server


def seconds(exporter: Exporter) -> float:
    """Say how long a scrape takes."""
    began = time.perf_counter()
    assert exporter.scrape().sample("aps_up") == 1
    return time.perf_counter() - began


def test_a_hanging_pvoutput_costs_scrapes_nothing(
    simulate: Simulate,
    serve: Serve,
    silence: Silence,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a request that hangs, the median scrape takes as long as with publishing off."""
    account = {
        "publish": True,
        "api_key": "0123456789abcdef0123456789abcdef01234567",
        "system_id": "12345",
        "base_url": silence.url,
    }
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"host": "given.as.a.flag", "pvoutput": account}))
    ecu = simulate()
    without, hanging = serve(ecu), serve(ecu, "--config", str(config))
    wait_until(lambda: bool(silence.taken))
    times = [(seconds(without), seconds(hanging)) for _ in range(SCRAPES)]
    off_s, on_s = (statistics.median(column) for column in zip(*times, strict=True))
    with capsys.disabled():
        print(f"\nscrape, PVOutput hanging / off: {on_s / off_s:.2f} ({off_s * 1000:.1f} ms off)")  # noqa: T201

    assert on_s / off_s < DEAREST
    assert hanging.scrape().sample("aps_pvoutput_uploads_total") is not None
