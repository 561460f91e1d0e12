"""`/probe`: which ECU answers, what stands in the answer, and who is refused with which words."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from urllib.parse import quote

import pytest

from aps_exporter.assembly import utc_now
from aps_exporter.config import Settings
from aps_exporter.deadline import Deadline
from aps_exporter.ecu.poller import Poller
from aps_exporter.ecu.web_interface import WebInterface
from aps_exporter.errors import EcuUnreachableError, TargetError
from aps_exporter.metrics.exporter import ExporterCollector, Figures, process_collector
from aps_exporter.model import Reading
from aps_exporter.station import Station
from aps_exporter.summary import Roster
from aps_exporter.web.app import Wiring, create_app
from aps_exporter.web.scrapes import Scrapes
from aps_exporter.web.server import ServerThread
from tests.web.conftest import TIMEOUT_S, Answer, Client, Ecu, fleet_of

Serve = Callable[..., Client]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Make a function that serves ECUs by name."""
    with ExitStack() as servers:

        def serve(scrapes: Scrapes | None = None, **ecus: Ecu) -> Client:
            stations = [
                Station(
                    settings=Settings(host=f"10.0.0.{number}", timeout=5),
                    name=name,
                    poll=ecu.read,
                    hold=Roster().summarize,
                )
                for number, (name, ecu) in enumerate(ecus.items(), 1)
            ]
            wiring = Wiring(
                fleet=fleet_of(*stations, modules={"slow": {"timeout": 20}}),
                scrapes=scrapes or Scrapes(),
                exporter_collectors=(ExporterCollector(figures=Figures), process_collector()),
            )
            server = ServerThread(create_app(wiring), ["127.0.0.1:0"])
            return Client(port=servers.enter_context(server).port)

        yield serve


@pytest.fixture
def two(serve: Serve, reading: Reading) -> tuple[Client, Ecu, Ecu]:
    """Serve an ECU that answers and one that doesn't."""

    def refuse(_deadline: Deadline) -> Reading:
        raise EcuUnreachableError("the <ECU> refuses")

    north, south = Ecu(lambda _: reading), Ecu(refuse)
    return serve(north=north, south=south), north, south


def test_a_probe_reads_the_ecu_that_is_named(two: tuple[Client, Ecu, Ecu]) -> None:
    """Each name leads to its own ECU, and polls no other."""
    client, north, south = two
    answer = client.fetch("/probe?target=north")

    assert answer.status == 200
    assert answer.sample("aps_power_watts") == 120
    assert (north.polls, south.polls) == (1, 0)


def test_a_failing_ecu_is_a_good_probe(two: tuple[Client, Ecu, Ecu]) -> None:
    """An ECU that can't be read is HTTP 200 with `aps_up` 0."""
    client, _, _ = two
    answer = client.fetch("/probe?target=south")

    assert answer.status == 200
    assert answer.sample("aps_up") == 0
    assert answer.sample('aps_ecu_status{status="unreachable"}') == 1


def test_a_probe_has_the_ecus_metrics_alone(two: tuple[Client, Ecu, Ecu]) -> None:
    """Neither the exporter's metrics nor the process's are in a probe; `/metrics` has no others."""
    client, north, south = two
    probe = client.fetch("/probe?target=north").text
    polls = north.polls
    own = client.fetch("/metrics").text

    assert not re.search(r"^(aps_exporter|process)_", probe, re.MULTILINE)
    assert re.search(r"^process_cpu_seconds_total ", own, re.MULTILINE)
    assert not re.search(r"^aps_(?!exporter_)", own, re.MULTILINE)
    assert (north.polls, south.polls) == (polls, 0)


def test_probes_know_each_other_s_text_not(two: tuple[Client, Ecu, Ecu], reading: Reading) -> None:
    """What is remembered of one ECU's text never shows in another's."""
    client, north, south = two
    other = replace(reading, inverters=(replace(reading.inverters[0], serial="408000099999"),))
    south.answer = lambda _: other
    texts = [client.fetch(f"/probe?target={name}").text for name in ("north", "south") * 2]

    assert [("408000099999" in text) for text in texts] == [False, True, False, True]
    assert north.polls == 2


def test_an_address_of_the_list_is_its_ecu(two: tuple[Client, Ecu, Ecu]) -> None:
    """An ECU that is asked by its address is the one that the list has there."""
    client, north, _ = two

    assert client.fetch("/probe?target=10.0.0.1").sample("aps_up") == 1
    assert client.fetch("/probe?target=10.0.0.1:80").sample("aps_up") == 1
    assert north.polls == 2


REFUSED = [
    ("", 400, "target is missing: /probe?target=NAME"),
    ("target=", 400, "target is missing: /probe?target=NAME"),
    ("target=north&target=south", 400, "target is given more than once"),
    ("target=north&module=x", 400, "module is unknown; configured: slow"),
    ("target=north&module=slow&module=slow", 400, "module is given more than once"),
    ("target=north&debug=maybe", 400, "debug must be true or false"),
    ("target=nor%20th", 400, "target must be an address or a name, with :port where needed"),
    ("target=http://10.0.0.1/", 400, "target must be the address alone, not a URL"),
    ("target=10.0.0.1%0d%0aX:%20y", 400, "target must be"),
    ("target=8.8.8.8", 403, "target 8.8.8.8 is not allowed: it is neither configured nor"),
    ("target=169.254.169.254", 403, "target 169.254.169.254 is not allowed: it is a metadata"),
    ("target=127.0.0.1", 403, "target 127.0.0.1 is not allowed: it is loopback"),
    ("target=10.0.0.1:22", 403, "target 10.0.0.1:22 is not allowed: its port isn't"),
]


