"""`POST /-/reload`: who may, and what it says of a configuration that can't be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from aps_exporter.config import Settings
from aps_exporter.deadline import Deadline
from aps_exporter.errors import ConfigError
from aps_exporter.model import Reading
from aps_exporter.station import Station
from aps_exporter.summary import Roster
from aps_exporter.web.app import Wiring, create_app
from aps_exporter.web.server import ServerThread
from tests.web.conftest import Client, fleet_of


def unread(_deadline: Deadline) -> Reading:
    """Stand in for an ECU that nobody asks."""
    raise AssertionError


Serve = Callable[[Callable[[], None] | None], Client]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Make a function that serves with a way to reload."""
    with ExitStack() as servers:

        def serve(reload: Callable[[], None] | None) -> Client:
            settings = Settings(host="127.0.0.1")
            station = Station(settings=settings, poll=unread, hold=Roster().summarize)
            app = create_app(Wiring(fleet=fleet_of(station), reload=reload))
            return Client(port=servers.enter_context(ServerThread(app, ["127.0.0.1:0"])).port)

        yield serve


def test_reloading_by_the_web_is_off(serve: Serve) -> None:
    """Without the flag a POST is refused, in a line that names the flag."""
    answer = serve(None).fetch("/-/reload", method="POST")

    assert answer.status == 403
    assert answer.text == "Reloading by the web is off; --web.enable-lifecycle allows it.\n"


def test_a_post_reloads_once(serve: Serve) -> None:
    """A POST reloads; nothing else does."""
    reloads: list[None] = []
    client = serve(lambda: reloads.append(None))
    answers = [
        client.fetch("/-/reload", method=method) for method in ("GET", "HEAD", "PUT", "POST")
    ]

    assert [answer.status for answer in answers] == [405, 405, 405, 200]
    assert len(reloads) == 1


def test_every_problem_is_told(serve: Serve) -> None:
    """A configuration that can't be used is a 500 that lists what is wrong."""

    def fail() -> None:
        raise ConfigError("ecus.0.timeout: must be a number", "ecus.1.host: required")

    answer = serve(fail).fetch("/-/reload", method="POST")

    assert answer.status == 500
    assert answer.text.splitlines() == [
        "The configuration stays as it was.",
        "ecus.0.timeout: must be a number",
        "ecus.1.host: required",
    ]
