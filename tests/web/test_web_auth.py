"""Passwords, headers and the rate limit, as clients meet them."""

from __future__ import annotations

import asyncio
import base64
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt
import pytest
from starlette.types import Message

from aps_exporter.web.door import Door
from aps_exporter.web.live_config import LiveWebConfig
from aps_exporter.web.passwords import MOST_REMEMBERED, MOST_WAITING, BusyError, Passwords
from aps_exporter.web.rate_limit import Bucket
from aps_exporter.web.server import ServerThread
from aps_exporter.web.web_config import RateLimit
from tests.web.secured import HASH, PASSWORD, TIMEOUT_S, Answer, fetch, hello, secured

LONG = "x" * 72
USERS = {
    "alice": HASH,
    "php": HASH.replace("$2b$", "$2y$"),
    "Zoë": bcrypt.hashpw("pässword".encode(), bcrypt.gensalt(4)).decode(),
    "colon": bcrypt.hashpw(b"a:b", bcrypt.gensalt(4)).decode(),
    "blank": bcrypt.hashpw(b"", bcrypt.gensalt(4)).decode(),
    "long": bcrypt.hashpw(LONG.encode(), bcrypt.gensalt(4)).decode(),
    "123": HASH,
}


def users(names: dict[str, str]) -> str:
    """Write the section with the users."""
    lines = "".join(f"  {name}: '{hashed}'\n" for name, hashed in names.items())
    return f"basic_auth_users:\n{lines}"


def basic(name: str, password: str) -> str:
    """Write a name and a password as browsers send them."""
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def ask(server: ServerThread, authorization: str | None, path: str = "/x") -> Answer:
    """Ask for a page."""
    headers = {} if authorization is None else {"Authorization": authorization}
    return fetch(server.port, path, headers=headers)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    """Serve those users."""
    with secured(tmp_path_factory.mktemp("auth") / "web.yml", users(USERS)) as server:
        yield server


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        (basic("alice", PASSWORD), 200),
        (basic("alice", PASSWORD).replace("Basic", "basic"), 200),
        (basic("php", PASSWORD), 200),
        (basic("123", PASSWORD), 200),
        (basic("Zoë", "pässword"), 200),
        (basic("colon", "a:b"), 200),
        (basic("blank", ""), 200),
        (basic("long", LONG), 200),
        (basic("long", LONG + "more than bcrypt looks at"), 200),
        (basic("long", LONG[:-1]), 401),
        (basic("alice", "wrong"), 401),
        (basic("alice", PASSWORD + "\0"), 401),
        (basic("alice", ""), 401),
        (basic("alice", HASH), 401),
        (basic("Alice", PASSWORD), 401),
        (basic("nobody", PASSWORD), 401),
        (basic("nobody", ""), 401),
        (basic("", ""), 401),
        (basic("", PASSWORD), 401),
        ("", 401),
        ("Basic", 401),
        ("Basic ", 401),
        ("Basic !!!", 401),
        ("Basic \xe4", 401),
        (f"Basic {base64.b64encode(b'no colon').decode()}", 401),
        (f"Basic {base64.b64encode(bytes(range(256))).decode()}", 401),
        (basic("alice", PASSWORD).replace("Basic ", "Basic"), 401),
        (basic("alice", PASSWORD).replace("Basic ", "Basic  "), 401),
        (basic("alice", PASSWORD).replace("Basic", "Bearer"), 401),
        (basic("alice", PASSWORD).rstrip("="), 401),
    ],
)
def test_password(guarded: ServerThread, authorization: str | None, status: int) -> None:
    """A user's own password opens, and nothing else; the answer says what is wanted."""
    answer = ask(guarded, authorization)

    assert answer.status == status
    assert answer.headers["www-authenticate"] == ("Basic" if status == 401 else None)
    assert (answer.body == b"/x") == (status == 200)
    # Once more, from what is remembered.
    assert ask(guarded, authorization).status == status


