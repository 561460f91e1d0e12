"""The client against servers that hang, drip, redirect, flood and echo."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from aps_exporter.errors import PVOutputError
from aps_exporter.pvoutput.answers import Rate
from aps_exporter.pvoutput.client import BODY_CAP, Client
from aps_exporter.pvoutput.policy import Account
from tests.pvoutput.fake_pvoutput import KEY, SYSTEM_ID, Clock, FakePVOutput, Fault

FORM = {"d": "20260301", "t": "05:00", "v2": "0"}


@pytest.fixture
def make_client(fake: FakePVOutput) -> Callable[..., Client]:
    """Make clients of the fake server."""

    def make(key: str = KEY, url: str = "", total_s: float = 5.0) -> Client:
        account = Account(base_url=url or fake.url, system_id=SYSTEM_ID, api_key=SecretStr(key))
        return Client(account, total_s=total_s)

    return make


def test_a_status_on_the_wire(make_client: Callable[..., Client], fake: FakePVOutput) -> None:
    """The key is in a header only, and the quota is asked for and read."""
    answer = make_client().add_status(FORM)

    request = fake.requests[0]
    assert (answer.status, answer.text) == (200, "OK 200: Added Status")
    assert answer.rate == Rate(limit=60, remaining=59, reset=1772308800.0)
    assert (request.method, request.in_url, request.fields) == ("POST", {}, FORM)
    assert request.headers["x-pvoutput-apikey"] == KEY
    assert request.headers["user-agent"].startswith("aps-exporter/")
    assert fake.lint == []


def test_a_batch_on_the_wire(
    make_client: Callable[..., Client], fake: FakePVOutput, clock: Clock
) -> None:
    """Separators of a batch arrive as they are meant."""
    lines = ["20260301,05:00,,0,,,31.5,236.2", "20260301,05:05,,10"]
    clock.forward(hours=1)
    answer = make_client().add_batch(lines, lifetime=False)

    assert answer.text == "20260301,05:00,1;20260301,05:05,1"
    assert fake.stored("v2", "v5", "v6")["20260301 05:00"] == ("0", "31.5", "236.2")


@pytest.mark.parametrize(
    "fault",
    [Fault("drip"), Fault("slow_body", seconds=0.2), Fault("delay", seconds=2.0)],
    ids=lambda fault: fault.kind,
)
def test_total_deadline(
    make_client: Callable[..., Client], fake: FakePVOutput, fault: Fault
) -> None:
    """Whatever the server drips, a request is over when its time is."""
    fake.faults.append(fault)
    began = time.monotonic()
    with pytest.raises(PVOutputError, match=r"no answer within 0\.5 s"):
        make_client(total_s=0.5).add_status(FORM)

    assert time.monotonic() - began < 1.5


def test_flood(make_client: Callable[..., Client], fake: FakePVOutput) -> None:
    """An answer that is far too long is not read to its end."""
    fake.faults.append(
        Fault("status", status=200, body="x" * (BODY_CAP + 1), content_type="text/plain")
    )

    with pytest.raises(PVOutputError, match="larger than 64 KiB"):
        make_client().add_status(FORM)


def test_redirect_is_not_followed(make_client: Callable[..., Client], fake: FakePVOutput) -> None:
    """A redirect is an answer, not a place to carry the key to."""
    with FakePVOutput(clock=fake.clock) as thief:
        fake.faults.append(Fault("redirect", location=f"{thief.url}/addstatus.jsp"))
        answer = make_client().add_status(FORM)

        assert answer.status == 302
        assert thief.requests == []


def test_echo(make_client: Callable[..., Client], fake: FakePVOutput) -> None:
    """A server that echoes our headers doesn't get the key into the answer's text."""
    fake.faults.append(Fault("echo", status=400))
    text = make_client().add_status(FORM).text

    assert KEY not in text
    assert "***" in text


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("drop_before"), "closed connection"),
        (Fault("truncate", cut=3), "IncompleteRead"),
    ],
    ids=["hung-up", "cut-off"],
)
def test_no_answer(
    make_client: Callable[..., Client], fake: FakePVOutput, fault: Fault, words: str
) -> None:
    """Without a whole answer the error says why, in one line."""
    fake.faults.append(fault)

    with pytest.raises(PVOutputError, match=words):
        make_client().add_status(FORM)


def test_refused(make_client: Callable[..., Client]) -> None:
    """Nobody listens: the system's own words."""
    with pytest.raises(PVOutputError, match="Connection refused"):
        make_client(url="http://127.0.0.1:1/service/r2").add_status(FORM)


def test_a_key_that_is_no_header(make_client: Callable[..., Client]) -> None:
    """A key that can't be a header is refused without being shown."""
    with pytest.raises(PVOutputError) as caught:
        make_client(key="secret\nkey").add_status(FORM)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("reset", ["soon", "nan", "inf"])
def test_odd_quota_headers(
    make_client: Callable[..., Client], fake: FakePVOutput, reset: str
) -> None:
    """Quota headers that make no sense are as good as none."""
    fake.world.quirks.bad_reset = reset

    assert make_client().add_status(FORM).rate is None
