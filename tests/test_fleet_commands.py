"""The commands with a file that lists several ECUs: which one they mean, and what they say."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from aps_exporter.assembly import open_post
from aps_exporter.cli import main
from aps_exporter.commands.serving import is_local, reload_on_hangup
from aps_exporter.config_fleet import load_configuration
from aps_exporter.fleet import Fleet
from aps_exporter.reload import Reloader
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings
from aps_exporter.web.entrance import Entrance

KEY = "0123456789abcdef0123456789abcdef01234567"
ACCOUNT = {"publish": True, "api_key": KEY, "system_id": 12345}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a command answered."""

    code: object
    out: str
    err: str


Run = Callable[..., Told]


@pytest.fixture(scope="module")
def ecu() -> Iterator[Simulator]:
    """Have an ECU that can be read."""
    with Simulator(SimulatorSettings(inverters=1, speed=0.0)) as ecu:
        yield ecu


@pytest.fixture
def file(ecu: Simulator, tmp_path: Path) -> Path:
    """Write a file that lists that ECU, and one that nobody should ask."""
    file = tmp_path / "config.json"
    north = {"name": "north", "host": ecu.host}
    south = {"name": "south", "host": "south.invalid", "pvoutput": ACCOUNT}
    file.write_text(json.dumps({"interface": "web", "state_dir": "state", "ecus": [north, south]}))
    return file


@pytest.fixture
def run(file: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Make what runs a command with that file."""

    def run(*arguments: str) -> Told:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--config", str(file)])
        captured = capsys.readouterr()
        return Told(code=ended.value.code, out=captured.out, err=captured.err)

    return run


def test_check_counts_the_ecus(run: Run) -> None:
    """A good file is told how many it lists."""
    told = run("check")

    assert told.out == ("The configuration is fine; it lists 2 ECUs, of which 1 go to PVOutput.\n")


@pytest.mark.parametrize(
    "command",
    [
        ["read"],
        ["roster", "list"],
        ["roster", "retire", "408000012345"],
        ["outbox", "list"],
    ],
    ids=" ".join,
)
def test_commands_about_one_ecu_want_its_name(run: Run, command: list[str]) -> None:
    """Where there are several, which one is never guessed."""
    told = run(*command)

    assert (told.code, told.out) == (1, "")
    assert told.err == "aps-exporter: the configuration lists 2 ECUs: say --ecu NAME\n"


def test_read_reads_the_one_that_is_named(run: Run, ecu: Simulator, tmp_path: Path) -> None:
    """`--ecu` picks an ECU, and its roster is kept in its own folder."""
    told = run("read", "--ecu", "north", "--json")
    listed = run("roster", "list", "--ecu", "north")
    other = run("roster", "list", "--ecu", "south")

    assert json.loads(told.out)["source"].startswith(ecu.url)
    assert (tmp_path / "state" / "north" / "state.sqlite3").is_file()
    assert "801000090001-1" in listed.out
    assert "Nobody is known at south.invalid yet" in other.out


def test_the_outbox_is_the_named_ecus(run: Run) -> None:
    """The outbox of an ECU that has sent nothing is empty, and that of one without account none."""
    assert run("outbox", "list", "--ecu", "south").out == "0 waiting, 0 dead\n"
    assert "needed to know whose outbox" in run("outbox", "list", "--ecu", "north").err


def test_an_unknown_name_gets_a_hint(run: Run) -> None:
    """A typing error in the name is a line with the name that was meant."""
    told = run("read", "--ecu", "nort")

    assert told.code == 1
    assert told.err == (
        "aps-exporter: --ecu: the configuration lists no ECU of that name; did you mean north?\n"
    )


@pytest.mark.parametrize(
    ("addresses", "local"),
    [
        (["127.0.0.1:0"], True),
        (["[::1]:10025", "localhost:1"], True),
        (["unix:/run/aps.sock"], True),
        (["[::]:10025"], False),
        ([":10025"], False),
        (["127.0.0.1:0", "192.168.1.5:80"], False),
    ],
)
def test_who_is_reached_from_here_only_may_look_here(addresses: list[str], local: bool) -> None:  # noqa: FBT001  # a column of the table
    """Loopback may be probed if all that can ask for it are on this machine themselves."""
    assert is_local(Entrance(addresses=addresses)) is local
    assert not is_local(Entrance(addresses=addresses, systemd=True))


def test_a_hangup_reloads(file: Path) -> None:
    """SIGHUP takes up what the file says now, and what it did before comes back afterwards."""
    before = signal.getsignal(signal.SIGHUP)
    reloaded = threading.Event()
    with closing(Fleet(load_configuration(file, {}), open_post)) as fleet:

        class Told(Reloader):
            """Says when it is done."""

            def reload(self) -> None:
                """Reload."""
                super().reload()
                reloaded.set()

        with reload_on_hangup(Told(load=lambda: load_configuration(file, {}), fleet=fleet)):
            ecus = json.loads(file.read_text())["ecus"][:1]
            file.write_text(json.dumps({"ecus": ecus}))
            os.kill(os.getpid(), signal.SIGHUP)

            assert reloaded.wait(20)
            assert list(fleet.stations) == ["north"]
    assert signal.getsignal(signal.SIGHUP) is before
