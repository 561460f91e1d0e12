"""What each route answers, when the ECU is well and when it isn't."""

from __future__ import annotations

import json
import logging
import socket
import threading

import pytest

from aps_exporter.deadline import Deadline
from aps_exporter.errors import EcuTimeoutError, EcuUnreachableError
from aps_exporter.model import Reading
from aps_exporter.web.scrapes import MAX_PER_ECU
from tests.web.conftest import TIMEOUT_S, Answer, Client, Ecu, Start

HEALTH = ["/-/healthy", "/-/ready"]
SCRAPES = ["/metrics", "/api/v1/reading"]


def test_metrics_poll_the_ecu_on_each_scrape(ecu: Ecu, client: Client) -> None:
    """Each scrape is one poll, and shows what it brought."""
    answers = [client.fetch("/metrics") for _ in range(3)]

    assert ecu.polls == 3
    assert [answer.sample("aps_power_watts") for answer in answers] == [120.0] * 3


def test_failing_ecu_is_a_good_scrape(start: Start) -> None:
    """An ECU that doesn't answer is HTTP 200 with `aps_up` 0 and no readings."""

    def refuse(_deadline: Deadline) -> Reading:
        raise EcuUnreachableError("connection refused")

    answer = start(Ecu(refuse)).fetch("/metrics")

    assert answer.status == 200
    assert answer.sample("aps_up") == 0
    assert answer.sample('aps_ecu_status{status="unreachable"}') == 1
    assert answer.sample("aps_power_watts") is None


def test_reading_is_json(client: Client) -> None:
    """The reading comes as the document that `read --json` prints."""
    answer = client.fetch("/api/v1/reading")

    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body)["panels"] == {"408000012345-A": 120, "408000012345-B": None}


def test_failing_ecu_is_a_json_error(start: Start) -> None:
    """A program that asks for a reading learns in JSON why there is none."""

    def hang(_deadline: Deadline) -> Reading:
        raise EcuTimeoutError("no answer within 5 s")

    answer = start(Ecu(hang)).fetch("/api/v1/reading")

    assert answer.status == 503
    assert json.loads(answer.body) == {"error": "no answer within 5 s", "status": "timeout"}


@pytest.mark.parametrize("path", SCRAPES)
def test_our_own_mistake_is_a_500_and_a_logged_traceback(
    start: Start, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """A bug of ours is one line for the scraper and a traceback in the log."""

    def stumble(_deadline: Deadline) -> Reading:
        raise ZeroDivisionError("a bug")

    with caplog.at_level(logging.ERROR):
        client = start(Ecu(stumble))
        answer = client.fetch(path)

    assert (answer.status, answer.body.count(b"\n")) == (500, 1)
    assert "ZeroDivisionError: a bug" in caplog.text
    assert client.fetch("/-/healthy").status == 200


@pytest.mark.parametrize("path", HEALTH)
def test_health_never_asks_the_ecu(ecu: Ecu, client: Client, path: str) -> None:
    """Health and readiness are about the exporter."""
    answer = client.fetch(path)

    assert (answer.status, ecu.polls) == (200, 0)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/metrics/",
        "/metrics/x",
        "//metrics",
        "/METRICS",
        "/favicon.ico",
        "/robots.txt",
        "/-/",
        "/../etc/passwd",
        "/%00",
    ],
)
def test_unknown_path_is_404(ecu: Ecu, client: Client, path: str) -> None:
    """What isn't there is not found, not redirected, and costs no poll."""
    answer = client.fetch(path)

    assert (answer.status, ecu.polls) == (404, 0)


@pytest.mark.parametrize("path", ["/", *SCRAPES, *HEALTH])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_wrong_method_is_405(ecu: Ecu, client: Client, method: str, path: str) -> None:
    """Only GET and HEAD are allowed, and the answer says so."""
    answer = client.fetch(path, method=method)

    assert (answer.status, ecu.polls) == (405, 0)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/", *SCRAPES, *HEALTH])
