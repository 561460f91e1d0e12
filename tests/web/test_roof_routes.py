"""The page's addresses: what they answer, and how little that costs the ECU."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from aps_exporter.errors import EcuUnreachableError
from aps_exporter.history import History
from aps_exporter.web.app import Wiring, create_app
from aps_exporter.web.server import ServerThread
from tests.web.conftest import TIMEOUT_S, Answer, Client, fleet_of
from tests.web.roof_world import World, inverter, reading, refuse

HOST = "192.168.1.102"
ONE = ["/", "/api/v1/status", "/api/v1/day", "/roof.svg"]
CURVE = json.dumps(
    {"power": [{"time": 1780315200000 - 300000 * n, "each_system_power": 7} for n in range(4)]}
).encode()
"""The sweeps of 14:00, and three before it."""

Serve = Callable[..., Client]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve worlds until the test is over: one as the only one, several as a list."""
    with ExitStack() as servers:

        def serve(*worlds: World) -> Client:
            app = create_app(Wiring(fleet=fleet_of(*(world.station for world in worlds))))
            return Client(port=servers.enter_context(ServerThread(app, ["127.0.0.1:0"])).port)

        yield serve


def only(**given: object) -> World:
    """Make the ECU of a configuration that knows but one."""
    return World(name=HOST, **given)  # type: ignore[arg-type]  # by name


def all_at_once(client: Client, paths: list[str]) -> list[Answer]:
    """Fetch pages at the same time."""
    with ThreadPoolExecutor(len(paths)) as visitors:
        return [*visitors.map(client.fetch, paths)]


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/api/v1/status", "application/json"),
        ("/api/v1/day", "application/json"),
        ("/api/v1/fleet", "application/json"),
        ("/roof.svg", "image/svg+xml"),
    ],
)
def test_every_page_answers(serve: Serve, path: str, content_type: str) -> None:
    """Each address says what it is, may run nothing from elsewhere, and answers HEAD alike."""
    world = only()
    client = serve(world)
    head = client.fetch(path, method="HEAD")
    polls = world.polls
    answer = client.fetch(path)

    assert (head.status, head.body, polls) == (200, b"", 0)
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    assert head.headers["content-type"] == content_type
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_a_hundred_open_pages_cost_one_poll_a_minute(serve: Serve) -> None:
    """However many look, the ECU is polled once, and again when a minute is over."""
    started, release = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        release.wait(TIMEOUT_S)

    world = only(hold=hold)
    client = serve(world)
    with ThreadPoolExecutor(100) as visitors:
        answers = [visitors.submit(client.fetch, ONE[n % 4]) for n in range(100)]
        assert started.wait(TIMEOUT_S)
        release.set()
        statuses = {answer.result().status for answer in answers}
    first = world.polls
    world.later(seconds=59)
    all_at_once(client, ONE * 3)
    within = world.polls
    world.later(seconds=2)
    all_at_once(client, ONE * 3)

    assert statuses == {200}
    assert (first, within, world.polls) == (1, 1, 2)


def test_an_ecu_that_is_down_is_not_pressed(serve: Serve) -> None:
    """A failed poll serves all who look in that minute, as a good one does."""
    world = only(answer=refuse)
    client = serve(world)
    for _ in range(3):
        all_at_once(client, ONE)
    status = json.loads(client.fetch("/api/v1/status").body)

    assert world.polls == 1
    assert status["ecu"]["status"] == "unreachable"
    assert status["ecu"]["level"] == "bad"


def test_scrapes_spare_the_ecu_the_pages_polls(serve: Serve) -> None:
    """Where Prometheus reads the ECU anyway, pages show what it got."""
    world = only()
    client = serve(world)
    client.fetch("/metrics")
    all_at_once(client, ONE)

    assert world.polls == 1


def test_the_page_does_not_wait_for_a_hung_ecu(serve: Serve) -> None:
    """With an answer to show the page comes at once; without one it waits a second at most."""
    release = threading.Event()
    world = only(hold=lambda: release.wait(TIMEOUT_S))
    client = serve(world)
    begun = time.monotonic()
    first = client.fetch("/")
    unknown_s = time.monotonic() - begun
    release.set()
    client.fetch("/api/v1/status")
    release.clear()
    world.later(minutes=2)
    begun = time.monotonic()
    second = client.fetch("/")
    known_s = time.monotonic() - begun
    release.set()

    assert (first.status, second.status) == (200, 200)
    assert 0.9 < unknown_s < 4
    assert known_s < 0.9
    assert "has not been read yet" in first.text
    assert "All 4 panels report." in second.text


