"""Stations by name and by address: what they share, and what a new configuration changes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from aps_exporter.assembly import open_post
from aps_exporter.config_entries import EcuSettings
from aps_exporter.config_fleet import load_configuration
from aps_exporter.deadline import Deadline
from aps_exporter.errors import ConfigError, EcuError, EcuUnreachableError, TargetError
from aps_exporter.fleet import MOST_STRANGERS, Fleet
from aps_exporter.posts import Post, Terms
from aps_exporter.reload import Reloader
from aps_exporter.roster.memory import Memory
from aps_exporter.station import Station
from aps_exporter.summary import Roster

NORTH = {"name": "north", "host": "10.0.0.1"}
SOUTH = {"name": "south", "host": "10.0.0.2"}


class Opened:
    """Opens posts whose ECUs all refuse, and remembers them."""

    def __init__(self) -> None:
        """Begin with none."""
        self.posts: list[Post] = []
        self.closed: list[str] = []
        self.fails: set[str] = set()

    def __call__(self, settings: EcuSettings, terms: Terms) -> Post:
        """Open one."""
        if settings.name in self.fails:
            raise ConfigError(f"{settings.name}: can't be opened")

        def refuse(_deadline: Deadline) -> Any:  # noqa: ANN401  # it never returns
            raise EcuUnreachableError(f"{settings.name} refuses")

        shared = len(self.posts) + 1
        post = Post(
            settings=settings,
            station=Station(
                settings=settings,
                name=settings.name,
                labels=settings.labels,
                poll=refuse,
                hold=Roster().summarize,
            ),
            terms=terms,
            memory=terms.memory or Memory(),
            shared=lambda: shared,
            close=lambda: self.closed.append(settings.name),
        )
        self.posts.append(post)
        return post


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Make a function that writes the configuration file."""

    def write(*ecus: object, **keys: object) -> Path:
        file = tmp_path / "config.json"
        file.write_text(json.dumps({"ecus": ecus, **keys}))
        return file

    return write


@contextmanager
def fleet_of(file: Path, opened: Opened, **how: bool) -> Iterator[Fleet]:
    """Serve a file."""
    with closing(Fleet(load_configuration(file, {}), opened, **how)) as fleet:
        yield fleet


def station(fleet: Fleet, target: str, module: str = "") -> Station:
    """Visit an ECU for a moment."""
    with fleet.visit(fleet.resolve(target, module)) as visited:
        return visited


@pytest.mark.parametrize("target", ["north", "10.0.0.1", "10.0.0.1:80", "10.0.0.1:8899"])
def test_a_name_and_its_address_are_one_ecu(write: Write, target: str) -> None:
    """Whoever asks by address gets the ECU that is listed there."""
    with fleet_of(write(NORTH, SOUTH), opened := Opened()) as fleet:
        visited = station(fleet, target)

    assert visited is fleet.station("north")
    assert len(opened.posts) == 2


def test_a_stranger_is_opened_once(write: Write) -> None:
    """An address that isn't listed has one station, however it is written; it isn't listed."""
    with fleet_of(write(NORTH), opened := Opened()) as fleet:
        visited = [
            station(fleet, target) for target in ("fd00::9", "[fd00:0::9]:80", "[fd00::9]:8899")
        ]

        assert visited[0] is visited[1] is visited[2]
        assert list(fleet.stations) == ["north"]
    assert opened.posts[-1].terms.policy is not None
    assert not opened.posts[-1].terms.listed


def test_who_is_not_allowed_is_not_opened(write: Write) -> None:
    """Public addresses, other ports and rubbish are refused, with 403 or 400."""
    with fleet_of(write(NORTH), opened := Opened()) as fleet:
        refused = {}
        for target in ("8.8.8.8", "10.0.0.9:81", "127.0.0.1", "169.254.169.254", "a b", ""):
            with pytest.raises(TargetError) as caught:
                fleet.resolve(target)
            refused[target] = caught.value.http_status

    assert [*refused.values()] == [403, 403, 403, 403, 400, 400]
    assert len(opened.posts) == 1


