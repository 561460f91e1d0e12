"""`aps-exporter roster`, alone and beside a running exporter."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aps_exporter.cli import main
from aps_exporter.model import Channel, Inverter
from aps_exporter.roster.memory import Memory
from aps_exporter.roster.table import roster_file
from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings
from tests.roster.roof import DAY, EAST, NOON, WEST, inverter, reading

HOST = "192.168.1.102"
PATIENCE_S = 20.0
DEAD = "801000090005"

LONG_AGO = datetime.now(UTC) - timedelta(days=100)
WEEK_LATER = LONG_AGO + timedelta(days=7)
LATELY = LONG_AGO + timedelta(days=99, hours=22)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a command answered."""

    code: object
    out: str
    err: str


Run = Callable[..., Told]


@pytest.fixture
def roster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Make what runs `aps-exporter roster` on a state folder of its own."""

    def run(*arguments: str, host: str = HOST) -> Told:
        options = () if "--config" in arguments else ("--host", host)
        with pytest.raises(SystemExit) as ended:
            main(["roster", *arguments, *options, "--state-dir", str(tmp_path)])
        captured = capsys.readouterr()
        return Told(code=ended.value.code, out=captured.out, err=captured.err)

    return run


@pytest.fixture
def roof(tmp_path: Path) -> Path:
    """Let an exporter remember a roof with somebody in each state."""
    memory = Memory(ecu=HOST, file=roster_file(tmp_path))
    for day in range(8):
        memory.observe(reading(inverter(EAST, 90, 0), inverter(WEST, 80), at=LONG_AGO + day * DAY))
    late = inverter("801000090003", 70), inverter("801000090004")
    memory.observe(reading(inverter(EAST, 90, 0), *late, at=LATELY))
    memory.close()
    return tmp_path


def test_the_list_shows_all_states(roster: Run, roof: Path) -> None:
    """Inverters and their panels are listed with names, groups, states and times."""
    config = roof / "config.json"
    panels = {f"{EAST}-1": {"name": "Dormer", "group": "east"}, "801000090009-1": {}}
    config.write_text(json.dumps({"host": HOST, "panels": panels}))
    roster("rename", WEST, "Garage")

    listed = roster("list", "--config", str(config))

    first, week, late = (
        f"{at.astimezone():%Y-%m-%d %H:%M}" for at in (LONG_AGO, WEEK_LATER, LATELY)
    )
    lines = listed.out.splitlines()
    assert listed.err == ""
    assert [re.sub(" {2,}", "|", line) for line in lines] == [
        "ID|NAME|GROUP|STATE|FIRST SEEN|LAST SEEN",
        f"{EAST}|expected|{first}|{late}",
        f"{EAST}-1|Dormer|east|expected|{first}|{late}",
        f"{EAST}-2|unused|{first}|{late}",
        f"{WEST}|Garage|missing|{first}|{week}",
        f"{WEST}-1|Garage 1|missing|{first}|{week}",
        f"801000090003|new|{late}|{late}",
        f"801000090003-1|new|{late}|{late}",
        f"801000090004|never contacted|{late}|never",
        "801000090009-1|never contacted|never|never",
    ]
    assert len({line.index(first) for line in lines[1:6]}) == 1


def test_those_who_fell_asleep_first_are_not_missing(roster: Run, tmp_path: Path) -> None:
    """In the evening the last one that reports does not make the others missing."""
    memory = Memory(ecu=HOST, file=roster_file(tmp_path))
    memory.observe(reading(inverter(EAST, 3), inverter(WEST, 4)))
    memory.observe(reading(inverter(WEST, 1), at=NOON + timedelta(minutes=50)))
    memory.close()

    assert "missing" not in roster("list").out


def test_an_inverter_that_is_its_panel_is_listed_once(roster: Run, tmp_path: Path) -> None:
    """A YC250 and its panel have one id, and one line."""
    yc250 = Inverter(serial=EAST, channels=(Channel(id=EAST, name="", power_w=200.0),))
    memory = Memory(ecu=HOST, file=roster_file(tmp_path))
    memory.observe(reading(yc250))
    memory.close()
    roster("rename", EAST, "Garage")

    assert [line.split()[:3] for line in roster("list").out.splitlines()[1:]] == [
        [EAST, "Garage", "expected"]
    ]


def test_an_empty_roster_says_so(roster: Run, tmp_path: Path) -> None:
    """Listing an ECU that nobody read yet is no error, and leaves no file behind."""
    listed = roster("list")

    assert listed.code == 0
    assert listed.out.startswith(f"Nobody is known at {HOST} yet")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.usefixtures("roof")
def test_the_host_may_be_written_in_capitals(roster: Run, tmp_path: Path) -> None:
    """An ECU's name means the same ECU in any case."""
    memory = Memory(ecu="ecu.local", file=roster_file(tmp_path))
    memory.observe(reading(inverter(EAST, 90)))
    memory.close()

    assert EAST in roster("list", host="ECU.local").out


@pytest.mark.usefixtures("roof")
def test_retire_and_undo(roster: Run) -> None:
    """A retired inverter and its panels are listed as such until that is undone."""
    retired = roster("retire", WEST)
    during = roster("list").out
    undone = roster("retire", WEST, "--undo")
    after = roster("list").out

    assert (retired.out, undone.out) == (
        f"{WEST} is retired.\n",
        f"{WEST} is expected again.\n",
    )
    assert (during.count("retired"), during.count("missing")) == (2, 0)
    assert (after.count("retired"), after.count("missing")) == (0, 2)