def test_the_day_is_sent_once(serve: Serve) -> None:
    """A browser that has the day already is told so, until there is a new sweep."""
    world = only()
    client = serve(world)
    answer = client.fetch("/api/v1/day")
    etag = answer.headers["etag"]
    again = client.fetch("/api/v1/day", headers={"If-None-Match": f'"other", {etag}'})
    world.poll(reading(inverter("801000090001", 1.0)))
    after = client.fetch("/api/v1/day", headers={"If-None-Match": etag})

    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert after.status == 200
    assert json.loads(after.body)["total"][168:] == [1.0]


def test_big_answers_are_compressed_for_who_takes_it(serve: Serve) -> None:
    """Compression is used where it is welcome."""
    client = serve(only())
    plain = client.fetch("/api/v1/day")
    zipped = client.fetch("/api/v1/day", headers={"Accept-Encoding": "gzip"})

    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert plain.headers["vary"] == zipped.headers["vary"] == "accept-encoding"


def test_the_ecus_own_curve_is_fetched_once(serve: Serve) -> None:
    """What the exporter didn't see comes from the ECU, when somebody looks, and once."""
    world = only(curve=CURVE)
    client = serve(world)
    client.fetch("/api/v1/status")
    before = world.curves
    days = [json.loads(answer.body) for answer in all_at_once(client, ["/api/v1/day"] * 4)]

    assert (before, world.curves) == (0, 1)
    assert {day["source"] for day in days} == {"both"}
    assert days[0]["total"][164:] == [None, 7.0, 7.0, 7.0, 450.0]


@pytest.mark.parametrize("curve", [b"<html>", EcuUnreachableError("refused")])
def test_no_curve_no_harm(serve: Serve, curve: bytes | EcuUnreachableError) -> None:
    """An ECU without its curve is asked again only much later, and the rest is there."""
    world = only(curve=curve)
    client = serve(world)
    client.fetch("/api/v1/status")
    answers = [client.fetch("/api/v1/day") for _ in range(3)]
    world.later(minutes=16)
    client.fetch("/api/v1/day")

    assert json.loads(answers[-1].body)["total"][168:] == [450.0]
    assert world.curves == 2


def test_a_curve_of_another_clock_is_not_used(serve: Serve) -> None:
    """Times that can't be those of the rows are nobody's."""
    odd = json.dumps({"power": [{"time": 1780315200000 + 500_000, "each_system_power": 7}]})
    world = only(curve=odd.encode())
    client = serve(world)
    client.fetch("/api/v1/status")

    assert json.loads(client.fetch("/api/v1/day").body)["source"] == "watched"


def test_several_ecus_have_a_page_of_all(serve: Serve) -> None:
    """With a list of ECUs the first page is the list, and each has its own by name."""
    barn, house = World(name="barn"), World(name="house", answer=refuse)
    client = serve(barn, house)
    page = client.fetch("/")
    one = client.fetch("/?ecu=house")
    status = json.loads(client.fetch("/api/v1/status?ecu=house").body)
    fleet = json.loads(client.fetch("/api/v1/fleet").body)

    assert page.status == one.status == 200
    assert "?ecu=house" in page.text
    assert "refuses the connection" in one.text
    assert status["ecu"]["name"] == "house"
    assert {ecu["name"] for ecu in fleet["ecus"]} == {"barn", "house"}


def test_the_list_has_ecus_read_that_nobody_reads(serve: Serve) -> None:
    """Who looks at the list sees news of all, some moments later, for one poll in five minutes."""
    polled = threading.Semaphore(0)
    worlds = [World(name=f"ecu{n}", hold=polled.release) for n in range(20)]
    client = serve(*worlds)
    client.fetch("/")
    for _ in worlds:
        assert polled.acquire(timeout=TIMEOUT_S)
    client.fetch("/api/v1/fleet")
    for world in worlds:
        world.later(minutes=4)
    client.fetch("/api/v1/fleet")

    assert {world.polls for world in worlds} == {1}