@pytest.mark.parametrize("path", ["/", "/metrics", "/none", "/-/healthy", "/-/ready"])
def test_every_path_wants_a_password(guarded: ServerThread, path: str) -> None:
    """As in the toolkit there is no exception, not even for the health paths."""
    assert ask(guarded, None, path).status == 401


def test_health_paths_may_be_open(tmp_path: Path) -> None:
    """When asked for, the health paths want no password, but nothing that looks like them."""
    paths = ["/-/healthy", "/-/ready", "/-/healthy/", "//-/healthy", "/-/reload", "/metrics", "/"]
    with secured(tmp_path / "web.yml", users(USERS), health_without_auth=True) as server:
        open_paths = [path for path in paths if ask(server, None, path).status == 200]

    assert open_paths == ["/-/healthy", "/-/ready"]


@pytest.mark.parametrize("text", ["", "basic_auth_users:\n", "basic_auth_users: {}\n"])
def test_without_users_nobody_is_asked(tmp_path: Path, text: str) -> None:
    """No users, no passwords."""
    with secured(tmp_path / "web.yml", text) as server:
        assert ask(server, None).status == 200


def test_users_come_and_go_while_running(tmp_path: Path) -> None:
    """A change in the file counts from the next request on, also for who was let in before."""
    file = tmp_path / "web.yml"
    other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
    with secured(file, users({"alice": HASH})) as server:
        statuses = [ask(server, basic("alice", PASSWORD)).status]
        for names in ({"alice": other}, {"bob": HASH}, {"alice": HASH}):
            file.write_text(users(names))
            statuses.append(ask(server, basic("alice", PASSWORD)).status)

    assert statuses == [200, 401, 401, 200]


def test_broken_edit_serves_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the file is broken everybody gets a 500, and the log says why, once."""
    file = tmp_path / "web.yml"
    with secured(file, users({"alice": HASH}), health_without_auth=True) as server:
        file.write_text("basic_auth_users: {alice: x}")
        broken = [ask(server, basic("alice", PASSWORD), path).status for path in ("/", "/-/ready")]
        complaints = [r.message for r in caplog.records if "broken" in r.message]
        file.write_text(users({"alice": HASH}))
        whole = ask(server, basic("alice", PASSWORD)).status

    assert (broken, whole) == ([500, 500], 200)
    assert len(complaints) == 1
    assert complaints[0].endswith(
        f"{file}: basic_auth_users.alice: must be a bcrypt hash, such as htpasswd -nB prints"
    )


HEADERS = """http_server_config:
  headers:
    Content-Security-Policy: frame-ancestors 'none'
    Strict-Transport-Security: max-age=31536000
    X-Content-Type-Options: nosniff
    X-Frame-Options: deny
    X-XSS-Protection: ''
"""


def test_headers(tmp_path: Path) -> None:
    """The headers are on every answer, once, and the application's own go before; blank is none."""
    with secured(tmp_path / "web.yml", HEADERS + users({"alice": HASH})) as server:
        answers = [ask(server, None), ask(server, basic("alice", PASSWORD), "/own-policy")]

    assert [answer.status for answer in answers] == [401, 200]
    for answer in answers:
        assert answer.headers.get_all("strict-transport-security") == ["max-age=31536000"]
        assert answer.headers.get_all("x-content-type-options") == ["nosniff"]
        assert answer.headers.get_all("x-frame-options") == ["deny"]
        assert "x-xss-protection" not in answer.headers
    assert [answer.headers.get_all("content-security-policy") for answer in answers] == [
        ["frame-ancestors 'none'"],
        ["default-src 'none'"],
    ]


def test_rate_limit(tmp_path: Path) -> None:
    """What is above the rate is told so, whoever asks; another limit counts at once."""
    file = tmp_path / "web.yml"
    with secured(file, "rate_limit: {interval: 1h, burst: 3}") as server:
        statuses = [ask(server, None).status for _ in range(5)]
        file.write_text("rate_limit: {interval: 1h, burst: 1}")
        statuses += [ask(server, None).status for _ in range(2)]
        file.write_text("rate_limit: {interval: 0}")
        statuses += [ask(server, None).status for _ in range(3)]

    assert statuses == [200, 200, 200, 429, 429, 200, 429, 200, 200, 200]


