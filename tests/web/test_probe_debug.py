"""`/probe?debug=true`: the whole story of one poll, without secrets, and without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from aps_exporter.assembly import open_post
from aps_exporter.fleet import Fleet
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings
from aps_exporter.web.app import Wiring, create_app
from aps_exporter.web.server import ServerThread
from tests.web.conftest import Client
from tests.web.faults import serving, several

KEY = "0123456789abcdef0123456789abcdef01234567"


class Served(NamedTuple):
    """An ECU and the exporter before it."""

    ecu: Simulator
    client: Client


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a simulated ECU whose settings hold a secret."""
    folder = tmp_path_factory.mktemp("fleet")
    keys = {
        "pvoutput": {"publish": False, "api_key": KEY, "base_url": "http://127.0.0.1:9"},
        "modules": {"hurried": {"timeout": 1.5}},
    }
    with Simulator(SimulatorSettings(inverters=2, speed=0.0)) as ecu:
        hosts = {"north": ecu.host, "nobody": "127.0.0.1:1"}
        with serving(several(hosts, folder, **keys)) as client:
            yield Served(ecu, client)


def parts_of(text: str) -> dict[str, str]:
    """Give the parts of a story by heading."""
    lines = text.splitlines()
    starts = [at for at, line in enumerate(lines) if line and set(line) == {"="}]
    ends = [start - 1 for start in starts[1:]] + [len(lines)]
    return {
        lines[start - 1]: "\n".join(lines[start + 1 : end]).strip()
        for start, end in zip(starts, ends, strict=True)
    }


def test_the_story_has_all_its_parts(served: Served) -> None:
    """Settings, requests, columns, cells, log and metrics follow one another as text."""
    answer = served.client.fetch("/probe?target=north&module=hurried&debug=true")
    parts = parts_of(answer.text)

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert list(parts) == [
        "Probe of north, module hurried",
        "Settings",
        "Requests",
        "Columns",
        "Cells that are not understood",
        "Log",
        "Metrics",
    ]
    assert '"timeout": 1.5' in parts["Settings"]
    assert "'Current Power' -> power" in parts["Columns"]
    assert parts["Cells that are not understood"] == "none"
    assert "\naps_up 1.0\n" in parts["Metrics"]


def test_each_request_has_its_outcome_size_and_time(served: Served) -> None:
    """Every page that was asked for is told, with what came of it, and how long it took."""
    requests = parts_of(served.client.fetch("/probe?target=north&debug=1").text)["Requests"]
    pages = [line for line in requests.splitlines() if line.startswith("GET ")]

    assert pages[0].startswith(f"GET {served.ecu.url}/cgi-bin/parameters: failed: the ECU answers")
    assert pages[1].startswith(f"GET {served.ecu.url}/index.php/realtimedata: status 200, ")
    assert all(line.endswith(" ms)") for line in pages)


def test_secrets_are_masked(served: Served) -> None:
    """A key in the settings is stars in the story."""
    text = served.client.fetch("/probe?target=north&debug=true").text

    assert KEY not in text
    assert '"api_key": "**********"' in text


def test_the_tcp_port_is_not_asked_for_a_story(tmp_path: Path) -> None:
    """A port that hangs when it is asked often is asked once, by whomever; that is told."""
    with Simulator(SimulatorSettings(inverters=2, speed=0.0, interface="tcp")) as ecu:
        keys = {
            "interface": "tcp",
            "tcp_port": ecu.tcp_port,
            "modules": {"hurried": {"timeout": 2}},
        }
        with serving(several({"north": "127.0.0.1"}, tmp_path, **keys)) as client:
            first = client.fetch("/probe?target=north&debug=true").text
            queries = ("", "&module=hurried", "&debug=true", "&module=hurried&debug=true")
            answers = [client.fetch(f"/probe?target=north{query}").text for query in queries]
        visits = ecu.tcp_visits
    told = [line for line in parts_of(first)["Requests"].splitlines() if line.startswith("TCP ")]

    assert all("\naps_up 1.0\n" in answer for answer in answers)
    assert len(visits) == len(told) == 3
    assert told[0].startswith("TCP command 0001: ")
    assert " bytes (" in told[0]


@pytest.mark.parametrize("interface", ["web", "tcp", "auto"])
def test_a_name_that_leads_to_this_machine_is_refused(tmp_path: Path, interface: str) -> None:
    """Over either interface, with a story or without, nobody is asked there."""
    with Simulator(SimulatorSettings(inverters=2, interface="both", family="php-dc")) as ecu:
        ports = [ecu.port, ecu.tcp_port]
        keys = {"interface": interface, "tcp_port": ecu.tcp_port, "allowed_ports": ports}
        with serving(several({"north": "10.0.0.1"}, tmp_path, **keys)) as client:
            query = f"/probe?target=localhost:{ecu.port}"
            answers = [client.fetch(f"{query}{more}") for more in ("", "&debug=true")]

        assert [answer.status for answer in answers] == [403, 403]
        assert all("it leads to an address that is loopback" in a.text for a in answers)
        assert (ecu.visits, ecu.tcp_visits) == ((), ())


def test_odd_cells_are_quoted(served: Served) -> None:
    """What couldn't be read is quoted, with its column and its row."""
    served.ecu.switch_on("odd-cells")
    try:
        parts = parts_of(served.client.fetch("/probe?target=north&debug=true").text)
    finally:
        served.ecu.switch_off("odd-cells")

    assert "power of 80100009000" in parts["Cells that are not understood"]


def test_a_failure_is_told_with_its_log(served: Served) -> None:
    """An ECU that can't be reached has its reason among the requests and in the log."""
    parts = parts_of(served.client.fetch("/probe?target=nobody&debug=true").text)

    assert "failed: the ECU refuses the connection" in parts["Requests"]
    assert parts["Log"].startswith("WARNING ECU 127.0.0.1:1 is gone: the ECU refuses")
    assert parts["Columns"] == "none"
    assert "\naps_up 0.0\n" in parts["Metrics"]


def test_nothing_is_remembered(served: Served, tmp_path: Path) -> None:
    """A story changes nothing of what the exporter knows of the ECU, in memory or on disk."""
    configuration = several({"north": served.ecu.host}, tmp_path)
    with closing(Fleet(configuration, open_post)) as fleet:
        before = sorted(tmp_path.rglob("*"))
        with ServerThread(create_app(Wiring(fleet=fleet)), ["127.0.0.1:0"]) as server:
            answer = Client(port=server.port).fetch("/probe?target=north&debug=true")

        assert "\naps_up 1.0\n" in answer.text
        assert fleet.stations["north"].last is None
        assert fleet.stations["north"].history.latest is None
        assert sorted(tmp_path.rglob("*")) == before