@pytest.mark.usefixtures("roof")
def test_a_retired_one_that_reports_is_listed_as_retired(roster: Run) -> None:
    """The list shows what the owner decided, also of an inverter that still reports."""
    roster("retire", EAST)

    assert roster("list").out.count("retired") == 3


def test_retiring_leaves_the_configured_count(roster: Run, roof: Path) -> None:
    """Who retires a panel is told that a number in the configuration stays."""
    config = roof / "config.json"
    config.write_text(json.dumps({"host": HOST, "expected_count": 3}))

    retired = roster("retire", f"{WEST}-1", "--config", str(config))

    assert "expected_count in the configuration stays 3." in retired.out


@pytest.mark.usefixtures("roof")
def test_an_empty_name_undoes_a_renaming(roster: Run) -> None:
    """A panel without a name of its own is called by its id again."""
    named = roster("rename", f"{EAST}-1", " Dormer ")
    during = roster("list").out
    undone = roster("rename", f"{EAST}-1", "")

    assert named.out == f"{EAST}-1 is called Dormer.\n"
    assert "Dormer" in during
    assert undone.out == f"{EAST}-1 is called {EAST}-1.\n"
    assert "Dormer" not in roster("list").out


@pytest.mark.usefixtures("roof")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("retire", "801000090099"), f"did you mean {EAST[:-1]}"),
        (("retire", "x"), "see aps-exporter roster list"),
        (("rename", "x", "Garage"), "no inverter or panel that was ever seen"),
        (("rename", EAST, "Gar\nage"), "a name has up to 80 characters"),
        (("rename", EAST, "G" * 81), "a name has up to 80 characters"),
    ],
)
def test_mistakes_are_one_line(roster: Run, arguments: tuple[str, ...], words: str) -> None:
    """What can't be done is said in one line, with what to do instead."""
    run = roster(*arguments)

    assert run.code == 1
    assert words in run.err
    assert len(run.err.splitlines()) == 1


def test_the_configuration_has_the_last_word_on_names(roster: Run, roof: Path) -> None:
    """A panel that has its name from the configuration can't be renamed elsewhere."""
    config = roof / "config.json"
    config.write_text(json.dumps({"host": HOST, "panels": {f"{EAST}-1": {"name": "Dormer"}}}))

    run = roster("rename", f"{EAST}-1", "Attic", "--config", str(config))

    assert run.code == 1
    assert "its name is in the configuration" in run.err


def test_a_folder_that_can_not_be_read_is_one_line(roster: Run, tmp_path: Path) -> None:
    """Trouble with the file is told with its path."""
    (tmp_path / "state.sqlite3").mkdir()

    run = roster("list")

    assert run.code == 1
    assert run.err.startswith(f"aps-exporter: {tmp_path}/state.sqlite3: ")
    assert len(run.err.splitlines()) == 1


def free_port() -> int:
    """Find a port that nothing listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def simulated(inverters: int, port: int = 0) -> Iterator[Simulator]:
    """Run a simulated ECU at noon of a summer's day, as far as its own clock is concerned."""
    now = datetime.now(UTC)
    quarters = round((now.replace(hour=11, minute=0) - now) / timedelta(minutes=15))
    clock = Clock(now + timedelta(minutes=15 * quarters), 1.0)
    settings = SimulatorSettings(inverters=inverters, port=port, timezone="UTC", longitude=15.0)
    with Simulator(settings, clock) as ecu:
        yield ecu


@contextmanager
def served(host: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], Callable[[], str]]]:
    """Run an exporter; gives its process, and what scrapes it."""
    port = free_port()
    command = [sys.executable, "-m", "aps_exporter", "serve", "--host", host, "--max-age", "0"]
    command += ["--listen", f"127.0.0.1:{port}", "--state-dir", str(folder)]

    def scrape() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            until = time.monotonic() + PATIENCE_S
            assert process.stderr is not None
            while "127.0.0.1" not in process.stderr.readline() and time.monotonic() < until:
                assert process.poll() is None
            yield process, scrape
        finally:
            process.kill()


def sample(text: str, name: str) -> float:
    """Give the value of a sample, by all that stands before it."""
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def test_an_inverter_that_died_before_a_kill_is_missed_until_retired(
    roster: Run, tmp_path: Path
) -> None:
    """After kill -9 a dead inverter is missing by name; retiring it helps at the next scrape."""
    with simulated(5) as ecu, served(ecu.host, tmp_path) as (process, scrape):
        port, host = ecu.port, ecu.host
        before = scrape()
        until = time.monotonic() + PATIENCE_S
        while DEAD not in roster("list", host=host).out and time.monotonic() < until:
            pass  # it is stored in the background
        process.send_signal(signal.SIGKILL)
        process.wait()
    with simulated(4, port), served(host, tmp_path) as (_, scrape):
        missing = scrape()
        run = roster("retire", DEAD, host=host)
        retired = scrape()

    assert sample(before, "aps_inverters_missing") == 0
    assert sample(missing, "aps_inverters_missing") == 1
    assert sample(missing, f'aps_inverter_online{{inverter="{DEAD}"}}') == 0
    assert run.out == f"{DEAD} is retired.\n"
    assert sample(retired, "aps_inverters_missing") == 0
    assert sample(retired, "aps_panels_missing") == 0
    assert DEAD not in retired