@pytest.mark.parametrize(("query", "status", "text"), REFUSED)
def test_who_is_refused_gets_one_line(
    two: tuple[Client, Ecu, Ecu], query: str, status: int, text: str
) -> None:
    """What can't or may not be probed is refused in one line, and nobody is polled."""
    client, north, south = two
    answer = client.fetch(f"/probe?{query}")

    assert (answer.status, answer.body.count(b"\n")) == (status, 1)
    assert answer.text.startswith(text)
    assert (north.polls, south.polls) == (0, 0)


def test_a_name_that_leads_astray_is_refused(serve: Serve) -> None:
    """A refusal that comes only when the poll looks the name up is a 403 too, not a failing ECU."""

    def astray(_url: str, _deadline: Deadline) -> bytes:
        raise TargetError("target x is not allowed: it leads to an address that is loopback", 403)

    pages = WebInterface(base_url="http://x", now=utc_now, fetch=astray)
    poller = Poller(name="x", interface=pages)
    answer = serve(x=Ecu(poller.read)).fetch("/probe?target=x")

    assert (answer.status, answer.body.count(b"\n")) == (403, 1)


def test_head_never_polls(two: tuple[Client, Ecu, Ecu]) -> None:
    """HEAD tells the type and asks nobody."""
    client, north, _ = two
    answer = client.fetch("/probe?target=north", method="HEAD")

    assert (answer.status, answer.body, north.polls) == (200, b"", 0)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_formats_are_negotiated(two: tuple[Client, Ecu, Ecu]) -> None:
    """A probe speaks the formats that `/metrics` speaks."""
    client, _, _ = two
    answer = client.fetch(
        "/probe?target=north", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_a_reading_is_asked_for_by_name(two: tuple[Client, Ecu, Ecu]) -> None:
    """With several ECUs the JSON needs a name that is in the list."""
    client, _, _ = two
    statuses = [
        client.fetch(f"/api/v1/reading{query}").status
        for query in ("?ecu=north", "", "?ecu=west", "?ecu=south")
    ]

    assert statuses == [200, 400, 404, 503]


def test_a_hung_ecu_takes_no_other_ecus_turn(serve: Serve, reading: Reading) -> None:
    """Scrapes of one ECU that hangs are bounded: the next is 503, and others are answered."""
    release, polling = threading.Event(), threading.Semaphore(0)

    def hang(deadline: Deadline) -> Reading:
        polling.release()
        release.wait(deadline.remaining())
        return reading

    scrapes = Scrapes(limit=20, per_ecu=3)
    client = serve(scrapes, hung=Ecu(hang), well=Ecu(lambda _: reading))
    answers: list[Answer] = []
    scrapers = [
        threading.Thread(target=lambda: answers.append(client.fetch("/probe?target=hung")))
        for _ in range(3)
    ]
    for scraper in scrapers:
        scraper.start()
    for _ in scrapers:
        assert polling.acquire(timeout=TIMEOUT_S)
    refused = [client.fetch(f"/probe?target={quote(name)}") for name in ("hung", "10.0.0.1")]
    well = client.fetch("/probe?target=well")
    release.set()
    for scraper in scrapers:
        scraper.join()

    assert [(a.status, a.headers["retry-after"]) for a in refused] == [(503, "1")] * 2
    assert well.status == 200
    assert [answer.status for answer in answers] == [200] * 3
    assert (scrapes.in_flight, scrapes.refused) == (0, 2)


def test_too_many_probes_are_refused(serve: Serve, reading: Reading) -> None:
    """Over the limit for all ECUs together it is 503, whichever is asked for."""
    release, polling = threading.Event(), threading.Semaphore(0)

    def hang(deadline: Deadline) -> Reading:
        polling.release()
        release.wait(deadline.remaining())
        return reading

    client = serve(Scrapes(limit=2), a=Ecu(hang), b=Ecu(hang), c=Ecu(hang))
    scrapers = [
        threading.Thread(target=client.fetch, args=[f"/probe?target={name}"]) for name in "ab"
    ]
    for scraper in scrapers:
        scraper.start()
    for _ in scrapers:
        assert polling.acquire(timeout=TIMEOUT_S)
    refused = client.fetch("/probe?target=c")
    release.set()
    for scraper in scrapers:
        scraper.join()

    assert (refused.status, refused.text) == (503, "2 scrapes are in flight; come back later.\n")


def test_what_would_be_late_is_refused(serve: Serve, reading: Reading) -> None:
    """Once answers lie about for too long no more are taken on, until one is in time again."""
    release, polling = threading.Event(), threading.Semaphore(0)

    def hang(deadline: Deadline) -> Reading:
        polling.release()
        release.wait(deadline.remaining())
        return reading

    moments = iter(
        [0.0, 1.0, 2.0, 2.0]
    )  # each answer is ready at the one, and taken up at the other
    scrapes = Scrapes(calm=1, monotonic=lambda: next(moments, 2.0))
    client = serve(scrapes, hung=Ecu(hang), well=Ecu(lambda _: reading))
    alone = client.fetch("/probe?target=well")
    scraper = threading.Thread(target=client.fetch, args=["/probe?target=hung"])
    scraper.start()
    assert polling.acquire(timeout=TIMEOUT_S)
    late = client.fetch("/probe?target=well")
    release.set()
    scraper.join()
    again = client.fetch("/probe?target=well")

    assert (alone.status, late.status, again.status) == (200, 503, 200)
    assert late.text == "there is more to do than can be done in time; come back later.\n"
