"""A real Prometheus scrapes the real program, which reads a simulated ECU."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from aps_exporter.simulator.server import Simulator
from tests.e2e.conftest import Exporter, Program, Serve, Simulate, ask, fault, wait_until

Result = dict[tuple[str, ...], float]
"""Values of an instant query, by inverter and channel where the series have them."""

CONFIG = """
global: {{scrape_interval: 2s, scrape_timeout: 2s}}
scrape_configs:
  - job_name: aps
    static_configs: [{{targets: ["{address}"], labels: {{site: home}}}}]
"""


class Prometheus(Program):
    """Prometheus on a port of its own, with data that nobody keeps."""

    def __init__(self, program: str, folder: Path, target: str, text: str = CONFIG) -> None:
        """Start it, and wait until it can be asked."""
        config = folder / "prometheus.yml"
        config.write_text(text.format(address=target))
        super().__init__(
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:0",
        )
        try:
            address = self.wait_for(r"component=web .*address=(127\.0\.0\.1:[1-9]\d*)")[1]
            self.wait_for("Server is ready to receive web requests")
        except BaseException:
            # Whatever it was, the process must not outlive it.
            self.end()
            raise
        self.url = f"http://{address}"

    def query(self, promql: str, at: float | None = None) -> Result:
        """Ask for what an expression is, now or at a time."""
        moment = {} if at is None else {"time": f"{at:.3f}"}
        data = self._get("query", query=promql, **moment)
        return {
            tuple(
                each["metric"][label]
                for label in ("inverter", "channel")
                if label in each["metric"]
            ): float(each["value"][1])
            for each in data["result"]
        }

    def number(self, promql: str, at: float | None = None) -> float | None:
        """Ask for the one value of an expression; ``None``: it has none."""
        values = list(self.query(promql, at).values())
        assert len(values) < 2, promql
        return values[0] if values else None

    def metadata(self, metric: str) -> list[dict[str, str]]:
        """Ask for what the scrapes said that a metric is; nothing if they never named it."""
        found: list[dict[str, str]] = self._get("metadata", metric=metric).get(metric, [])
        return found

    def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        answer = ask(f"{self.url}/api/v1/{what}?{urlencode(parameters)}")
        assert answer.status == 200, answer.text
        data: dict[str, Any] = json.loads(answer.text)["data"]
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The three, one before the other."""

    ecu: Simulator
    exporter: Exporter
    prometheus: Prometheus

    def wait_until(self, promql: str) -> float:
        """Wait until an expression has a value; give a time at which it had."""
        moments: list[float] = []

        def holds() -> bool:
            # Of an expression, `timestamp` gives the time at which it was evaluated.
            moments.extend(self.prometheus.query(f"timestamp({promql})").values())
            return bool(moments)

        wait_until(holds)
        return moments[0]


@pytest.fixture(scope="module")
def chain(
    require: Callable[[str], str],
    simulate: Simulate,
    serve: Serve,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Chain]:
    """Start one of each; who breaks the ECU mends it again."""
    ecu = simulate()
    exporter = serve(ecu, "--timeout", "1")
    folder = tmp_path_factory.mktemp("prometheus")
    prometheus = Prometheus(require("prometheus"), folder, exporter.address)
    try:
        yield Chain(ecu=ecu, exporter=exporter, prometheus=prometheus)
    finally:
        code = prometheus.end()
    assert code == 0


def panel_powers(ecu: Simulator) -> Result:
    """Give what the ECU's table page says, as Prometheus should have it."""
    return {
        (inverter.serial, channel.name): channel.power_w
        for inverter in ecu.shown().inverters
        for channel in inverter.channels
        if channel.power_w is not None
    }


def test_each_panel_is_a_series(chain: Chain) -> None:
    """Prometheus has the power of every panel as the ECU shows it, and nobody is missing."""
    at = chain.wait_until("aps_up == 1")

    ask_for = chain.prometheus.query
    assert ask_for("aps_panel_power_watts", at) == panel_powers(chain.ecu)
    assert chain.prometheus.number("aps_power_watts", at) == sum(panel_powers(chain.ecu).values())
    assert chain.prometheus.number("aps_panels_expected", at) == 12
    assert chain.prometheus.number("aps_panels_missing", at) == 0
    assert chain.prometheus.number('aps_ecu_status{status="ok"}', at) == 1
    assert chain.prometheus.number('up{site="home"}', at) == 1


def test_series_carry_only_the_labels_of_the_contract(chain: Chain) -> None:
    """No label of ours names the ECU or clashes with one of Prometheus's own."""
    at = chain.wait_until("aps_up == 1")

    assert chain.prometheus.query('{__name__=~"exported_.+"}', at) == {}
    assert chain.prometheus.number('count({exported_job!=""} or {exported_instance!=""})') is None
    assert chain.prometheus.number("count(aps_panel_online) by (job, instance, site)", at) == 12


def test_openmetrics_is_what_prometheus_asks_for(chain: Chain) -> None:
    """Prometheus takes OpenMetrics, where a counter's family has no `_total`."""
    wait_until(lambda: bool(chain.prometheus.metadata("aps_energy_lifetime_joules")))
    (described,) = chain.prometheus.metadata("aps_energy_lifetime_joules")
    assert described["type"] == "counter"
    assert chain.prometheus.metadata("aps_energy_lifetime_joules_total") == []


def test_silent_inverter_is_missing_at_the_next_scrape(chain: Chain) -> None:
    """Four panels of a silent inverter are missing by name, and have no power until they return."""
    silent = "801000090002"
    chain.wait_until("aps_panels_missing == 0")
    with fault(chain.ecu, f"inverter-silent={silent}"):
        at = chain.wait_until("aps_panels_missing == 4")
        offline = {(silent, channel): 0.0 for channel in "1234"}

        assert chain.prometheus.query("aps_panel_online == 0", at) == offline
        assert chain.prometheus.query("aps_panel_power_watts", at) == panel_powers(chain.ecu)
        assert chain.prometheus.query("aps_inverter_online == 0", at) == {(silent,): 0.0}
        assert chain.prometheus.number("aps_inverters_missing", at) == 1
        assert chain.prometheus.number("aps_up", at) == 1
    at = chain.wait_until("aps_panels_missing == 0")

    assert len(chain.prometheus.query("aps_panel_power_watts", at)) == 12


def test_hanging_ecu_leaves_no_old_values(chain: Chain) -> None:
    """`aps_up` is 0, the panels' series are stale in that very scrape, `up` has always been 1."""
    chain.wait_until("aps_up == 1")
    with fault(chain.ecu, "hang"):
        at = chain.wait_until("aps_up == 0")

        assert chain.prometheus.query("aps_panel_power_watts", at) == {}
        assert chain.prometheus.query("aps_panel_online", at) == {}
        assert chain.prometheus.number("aps_power_watts", at) is None
        assert chain.prometheus.number("aps_panels_missing", at) is None
        assert chain.prometheus.number('aps_ecu_status{status="timeout"}', at) == 1
        assert chain.prometheus.number("min_over_time(up[2m])", at) == 1
    at = chain.wait_until("aps_up == 1")

    assert len(chain.prometheus.query("aps_panel_power_watts", at)) == 12


def test_scrapes_keep_within_their_time(chain: Chain) -> None:
    """No scrape took longer than Prometheus waits, whatever the ECU did."""
    at = chain.wait_until("aps_up == 1")
    longest = chain.prometheus.number("max_over_time(scrape_duration_seconds[5m])", at)

    assert longest is not None
    assert longest < 2
