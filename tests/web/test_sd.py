"""`/sd`: what Prometheus is told of the ECUs, and where it is told to find them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from aps_exporter.config import Settings
from aps_exporter.config_fleet import Configuration
from aps_exporter.deadline import Deadline
from aps_exporter.errors import ConfigError
from aps_exporter.fleet import Fleet
from aps_exporter.model import Reading
from aps_exporter.station import Station
from aps_exporter.summary import Roster
from aps_exporter.web.app import Wiring, create_app
from aps_exporter.web.sd import Place, parse_external_url
from aps_exporter.web.server import ServerThread
from tests.web.conftest import Client, fleet_of


def unread(_deadline: Deadline) -> Reading:
    """Stand in for an ECU that nobody asks."""
    raise AssertionError


def station(name: str, host: str, **labels: str) -> Station:
    """Make a station that is never read."""
    return Station(
        settings=Settings(host=host),
        name=name,
        labels=labels,
        poll=unread,
        hold=Roster().summarize,
    )


Serve = Callable[..., Client]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Make a function that serves a fleet."""
    with ExitStack() as servers:

        def serve(fleet: Fleet, external: Place | None = None) -> Client:
            app = create_app(Wiring(fleet=fleet, external=external))
            return Client(port=servers.enter_context(ServerThread(app, ["127.0.0.1:0"])).port)

        yield serve


@pytest.fixture
def fleet() -> Fleet:
    """Make a fleet of two, one with labels."""
    fleet = fleet_of(station("north", "10.0.0.1"), station("south", "10.0.0.2"))
    fleet.stations["north"].labels = {"site": 'Süd "1"', "kwp": "6.2"}
    return fleet


def test_each_ecu_is_a_group_that_needs_no_relabelling(serve: Serve, fleet: Fleet) -> None:
    """A group says where to scrape, which target, and the labels of the series."""
    client = serve(fleet)
    answer = client.fetch("/sd")
    own = f"127.0.0.1:{client.port}"
    common = {"__scheme__": "http", "__metrics_path__": "/probe"}

    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == [
        {
            "targets": [own],
            "labels": {
                "site": 'Süd "1"',
                "kwp": "6.2",
                **common,
                "__param_target": "north",
                "instance": "north",
            },
        },
        {
            "targets": [own],
            "labels": {**common, "__param_target": "south", "instance": "south"},
        },
    ]


def test_one_ecu_is_discovered_too(serve: Serve) -> None:
    """Without a list the one ECU is the whole list, by its address."""
    client = serve(fleet_of(station("", "10.0.0.1:8080")))
    (group,) = json.loads(client.fetch("/sd").body)

    assert group["labels"]["__param_target"] == "10.0.0.1:8080"


def test_nobody_is_an_empty_list(serve: Serve) -> None:
    """Without ECUs the answer is the empty list that Prometheus wants, not an error."""
    fleet = Fleet(Configuration(ecus=(), single=False), lambda *_: pytest.fail("no ECU to open"))

    assert serve(fleet).fetch("/sd").text == "[]"


@pytest.mark.parametrize(
    "host", ["exporter.example", "exporter.example:10025", "[fd00::1]:80", "10.0.0.1"]
)
def test_the_address_is_the_one_that_was_asked(serve: Serve, fleet: Fleet, host: str) -> None:
    """Prometheus scrapes us where it found us."""
    answer = serve(fleet).fetch("/sd", headers={"Host": host})

    assert {tuple(group["targets"]) for group in json.loads(answer.body)} == {(host,)}


@pytest.mark.parametrize(
    "host", ["", "a b", 'x"y', "a/b", "user@host", "a:b", "a:1:2", "a,b", "x" * 300, "höst"]
)
def test_a_host_that_is_none_is_refused(serve: Serve, fleet: Fleet, host: str) -> None:
    """What isn't a host in the Host header ends in no list, but in one line."""
    answer = serve(fleet).fetch("/sd", headers={"Host": host.encode()})  # type: ignore[dict-item]  # http.client takes bytes too

    assert (answer.status, answer.body.count(b"\n")) == (400, 1)


def test_the_owner_may_say_where_we_are(serve: Serve, fleet: Fleet) -> None:
    """Behind a proxy the address, the scheme and the path are those of the external URL."""
    client = serve(fleet, parse_external_url("https://example.org/solar/"))
    group = json.loads(client.fetch("/sd", headers={"Host": "a b"}).body)[0]

    assert group["targets"] == ["example.org"]
    assert group["labels"]["__scheme__"] == "https"
    assert group["labels"]["__metrics_path__"] == "/solar/probe"


@pytest.mark.parametrize(
    "url",
    ["example.org", "ftp://x", "http://", "http://a b/", "http://u@x/", "http://x/?a", "http://[x"],
)
def test_an_external_url_that_is_none_is_a_mistake(url: str) -> None:
    """What can't be an exporter's URL is a line at the start."""
    with pytest.raises(ConfigError, match=r"--web\.external-url: must be a URL such as"):
        parse_external_url(url)


def test_an_unchanged_list_is_not_sent_twice(serve: Serve, fleet: Fleet) -> None:
    """Who has the list already gets 304, until the configuration changes."""
    client = serve(fleet)
    first = client.fetch("/sd")
    tag = first.headers["etag"]
    again = client.fetch("/sd", headers={"If-None-Match": f'"x", W/{tag}'})
    fleet.apply(replace(fleet.configuration, ecus=fleet.configuration.ecus[:1]))
    changed = client.fetch("/sd", headers={"If-None-Match": tag})

    assert (again.status, again.body) == (304, b"")
    assert changed.status == 200
    assert [g["labels"]["instance"] for g in json.loads(changed.body)] == ["north"]


def test_head_tells_the_length_of_the_list(serve: Serve, fleet: Fleet) -> None:
    """The list costs no poll, so HEAD can tell all about it."""
    client = serve(fleet)
    answer = client.fetch("/sd", method="HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(client.fetch("/sd").body))