def test_loopback_is_allowed_to_those_who_are_on_it(write: Write) -> None:
    """An exporter that only this machine can reach may probe this machine."""
    with fleet_of(write(NORTH), Opened(), loopback=True) as fleet:
        assert station(fleet, "127.0.0.1").settings.host == "127.0.0.1"


def test_a_module_is_a_station_of_its_own(write: Write) -> None:
    """With a module an ECU has other settings, the same roster, and the same turn to speak."""
    file = write(NORTH, modules={"slow": {"timeout": 20}})
    with fleet_of(file, opened := Opened()) as fleet:
        slow = station(fleet, "north", "slow")
        named, other = opened.posts

        assert station(fleet, "10.0.0.1", "slow") is slow
    assert (slow.settings.timeout, slow.name) == (20, "north")
    assert named.terms.talking is other.terms.talking
    assert named.memory is other.memory
    assert not other.terms.listed


def test_strangers_are_forgotten_but_not_while_they_are_visited(write: Write) -> None:
    """A bounded number of strangers is remembered: those used last, and all in use."""
    targets = [f"10.1.{i >> 8}.{i & 255}" for i in range(MOST_STRANGERS + 2)]
    with fleet_of(write(), Opened()) as fleet:
        asked = fleet.resolve(targets[0])
        with fleet.visit(asked) as busy:
            second = station(fleet, targets[1])
            for target in targets[2:]:
                station(fleet, target)

            assert station(fleet, targets[0]) is busy
            assert station(fleet, targets[1]) is not second


def test_failures_are_remembered_of_all_targets(write: Write) -> None:
    """The last failure of each target can be read, the newest first, strangers included."""
    with fleet_of(write(NORTH, SOUTH), Opened()) as fleet:
        for target in ("south", "10.0.0.9", "north"):
            with pytest.raises(EcuError):
                station(fleet, target).read(Deadline.after(1))

        assert [name for name, _ in fleet.failures()] == ["north", "10.0.0.9", "south"]
        assert str(fleet.failures(1)[0][1].result) == "north refuses"


def test_only_what_changed_is_opened_anew(write: Write) -> None:
    """Who stayed as he was goes on; labels alone are no reason to begin anew."""
    west = {"name": "west", "host": "10.0.0.3"}
    with fleet_of(write(NORTH, SOUTH, west), opened := Opened()) as fleet:
        before, version = dict(fleet.stations), fleet.version
        east = {"name": "east", "host": "10.0.0.4"}
        file = write(east, SOUTH | {"timeout": 9}, NORTH | {"labels": {"site": "hill"}})
        changes = fleet.apply(load_configuration(file, {}))
        after = dict(fleet.stations)

        assert list(after) == ["east", "south", "north"]
        assert after["north"] is before["north"]
        assert after["north"].labels == {"site": "hill"}
        assert after["south"] is not before["south"]
        assert (changes.kept, changes.opened, changes.closed) == (1, 2, 2)
        assert sorted(opened.closed) == ["south", "west"]
        assert fleet.version > version


def test_the_turn_to_speak_outlives_a_change(write: Write) -> None:
    """The poll of an ECU that was just replaced ends before its successor's begins."""
    with fleet_of(write(NORTH), opened := Opened()) as fleet:
        fleet.apply(load_configuration(write(NORTH | {"timeout": 9}), {}))

    assert opened.posts[0].terms.talking is opened.posts[1].terms.talking


def test_who_comes_after_a_reload_leaves_nothing_of_before(write: Write) -> None:
    """A visit that was asked for before a reload has the old settings, and nobody after it has."""
    file = write(NORTH, timeout=2)
    with fleet_of(file, Opened()) as fleet:
        asked = fleet.resolve("10.0.0.9")
        fleet.apply(load_configuration(write(NORTH, timeout=3), {}))
        with fleet.visit(asked) as before:
            pass
        after = station(fleet, "10.0.0.9")

    assert (before.settings.timeout, after.settings.timeout) == (2, 3)