def test_bucket_fills_again() -> None:
    """A request comes back per interval, and never more than the burst."""
    now = [0.0]
    bucket = Bucket(RateLimit.model_validate({"interval": "2s", "burst": 2}), lambda: now[0])
    taken = []
    for now[0] in (0, 0, 0, 1, 2, 3, 4, 1000, 1000, 1000):
        taken.append(bucket.take())

    assert taken == [True, True, False, False, True, False, True, True, True, False]


@dataclass(slots=True)
class Slow:
    """A bcrypt that waits for us, and counts who runs at once."""

    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    running: int = 0
    most: int = 0
    calls: list[bytes] = field(default_factory=list)

    def __call__(self, password: bytes, expected: bytes) -> bool:
        """Check a password."""
        self.calls.append(expected)
        self.begun.set()
        self.running += 1
        self.most = max(self.most, self.running)
        assert self.go.wait(TIMEOUT_S)
        self.running -= 1
        return bcrypt.checkpw(password, expected)


STORED = {"alice": HASH.encode()}


def test_one_at_a_time_beside_the_loop() -> None:
    """Bcrypt runs once at a time, in a thread; the loop goes on; the same is computed once."""
    slow = Slow()

    async def check() -> list[bool]:
        passwords = Passwords(slow)
        given = [PASSWORD.encode(), b"wrong", PASSWORD.encode(), b"worse"]
        tasks = [
            asyncio.ensure_future(passwords.match(STORED, "alice", password)) for password in given
        ]
        assert await asyncio.to_thread(slow.begun.wait, TIMEOUT_S)
        slow.go.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(check()) == [True, False, True, False]
    assert (slow.most, len(slow.calls)) == (1, 3)


def test_too_many_at_once_are_turned_away() -> None:
    """A flood of passwords doesn't queue for ever, and whoever is known gets in meanwhile."""
    slow = Slow()

    async def flood() -> tuple[int, bool]:
        passwords = Passwords(slow)
        slow.go.set()
        await passwords.match(STORED, "alice", PASSWORD.encode())
        slow.go.clear()
        tasks = [
            asyncio.ensure_future(passwords.match(STORED, "alice", b"%d" % number))
            for number in range(MOST_WAITING + 3)
        ]
        await asyncio.wait(tasks[-3:])
        known = await passwords.match(STORED, "alice", PASSWORD.encode())
        slow.go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(isinstance(result, BusyError) for result in results), known

    assert asyncio.run(flood()) == (3, True)


def test_wrong_passwords_do_not_push_out_right_ones() -> None:
    """However many wrong ones come, a right one is remembered; the wrong ones are not all kept."""
    calls = []

    def count(password: bytes, expected: bytes) -> bool:
        calls.append(password)
        return bcrypt.checkpw(password, expected)

    async def check() -> None:
        passwords = Passwords(count)
        guesses = [b"%d" % number for number in range(MOST_REMEMBERED + 1)]
        for password in [PASSWORD.encode(), *guesses, PASSWORD.encode(), guesses[-1], guesses[0]]:
            await passwords.match(STORED, "alice", password)

    asyncio.run(check())

    assert calls.count(PASSWORD.encode()) == 1
    assert (calls.count(b"100"), calls.count(b"0")) == (1, 2)


def test_unknown_users_take_as_long() -> None:
    """For a user who isn't there a hash of the same cost is computed, and never fits."""
    calls = []

    def note(password: bytes, expected: bytes) -> bool:
        calls.append(expected)
        bcrypt.checkpw(password, expected)  # it can be computed
        return True

    stored = {"alice": HASH.replace("$04$", "$05$").encode()}

    assert not asyncio.run(Passwords(note).match(stored, "nobody", b"x"))
    assert [expected[:7] for expected in calls] == [b"$2b$05$"]
    assert [len(expected) for expected in calls] == [60]


