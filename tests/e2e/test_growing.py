"""Growing past one machine: two agents and two exporters share the ECUs, one store has them all."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from aps_exporter.simulator.fleet import FleetServer
from aps_exporter.simulator.settings import SimulatorSettings
from tests.e2e.conftest import Program, ask, at_hour, wait_until

AGENT_CONFIG = Path(__file__).parents[2] / "deploy" / "growing" / "prometheus-agent.yml"
ECUS = 12
PANELS = 8
Moments = dict[str, list[float]]
"""By instance, the times at which something was so."""


class Replica(Program):
    """One of the exporters: it can be killed, and another one takes its place."""

    def __init__(self, config: Path, state: Path, port: int) -> None:
        """Start it, and wait until it serves."""
        self.address = f"127.0.0.1:{port}"
        where = ("--config", str(config), "--state-dir", str(state), "--listen", self.address)
        super().__init__(sys.executable, "-m", "aps_exporter", "serve", *where)
        self.wait_for("listening on")

    def kill(self) -> None:
        """Have it die at once, whatever it is doing."""
        self._process.kill()
        self._process.wait()


class Store(Program):
    """VictoriaMetrics, with data that nobody keeps."""

    def __init__(self, program: str, folder: Path) -> None:
        """Start it, and wait until it can be asked."""
        self.address = f"127.0.0.1:{free_port()}"
        super().__init__(
            program,
            f"-httpListenAddr={self.address}",
            f"-storageDataPath={folder}",
            "-retentionPeriod=1",
            "-search.latencyOffset=0s",
            "-search.disableCache",
            "-memory.allowedBytes=64MiB",
        )
        self.wait_for("started VictoriaMetrics|starting http server")
        wait_until(lambda: answers(f"http://{self.address}/health"))

    def values(self, metricsql: str) -> dict[str, float]:
        """Ask for what an expression is now, by instance (or by nothing)."""
        found = self._query(metricsql)
        return {each["metric"].get("instance", ""): float(each["value"][1]) for each in found}

    def moments(self, series: str, value: float) -> Moments:
        """Ask when, in the last minute, the samples of some series had this value."""
        return {
            each["metric"]["instance"]: [at for at, text in each["values"] if float(text) == value]
            for each in self._query(f"{series}[1m]")
        }

    def _query(self, metricsql: str) -> list[dict[str, Any]]:
        answer = ask(f"http://{self.address}/api/v1/query?{urlencode({'query': metricsql})}")
        assert answer.status == 200, answer.text
        result: list[dict[str, Any]] = json.loads(answer.text)["data"]["result"]
        return result


class Agent(Program):
    """Prometheus as an agent: it scrapes and forwards, and keeps nothing."""

    def __init__(self, program: str, config: Path, folder: Path) -> None:
        """Start it, and wait until it can be asked."""
        super().__init__(
            program,
            "--enable-feature=agent",
            f"--config.file={config}",
            f"--storage.agent.path={folder}",
            "--web.listen-address=127.0.0.1:0",
        )
        self.address = self.wait_for(r"component=web .*address=(127\.0\.0\.1:[1-9]\d*)")[1]

    def targets(self) -> dict[str, str]:
        """Give instance and URL of the ECUs that it scrapes."""
        answer = ask(f"http://{self.address}/api/v1/targets?state=active")
        targets = json.loads(answer.text)["data"]["activeTargets"]
        return {
            each["labels"]["instance"]: each["scrapeUrl"]
            for each in targets
            if each["labels"]["job"] == "aps"
        }


@dataclass(slots=True, kw_only=True)
class Farm:
    """Everything that runs; both agents write to the store."""

    store: Store
    replicas: list[Replica]
    agents: list[Agent]
    start: Callable[[int], Replica]
    """Starts the replica of a number."""

    def instances(self, job: str = "aps") -> set[str]:
        """Name the targets that were scraped well in the last seconds."""
        return {*self.store.values(f'last_over_time(up{{job="{job}"}}[3s]) == 1')}


@pytest.fixture(scope="module")
def farm(require: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Start twelve ECUs, two exporters that both know all of them, two agents and the store."""
    prometheus, victoria = require("prometheus"), require("victoria-metrics")
    folder = tmp_path_factory.mktemp("growing")
    with ExitStack() as running:
        roofs = SimulatorSettings(inverters=PANELS // 4, speed=0.0, **at_hour(12))  # type: ignore[arg-type]  # by name
        ecus = running.enter_context(FleetServer(roofs, ECUS))
        config = folder / "config.json"
        members = [{"name": ecu.name, "host": ecu.host} for ecu in ecus.members]
        config.write_text(json.dumps({"ecus": members, "max_age": 0}))
        ports = [free_port(), free_port()]

        def start(number: int) -> Replica:
            replica = Replica(config, folder / f"state-{number}", ports[number])
            running.callback(replica.end)
            return replica

        replicas = [start(number) for number in range(2)]
        store = Store(victoria, folder / "store")
        running.callback(store.end)
        agents = []
        for number, replica in enumerate(replicas):
            file = folder / f"prometheus-{number}.yml"
            file.write_text(agent_config(number, replica.address, store.address))
            agents.append(Agent(prometheus, file, folder / f"agent-{number}"))
            running.callback(agents[-1].end)
        yield Farm(store=store, replicas=replicas, agents=agents, start=start)


def agent_config(number: int, exporter: str, store: str) -> str:
    """Make the configuration of one agent out of the example, with other addresses and times."""
    config = AGENT_CONFIG.read_text()
    for theirs, ours in (
        ("scrape_interval: 60s", "scrape_interval: 1s"),
        ("scrape_timeout: 10s", "scrape_timeout: 1s"),
        ("batch_send_deadline: 5s", "batch_send_deadline: 100ms"),
        ("exporter-0.example:10025", exporter),
        ("victoria-metrics.example:8428", store),
        ('regex: "0"', f'regex: "{number}"'),
    ):
        assert theirs in config
        config = config.replace(theirs, ours)
    return config


def free_port() -> int:
    """Find a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Say whether a server is up."""
    try:
        return ask(url).status == 200
    except OSError:
        return False


def test_each_series_arrives_once(farm: Farm) -> None:
    """Every ECU is read by one of the agents alone, and the store has each panel once."""
    wait_until(lambda: len(farm.instances()) == ECUS and len(farm.instances("aps-exporter")) == 2)
    store = farm.store

    assert [*store.values("count by (instance) (aps_up == 1)").values()] == [1] * ECUS
    panels = store.values("count by (instance) (aps_panel_power_watts)")
    assert [*panels.values()] == [PANELS] * ECUS
    some = min(panels)
    answer = ask(f"http://{farm.replicas[0].address}/probe?target={some}").text
    samples = sum(not line.startswith("#") for line in answer.splitlines())
    # An ECU's first scrape may lack the home page.
    wait_until(
        lambda: store.values(f'count({{instance="{some}", __name__=~"aps_.+"}})') == {"": samples}
    )

    assert max(store.values('count_over_time(up{job="aps"}[5s])').values()) <= 6


def test_agents_share_the_ecus(farm: Farm) -> None:
    """Each agent scrapes some of the ECUs by its own exporter, and both together all of them."""
    wait_until(lambda: len(farm.instances()) == ECUS)
    shares = [agent.targets() for agent in farm.agents]

    assert all(shares)
    assert sum(map(len, shares)) == len(shares[0] | shares[1]) == ECUS
    for share, replica in zip(shares, farm.replicas, strict=True):
        assert {url.partition("?")[0] for url in share.values()} == {
            f"http://{replica.address}/probe"
        }


def test_any_exporter_answers_for_any_ecu(farm: Farm) -> None:
    """An exporter reads the other's ECUs as well, without having seen them before."""
    others = min(farm.agents[0].targets())
    answer = ask(f"http://{farm.replicas[1].address}/probe?target={others}")

    assert answer.sample("aps_up") == 1


def test_killed_replica_loses_what_was_in_flight(farm: Farm) -> None:
    """The other half goes on, and the killed one's half is back as soon as it is started again."""
    wait_until(lambda: len(farm.instances()) == ECUS)
    spared = farm.agents[1].targets()
    killed_at = time.time()
    farm.replicas[0].kill()
    wait_until(lambda: len(farm.instances()) < ECUS)
    farm.replicas[0] = farm.start(0)
    back_at = time.time()
    wait_until(lambda: len(farm.instances()) == ECUS)
    failed = farm.store.moments('up{job="aps"}', 0)

    assert any(failed.values())
    assert not any(failed[name] for name in spared)
    # A scrape bears the time at which it began.
    assert all(killed_at - 1 < at <= back_at + 0.1 for moments in failed.values() for at in moments)
