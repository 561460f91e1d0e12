"""Socket files and the sockets of systemd."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aps_exporter.errors import ConfigError
from aps_exporter.web.entrance import Entrance
from aps_exporter.web.listen import listen, url_of
from aps_exporter.web.server import ServerThread
from tests.web.secured import HASH, TIMEOUT_S, TLS, Authority, fetch, hello

CHILD = Path(__file__).with_name("systemd_child.py")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name a socket file; its path is short, for the kernel takes 107 bytes."""
    monkeypatch.chdir(tmp_path)
    return "aps.sock"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def connect(self) -> None:
        """Connect to the file that is given as host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self.host)


def fetch_file(path: str) -> int:
    """Ask for a page over a socket file; give the status."""
    with contextlib.closing(UnixConnection(path)) as connection:
        connection.request("GET", "/x", headers={"Host": "localhost"})
        return connection.getresponse().status


def test_socket_file(path: str) -> None:
    """A socket file is for its owner and group, serves, and goes with the server."""
    with ServerThread(hello, [f"unix:{path}", "127.0.0.1:0"]) as server:
        mode = stat.S_IMODE(Path(path).stat().st_mode)
        statuses = [fetch_file(path), fetch(int(server.urls[1].rpartition(":")[2])).status]
        url = server.url

    assert (mode, statuses) == (0o660, [200, 200])
    assert url == f"http+unix:{path}"
    assert not Path(path).exists()


def test_mode_does_not_depend_on_the_umask(path: str) -> None:
    """The group gets in whatever the umask says, and others don't."""
    before = os.umask(0o077)
    try:
        with listen([f"unix:{path}"])[0]:
            assert stat.S_IMODE(Path(path).stat().st_mode) == 0o660
    finally:
        os.umask(before)


def test_web_configuration_holds_for_socket_files(path: str) -> None:
    """A password is wanted there, too."""
    Path("web.yml").write_text(f"basic_auth_users: {{alice: '{HASH}'}}")
    entrance = Entrance(addresses=[f"unix:{path}"], config_file=Path("web.yml"))
    with ServerThread(hello, entrance):
        assert fetch_file(path) == 401


def test_stale_socket_file_is_replaced(path: str) -> None:
    """A file that a program left behind when it was killed is no hindrance."""
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(path)
    with listen([f"unix:{path}"])[0] as listener:
        assert url_of(listener) == f"http+unix:{path}"


def test_living_socket_file_is_an_error(path: str) -> None:
    """Who listens on a file already goes on undisturbed."""
    with ServerThread(hello, [f"unix:{path}"]):
        with pytest.raises(ConfigError) as caught:
            listen(["127.0.0.1:0", f"unix:{path}"])

        assert fetch_file(path) == 200
    assert str(caught.value) == f"can't listen on unix:{path}: another program listens there"


def test_busy_socket_file_is_an_error(path: str) -> None:
    """Who is too busy to accept connections lives, too."""
    with socket.socket(socket.AF_UNIX) as busy, contextlib.ExitStack() as clients:
        busy.bind(path)
        busy.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                client = clients.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)  # noqa: FBT003 the standard library's way
                client.connect(path)
        with pytest.raises(ConfigError, match="another program listens there"):
            listen([f"unix:{path}"])


def test_file_that_is_no_socket_stays(path: str) -> None:
    """What isn't a socket is never removed."""
    Path(path).write_text("precious")
    with pytest.raises(ConfigError, match="a file that is no socket is in the way"):
        listen([f"unix:{path}"])

    assert Path(path).read_text() == "precious"


def test_file_of_a_successor_stays(path: str) -> None:
    """The file isn't removed when it is another's by now."""
    with listen([f"unix:{path}"])[0]:
        Path(path).rename("moved")
        Path(path).write_text("another's")

    assert Path(path).exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "without a path"),
        ("none/aps.sock", "No such file or directory"),
        ("x" * 200, "too long"),
        ("a\0b", "null"),
        (".", "no socket is in the way"),
    ],
)
def test_path_that_cannot_be_listened_on(path: str, name: str, reason: str) -> None:
    """The error names the path and the reason."""
    with pytest.raises(ConfigError, match=reason):
        listen([f"unix:{name}"])

    assert not Path(path).exists()


class Child:
    """`systemd_child.py`, running with sockets passed as systemd does."""

    def __init__(self, *arguments: str, sockets: list[socket.socket], **environ: str) -> None:
        """Start it; its sockets stand at 3 and above."""
        moves = "; ".join(
            f"os.dup2({listener.fileno()}, {number + 100})"
            for number, listener in enumerate(sockets)
        )
        places = "; ".join(
            f"os.dup2({number + 100}, {number + 3})" for number in range(len(sockets))
        )
        start = f"""
import os, sys
{moves}
{places}
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str({len(sockets)}))
os.environ.update({environ!r})
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, str(CHILD), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[listener.fileno() for listener in sockets],
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()

    def end(self) -> int:
        """Have it end; give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode


@contextlib.contextmanager
def child(*arguments: str, sockets: list[socket.socket], **environ: str) -> Iterator[Child]:
    """Run that program for a while."""
    running = Child(*arguments, sockets=sockets, **environ)
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.communicate(timeout=TIMEOUT_S)


def test_sockets_of_systemd(path: str) -> None:
    """All sockets that are passed are served; systemd keeps them and its socket file."""
    with contextlib.ExitStack() as listeners:
        tcp = listeners.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = listeners.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(path)
        unix.listen()
        port = tcp.getsockname()[1]
        with child(sockets=[tcp, unix]) as server:
            statuses = [fetch(port).status, fetch_file(path)]
            code = server.end()

        assert server.said == f"http://127.0.0.1:{port} http+unix:{path}"
        assert statuses == [200, 200]
        assert code == 0
        assert Path(path).exists()
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S):
            pass


def test_web_configuration_holds_for_sockets_of_systemd(tmp_path: Path) -> None:
    """TLS and passwords apply to them as to others."""
    authority = Authority(tmp_path)
    file = tmp_path / "web.yml"
    file.write_text(f"tls_server_config: {{{TLS}}}\nbasic_auth_users: {{alice: '{HASH}'}}\n")
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        port = tcp.getsockname()[1]
        with child(str(file), sockets=[tcp]) as server:
            assert server.said == f"https://127.0.0.1:{port}"
            assert fetch(port, tls=authority.client()).status == 401


@pytest.mark.parametrize(
    "environ", [{"LISTEN_FDS": "0"}, {"LISTEN_FDS": ""}, {"LISTEN_FDS": "x"}, {"LISTEN_PID": "1"}]
)
def test_no_sockets_of_systemd_are_an_error(environ: dict[str, str]) -> None:
    """Whoever was passed none, or another program's, is told so instead of serving nobody."""
    with child(sockets=[], **environ) as server:
        assert server.said == (
            "--web.systemd-socket: systemd has passed no socket; is there a .socket unit for us?"
        )


def test_what_is_no_listening_socket_is_an_error() -> None:
    """A datagram socket, as of a unit that is wrong, is refused by its number."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        with child(sockets=[datagrams]) as server:
            assert server.said == "--web.systemd-socket: what was passed as 3 takes no connections"