@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/day", "/roof.svg"])
def test_which_ecu_has_to_be_said(serve: Serve, path: str) -> None:
    """Among several an ECU has to be named, and named right."""
    worlds = World(name="barn"), World(name="house")
    client = serve(*worlds)
    unsaid, wrong = client.fetch(path), client.fetch(f"{path}?ecu=%3Cscript%3E")

    assert (unsaid.status, wrong.status) == (400, 404)
    assert json.loads(unsaid.body) == {"error": "say which ECU: ?ecu=NAME"}
    assert json.loads(wrong.body) == {"error": "no ECU of that name is configured"}
    assert [world.polls for world in worlds] == [0, 0]


def test_the_page_names_failures_of_probed_targets() -> None:
    """Who probes beside the one ECU reads on its page which target failed last, and why."""
    world, stranger = only(), World(name="192.168.1.9", answer=refuse)
    fleet = fleet_of(world.station, strangers=[stranger.station])
    with ServerThread(create_app(Wiring(fleet=fleet)), ["127.0.0.1:0"]) as server:
        client = Client(port=server.port)
        before = client.fetch("/").body.decode()
        client.fetch("/probe?target=192.168.1.9")
        world.later(seconds=2)
        after = client.fetch("/").body.decode()

    assert "Last failures" not in before
    assert re.search(r"Last failures.*192\.168\.1\.9.*the ECU refuses the connection", after)


def test_an_unknown_theme(serve: Serve) -> None:
    """A theme that doesn't exist is refused in one line."""
    world = only()
    answer = serve(world).fetch("/roof.svg?theme=pink")

    assert (answer.status, world.polls) == (400, 0)
    assert json.loads(answer.body) == {"error": "theme is one of auto, light, dark"}


def test_everything_that_the_page_needs_is_there(serve: Serve) -> None:
    """All addresses in the page are relative, so that a prefix does no harm, and lead somewhere."""
    client = serve(only())
    page = client.fetch("/").text
    addresses = set(re.findall(r'(?:href|src|data-status|data-day)="([^"#]+)"', page))
    answers = {address: client.fetch(f"/{address.removeprefix('./')}") for address in addresses}

    assert len(addresses) > 5
    assert not [address for address in addresses if address.startswith(("/", "http"))]
    assert {address for address, answer in answers.items() if answer.status != 200} == set()


def test_files_are_kept_by_their_version(serve: Serve) -> None:
    """A file may be kept for ever under its version's address, and isn't under another's."""
    client = serve(only())
    found = re.search(r'src="(static/[^"]+)"', client.fetch("/").text)
    assert found is not None
    address = f"/{found[1]}"
    _, _, token, name = address.split("/")
    file = client.fetch(address)
    other = client.fetch(f"/static/0123456789ab/{name}")
    unchanged = client.fetch(address, headers={"If-None-Match": file.headers["etag"]})

    assert file.headers["content-type"].startswith("text/javascript")
    assert "immutable" in file.headers["cache-control"]
    assert (other.body, other.headers["cache-control"]) == (file.body, "no-store")
    assert unchanged.status == 304
    assert client.fetch(f"/static/{token}/../app.py").status == 404
    assert client.fetch(f"/static/{token}/nothing.js").status == 404


def test_a_bug_behind_a_page_is_told(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A poll that stumbles over our own mistake leaves a traceback, and the page comes."""

    def stumble() -> None:
        raise ZeroDivisionError("a bug")

    world = only(hold=stumble)
    status = serve(world).fetch("/api/v1/status")

    assert json.loads(status.body)["ecu"]["status"] == "unknown"
    assert "ZeroDivisionError: a bug" in caplog.text


def test_a_bug_in_a_document_is_a_500(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A document that can't be built is an error, and doesn't stay one."""
    world = only()
    client = serve(world)
    history = world.station.history
    world.station.history = None  # type: ignore[assignment]  # the bug
    broken = client.fetch("/api/v1/status")
    world.station.history = history

    assert broken.status == 500
    assert "AttributeError" in caplog.text
    assert client.fetch("/api/v1/status").status == 200


def test_big_fleets_record_panels_once_somebody_looks(serve: Serve) -> None:
    """The first look at a roof's day begins the record of its panels."""
    world = only()
    world.station.history = History(all_panels=False)
    world.station.observers[:] = [world.station.history.observe]
    client = serve(world)
    first = json.loads(client.fetch("/api/v1/day").body)
    world.poll()
    second = json.loads(client.fetch("/api/v1/day").body)

    assert first["panels"] == {}
    assert set(second["panels"]) == {
        "801000090001-1",
        "801000090001-2",
        "801000090002-1",
        "801000090002-2",
    }