def test_what_cannot_be_opened_changes_nothing(write: Write) -> None:
    """An ECU that can't be opened leaves the others as they were, and what was opened closed."""
    with fleet_of(write(NORTH), opened := Opened()) as fleet:
        before = dict(fleet.stations)
        opened.fails = {"south"}
        configuration = load_configuration(write({"name": "new", "host": "10.0.0.7"}, SOUTH), {})
        with pytest.raises(ConfigError):
            fleet.apply(configuration)

        assert fleet.stations == before
        assert opened.closed == ["new"]


def test_shared_reads_are_counted_on(write: Write) -> None:
    """The counter of shared reads never falls, though those that counted go."""
    with fleet_of(write(NORTH, SOUTH), Opened()) as fleet:
        station(fleet, "10.0.0.9")
        before = fleet.shared
        fleet.apply(load_configuration(write(NORTH), {}))

        assert before == 1 + 2 + 3
        assert fleet.shared == before


def test_all_are_closed_at_the_end(write: Write) -> None:
    """Nobody is left when the fleet closes."""
    with fleet_of(write(NORTH, SOUTH), opened := Opened()) as fleet:
        station(fleet, "10.0.0.9")

    assert sorted(opened.closed) == ["10.0.0.9", "north", "south"]


def test_a_bad_file_changes_nothing_and_is_told(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """Each problem is a line in the log; the next good file is taken up."""
    now = iter((100.0, 200.0))
    with fleet_of(write(NORTH), Opened()) as fleet:
        before = dict(fleet.stations)
        reloader = Reloader(
            load=lambda: load_configuration(file, {}), fleet=fleet, now=lambda: next(now)
        )
        file = write(NORTH | {"timeout": "x", "x": 1})
        with pytest.raises(ConfigError):
            reloader.reload()

        assert fleet.stations == before
        assert (reloader.successful, reloader.succeeded_at) == (False, 100.0)
        assert [record.message.partition("config.json: ")[2] for record in caplog.records] == [
            'ecus.0.timeout: must be a number (got "x")',
            "ecus.0.x: unknown key",
        ]
        file = write(NORTH, SOUTH)
        reloader.reload()

        assert list(fleet.stations) == ["north", "south"]
        assert (reloader.successful, reloader.succeeded_at) == (True, 200.0)


def test_one_address_is_asked_one_thing_at_a_time(tmp_path: Path) -> None:
    """Two stations of one address, by name and by module, never have two connections open."""
    open_now, most = [0], [0]
    count = threading.Lock()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"

        def answer(connection: socket.socket) -> None:
            with connection:
                connection.recv(65536)
                with count:
                    open_now[0] += 1
                    most[0] = max(most[0], open_now[0])
                threading.Event().wait(0.02)
                with count:
                    open_now[0] -= 1
                connection.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")

        def serve() -> None:
            for _ in range(8):
                threading.Thread(target=answer, args=listener.accept()[:1]).start()

        server = threading.Thread(target=serve)
        server.start()
        file = tmp_path / "config.json"
        ecu = {"name": "north", "host": host, "interface": "web", "max_age": 0}
        file.write_text(json.dumps({"ecus": [ecu], "modules": {"m": {"timeout": 9}}}))
        with closing(Fleet(load_configuration(file, {"state_dir": tmp_path}), open_post)) as fleet:
            stations = [station(fleet, "north"), station(fleet, "north", "m")]
            for _ in range(2):
                readers = [threading.Thread(target=_read, args=[each]) for each in stations]
                for reader in readers:
                    reader.start()
                for reader in readers:
                    reader.join()
        server.join(10)

    assert most == [1]


def _read(visited: Station) -> None:
    with pytest.raises(EcuError):
        visited.read(Deadline.after(5))