def test_names_and_passwords_cannot_be_confused() -> None:
    """What is remembered of one triple lets nobody in with another that reads the same."""
    other = USERS["colon"]
    stored = {"a": HASH.encode(), f"a{HASH}b": other.encode()}
    right = f"b{other}c".encode()

    async def check() -> list[bool]:
        passwords = Passwords(lambda password, _expected: password == right)
        pairs = [("a", right), (f"a{HASH}b", b"c"), ("a", right)]
        return [await passwords.match(stored, name, password) for name, password in pairs]

    assert asyncio.run(check()) == [True, False, True]


def test_failing_bcrypt_is_not_a_pass() -> None:
    """An error of bcrypt's is an error, and is not remembered as anything."""

    def fail(_password: bytes, _expected: bytes) -> bool:
        raise ValueError("no such hash")

    async def check() -> None:
        passwords = Passwords(fail)
        for _ in range(2):
            with pytest.raises(ValueError, match="no such hash"):
                await passwords.match(STORED, "alice", b"x")

    asyncio.run(check())


def visit(door: Door, *, cancel_at: threading.Event | None = None) -> list[Message]:
    """Have alice ask at a door; give what it answers, if need be when the server has to end."""
    sent: list[Message] = []
    header = (b"authorization", basic("alice", PASSWORD).encode())
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [header]}

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def ask() -> None:
        task = asyncio.ensure_future(door(scope, receive, send))
        if cancel_at is not None:
            assert await asyncio.to_thread(cancel_at.wait, TIMEOUT_S)
            task.cancel()  # as the server does to what still runs
        await task

    asyncio.run(ask())
    return sent


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a web configuration that knows alice."""
    file = tmp_path / "web.yml"
    file.write_text(users({"alice": HASH}))
    return file


def test_the_end_does_not_wait_for_bcrypt(file: Path) -> None:
    """Who waits for a password to be checked when the server has to end is told so."""
    slow = Slow()
    start, body = visit(Door(hello, file, passwords=Passwords(slow)), cancel_at=slow.begun)
    slow.go.set()

    assert start["status"] == 503
    assert body["body"] == b"aps-exporter is stopping.\n"


def test_who_is_turned_away_may_come_back(file: Path) -> None:
    """When too many passwords wait already, the answer says so, and when to try again."""

    class Busy(Passwords):
        async def match(self, *_given: object) -> bool:
            raise BusyError

    start, _ = visit(Door(hello, file, passwords=Busy()))

    assert start["status"] == 503
    assert (b"retry-after", b"1") in start["headers"]


def test_file_is_read_only_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is settled is read once; one that has just changed is read each time."""
    file = tmp_path / "web.yml"
    file.write_text("")
    changed_at = file.stat().st_mtime
    now = [changed_at + 0.5]
    live = LiveWebConfig(file, lambda: now[0])
    reads: list[Path] = []
    real = Path.read_bytes

    def read(self: Path) -> bytes:
        reads.append(self)
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", read)
    counts = []
    for now[0] in (changed_at + 0.5, changed_at + 0.6, changed_at + 60, changed_at + 61):
        live.current()
        counts.append(len(reads))

    assert counts == [1, 2, 3, 3]


def test_change_that_shows_in_no_time_is_seen(tmp_path: Path) -> None:
    """A second change within the grain of the file's time, of the same size, isn't missed."""
    file = tmp_path / "web.yml"
    file.write_text("http_server_config: {http2: yes }")
    at = file.stat()
    live = LiveWebConfig(file, lambda: at.st_mtime)
    before = live.current().config.http_server_config.http2
    file.write_text("http_server_config: {http2: off }")
    os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))

    assert (before, live.current().config.http_server_config.http2) == (True, False)