def test_head_never_polls(ecu: Ecu, client: Client, path: str) -> None:
    """HEAD tells the type of what GET would bring, without asking the ECU."""
    answer = client.fetch(path, method="HEAD")
    polls = ecu.polls

    assert (answer.status, answer.body, polls) == (200, b"", 0)
    assert answer.headers["content-type"] == client.fetch(path).headers["content-type"]


@pytest.mark.parametrize(
    ("header", "allowed_s"),
    [
        (None, 5.0),
        ("10", 5.0),
        ("5.25", 4.75),
        ("3", 2.5),
        ("2.", 1.5),
        ("1", 0.5),
        ("0.6", 0.5),
        ("0.001", 0.5),
        ("86400", 5.0),
    ],
)
@pytest.mark.parametrize("path", SCRAPES)
def test_deadline_leaves_time_to_answer(
    ecu: Ecu, client: Client, path: str, header: str | None, allowed_s: float
) -> None:
    """A poll may take half a second less than the scraper waits, and never more than ours."""
    headers = {} if header is None else {"X-Prometheus-Scrape-Timeout-Seconds": header}
    client.fetch(path, headers=headers)

    assert ecu.deadlines == [pytest.approx(allowed_s, abs=0.2)]


@pytest.mark.parametrize(
    "header",
    ["0", "0.0", "-1", "nan", "inf", "1e3", "ten", "5s", "1_0", "٣", "5,5", ".", "9" * 400],
)
def test_malformed_scrape_timeout_is_400(ecu: Ecu, client: Client, header: str) -> None:
    """A scrape timeout that is no number of seconds is refused in one line."""
    answer = client.fetch(
        "/metrics",
        headers={"X-Prometheus-Scrape-Timeout-Seconds": header.encode()},  # type: ignore[dict-item]  # http.client takes bytes too
    )

    assert (answer.status, answer.body.count(b"\n"), ecu.polls) == (400, 1, 0)


def test_too_many_scrapes_are_refused_while_health_answers(reading: Reading, start: Start) -> None:
    """The 17th scrape of an ECU at once is 503; the 16 are answered in the end, and the next."""
    release = threading.Event()
    full = threading.Semaphore(0)

    def wait(deadline: Deadline) -> Reading:
        full.release()
        release.wait(deadline.remaining())
        return reading

    client = start(Ecu(wait), timeout_s=TIMEOUT_S)
    answers: list[Answer] = []
    scrapers = [
        threading.Thread(target=lambda path=path: answers.append(client.fetch(path)))
        for path in SCRAPES * (MAX_PER_ECU // 2)
    ]
    for scraper in scrapers:
        scraper.start()
    for _ in scrapers:
        assert full.acquire(timeout=TIMEOUT_S)
    refused = [client.fetch(path) for path in SCRAPES]
    health = [client.fetch(path).status for path in ("/", "/-/healthy", "/-/ready")]
    release.set()
    for scraper in scrapers:
        scraper.join()

    assert [answer.status for answer in refused] == [503, 503]
    assert [answer.headers["retry-after"] for answer in refused] == ["1", "1"]
    assert health == [200, 200, 200]
    assert [answer.status for answer in answers] == [200] * MAX_PER_ECU
    assert client.fetch("/metrics").status == 200


def test_poll_of_a_scraper_that_left_goes_on(reading: Reading, start: Start) -> None:
    """A scraper that hangs up harms nobody: its poll ends in its own time."""
    polling, release, ended = threading.Event(), threading.Event(), threading.Event()

    def wait(deadline: Deadline) -> Reading:
        polling.set()
        release.wait(deadline.remaining())
        ended.set()
        return reading

    client = start(Ecu(wait))
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert polling.wait(TIMEOUT_S)
    release.set()

    assert ended.wait(TIMEOUT_S)
    assert client.fetch("/metrics").status == 200
