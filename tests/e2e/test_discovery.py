"""A real Prometheus finds several ECUs through `/sd`, and follows a reload."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aps_exporter.simulator.server import Simulator
from tests.e2e.conftest import ENVIRONMENT, Program, Simulate, ask, fault, wait_until
from tests.e2e.test_prometheus import Prometheus

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: aps
    http_sd_configs: [{{url: "http://{address}/sd", refresh_interval: 1s}}]
"""


class FleetExporter(Program):
    """`aps-exporter serve` of a file."""

    def __init__(self, file: Path, state_dir: Path) -> None:
        """Start it, and wait until it serves."""
        options = ("--listen", "127.0.0.1:0", "--web.enable-lifecycle")
        super().__init__(
            *(sys.executable, "-m", "aps_exporter", "serve", "--config", str(file)),
            *("--state-dir", str(state_dir), "--timeout", "1", *options),
            env=ENVIRONMENT,
        )
        try:
            self.url = self.wait_for(r"listening on (http://\S+)")[1]
        except BaseException:
            # Whatever it was, the process must not outlive it.
            self.end()
            raise

    def hang_up(self) -> None:
        """Send SIGHUP."""
        os.kill(self._process.pid, signal.SIGHUP)


def write(file: Path, *ecus: tuple[str, Simulator, dict[str, object]]) -> None:
    """Write the list."""
    listed = [
        {"name": name, "host": ecu.host, "interface": "web", "max_age": 0, **more}
        for name, ecu, more in ecus
    ]
    file.write_text(json.dumps({"ecus": listed}))


Chain = tuple[FleetExporter, Prometheus, list[Simulator], Path]


@pytest.fixture(scope="module")
def chain(
    require: Callable[[str], str], simulate: Simulate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    """Start Prometheus before an exporter of two ECUs."""
    folder = tmp_path_factory.mktemp("fleet")
    ecus = [simulate(), simulate(), simulate()]
    file = folder / "config.json"
    site: dict[str, object] = {"labels": {"site": "hill", "kwp": 6.2}}
    write(file, ("north", ecus[0], site), ("south", ecus[1], {}))
    exporter = FleetExporter(file, folder)
    try:
        address = exporter.url.removeprefix("http://")
        prometheus = Prometheus(require("prometheus"), folder, address, CONFIG)
        try:
            yield exporter, prometheus, ecus, file
        finally:
            code = prometheus.end()
        assert code == 0
    finally:
        code = exporter.end()
    assert code == 0
    assert "Traceback" not in "\n".join(exporter.log())


def has(prometheus: Prometheus, promql: str, value: float) -> Callable[[], bool]:
    """Say whether an expression has this one value."""
    return lambda: prometheus.number(promql) == value


def test_every_ecu_is_found_and_scraped(chain: Chain) -> None:
    """A single line of configuration discovers all ECUs, with name and labels."""
    _, prometheus, _, _ = chain
    wait_until(has(prometheus, "count(aps_up == 1)", 2))

    assert prometheus.number('aps_up{job="aps",instance="north",site="hill",kwp="6.2"}') == 1
    assert prometheus.number('aps_up{job="aps",instance="south",site="",kwp=""}') == 1
    assert prometheus.number('count(aps_panel_online{instance="south"})') == 12
    assert prometheus.query('{__name__=~"exported_.+"}') == {}
    assert prometheus.query('{__name__=~"process_.+|aps_exporter_.+"}') == {}


def test_one_ecu_that_hangs_is_alone(chain: Chain) -> None:
    """One ECU's failure shows in its own series, and in nobody else's."""
    _, prometheus, ecus, _ = chain
    with fault(ecus[1], "hang"):
        wait_until(has(prometheus, 'aps_up{instance="south"}', 0))

        assert prometheus.number('aps_up{instance="north"}') == 1
        assert prometheus.number('up{instance="south"}') == 1
    wait_until(has(prometheus, 'aps_up{instance="south"}', 1))


def test_discovery_follows_a_reload(chain: Chain) -> None:
    """SIGHUP brings who is new and drops who is gone; a bad file changes nothing and is told."""
    exporter, prometheus, ecus, file = chain
    good = file.read_text()
    file.write_text(good.replace('"max_age"', '"max_aeg"'))
    exporter.hang_up()
    exporter.wait_for(r"ERROR .*ecus\.0\.max_aeg: unknown key; did you mean max_age\?")
    own = ask(f"{exporter.url}/metrics")

    assert own.sample("aps_exporter_config_last_reload_successful") == 0
    assert own.sample("aps_exporter_ecus") == 2
    write(file, ("north", ecus[0], {}), ("west", ecus[2], {}))
    exporter.hang_up()
    exporter.wait_for("configuration reloaded; of its ECUs 1 go on, 1 begin, 1 have ended")
    wait_until(has(prometheus, 'aps_up{instance="west"}', 1))
    wait_until(has(prometheus, "count(aps_up)", 2))

    assert prometheus.number('aps_up{instance="north",site=""}') == 1
    assert ask(f"{exporter.url}/metrics").sample("aps_exporter_config_last_reload_successful") == 1
