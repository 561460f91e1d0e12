"""The fake server keeps to the contract where our forwarder would never go."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.pvoutput.fake_pvoutput import KEY, SYSTEM_ID, Clock, FakePVOutput

Ask = Callable[..., tuple[int, str]]

HEADER = " (X-Pvoutput-Apikey)"
GOOD = {"X-Pvoutput-Apikey": KEY, "X-Pvoutput-SystemId": SYSTEM_ID, "X-Rate-Limit": "1"}


@pytest.fixture
def ask(fake: FakePVOutput, clock: Clock) -> Ask:
    """Ask the server; gives status and text."""
    clock.forward(hours=7)  # noon

    def ask(
        service: str, method: str = "POST", headers: dict[str, str] | None = None, **fields: str
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=5)
        query = f"?{urlencode(fields)}" if method == "GET" else ""
        body = urlencode(fields) if method == "POST" else None
        connection.request(
            method,
            f"/service/r2/{service}.jsp{query}",
            body,
            {**(GOOD if headers is None else headers), "Connection": "close"},
        )
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    return ask


STATUS = {"d": "20260301", "t": "11:00"}


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({**STATUS, "v2": "10"}, "OK 200: Added Status"),
        ({"d": "20260301", "v2": "10"}, "Bad request 400: Missing date or time"),
        ({"d": "20260301", "t": "24:00", "v2": "1"}, "Bad request 400: Missing date or time"),
        ({"d": "20261301", "t": "11:00", "v2": "1"}, "Bad request 400: Invalid Date [20261301]"),
        ({**STATUS, "n": "1", "c1": "1", "v2": "1"}, "Bad Request 400: Invalid net and cumulative"),
        ({**STATUS, "n": "1", "v1": "1"}, "Bad Request 400: Missing net power value"),
        (STATUS, "Bad request 400: Missing energy and power values"),
        ({**STATUS, "v2": "1e3"}, "Bad request 400: Could not read [v2]"),
        ({**STATUS, "v2": "1", "m1": "hi"}, "Forbidden 403: Donation Mode"),
        ({**STATUS, "v2": "-399"}, "Bad request 400: Invalid power value [-399]"),
        ({"d": "20260302", "t": "11:00", "v2": "1"}, "Bad request 400: Invalid future [20260302]"),
        (
            {"d": "20260214", "t": "11:00", "v2": "1"},
            "Bad request 400: Date is older than 14 days [20260214]",
        ),
        ({"d": "20260215", "t": "11:00", "v2": "1"}, "OK 200: Added Status"),
        (
            {**STATUS, "v2": "7501"},
            "Bad request 400: Power value [7501] too high for system size [5000]",
        ),
        (
            {**STATUS, "v4": "100001"},
            "Bad request 400: Value number cannot exceed 100000Wh [100001]",
        ),
        (
            {**STATUS, "v3": "200001"},
            "Bad request 400: Value number cannot exceed 200000Wh [200001]",
        ),
        ({"d": "20260301", "t": "04:55", "v2": "1"}, "Bad request 400: Moon Powered"),
        ({"d": "20260301", "t": "04:55", "v2": "0"}, "OK 200: Added Status"),
        ({"d": "20260301", "t": "04:55", "v1": "5"}, "Bad request 400: Moon Powered"),
        (
            {"d": "20260301", "t": "06:00", "v1": "5001"},
            "Bad request 400: Energy value [5001] too high for [06:00]",
        ),
        (
            {**STATUS, "v1": "60001"},
            "Bad request 400: Energy value [60001] too high for system size [5000]",
        ),
    ],
)
def test_addstatus(ask: Ask, fields: dict[str, str], answer: str) -> None:
    """Each rule of addstatus has its words."""
    assert ask("addstatus", **fields)[1] == answer


def test_energy_never_falls(ask: Ask) -> None:
    """An energy below that of an earlier time of the day is refused."""
    ask("addstatus", **STATUS, v1="500")

    assert ask("addstatus", d="20260301", t="11:05", v1="499") == (
        400,
        "Bad request 400: Energy value [499] lower than previously recorded value: [500]",
    )


@pytest.mark.parametrize(
    ("v2", "v4", "both"),
    [
        (None, 5, ("0", "5")),
        (None, -5, ("5", "0")),
        (5, None, ("5", "0")),
        (-5, None, ("0", "5")),
        (5, -2, ("7", "0")),
        (-5, 2, ("0", "7")),
        (5, 2, ("5", "2")),
        (-5, -2, ("2", "5")),
    ],
)
def test_net(
    ask: Ask, fake: FakePVOutput, v2: int | None, v4: int | None, both: tuple[str, str]
) -> None:
    """Net power becomes export and import by the table of the contract."""
    given = {name: str(v) for name, v in (("v2", v2), ("v4", v4)) if v is not None}
    ask("addstatus", **STATUS, n="1", **given)

    assert fake.stored("export", "import") == {"20260301 11:00": both}


@pytest.mark.parametrize(
    ("time", "quirk", "slot"),
    [
        ("11:02", "clamp", "20260301 11:00"),
        ("11:03", "clamp", "20260301 11:05"),
        ("23:58", "clamp", "20260301 23:55"),
        ("23:58", "next_day", "20260302 00:00"),
    ],
)
def test_rounding(ask: Ask, fake: FakePVOutput, time: str, quirk: str, slot: str) -> None:
    """A time goes to the nearest interval; at midnight nobody knows, so both are offered."""
    fake.world.quirks.midnight_round = quirk  # type: ignore[assignment]
    ask("addstatus", d="20260301", t=time, v2="0")

    assert list(fake.stored()) == [slot]


def test_merge(ask: Ask, fake: FakePVOutput) -> None:
    """Fields that are not sent keep what they had."""
    ask("addstatus", **STATUS, v2="10", v5="20.0")
    ask("addstatus", **STATUS, v5="21.0")

    assert fake.stored("v2", "v5") == {"20260301 11:00": ("10", "21.0")}
    assert any("later" in sin or "stored" in sin for sin in fake.lint) is False


@pytest.mark.parametrize(
    ("mode", "answer", "stored"),
    [
        ("strict", "Bad request 400: Invalid power value [-1]", 0),
        ("strict_partial", "Bad request 400: Invalid power value [-1]", 1),
        ("lenient", "20260301,11:00,1;20260301,11:05,0;20260301,11:10,1", 2),
    ],
)
def test_batch_modes(ask: Ask, fake: FakePVOutput, mode: str, answer: str, stored: int) -> None:
    """One bad record fails the batch, or only itself, as the quirk says."""
    fake.world.quirks.batch_mode = mode  # type: ignore[assignment]
    data = "20260301,11:00,,1;20260301,11:05,,-1;20260301,11:10,,3"

    assert ask("addbatchstatus", data=data)[1] == answer
    assert len(fake.stored()) == stored


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        ("", "Bad request 400: No statuses added or updated"),
        (";".join(["20260301,11:00,,1"] * 31), "Bad request 400: Batch size exceeds 30"),
        ("20260301,11:00", "Bad request 400: Could not read [data]"),
    ],
)
def test_batches_that_are_none(ask: Ask, data: str, answer: str) -> None:
    """An empty, oversize or cut batch is refused."""
    assert ask("addbatchstatus", data=data)[1] == answer


def test_load_in_progress(ask: Ask, fake: FakePVOutput) -> None:
    """A batch too soon after another one is refused, if so wished."""
    fake.world.quirks.load_in_progress_s = 20
    ask("addbatchstatus", data="20260301,11:00,,1")

    assert ask("addbatchstatus", data="20260301,11:05,,1")[1] == "Bad request 400: Load in progress"


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({}, "Unauthorized 401: Invalid System ID"),
        ({**GOOD, "X-Pvoutput-SystemId": "My roof"}, "Unauthorized 401: Invalid System ID"),
        ({**GOOD, "X-Pvoutput-Apikey": "x"}, "Unauthorized 401: Invalid API Key"),
        (
            {**GOOD, "X-Pvoutput-SystemId": "999"},
            "Unauthorized 401: Missing, invalid or inactive api key information" + HEADER,
        ),
    ],
)
def test_credentials(ask: Ask, headers: dict[str, str], answer: str) -> None:
    """Each kind of bad credentials has its words."""
    assert ask("addstatus", headers=headers, **STATUS, v2="1") == (401, answer)


def test_methods_and_places(ask: Ask) -> None:
    """Other methods and other places have their errors."""
    assert ask("addstatus", method="PUT")[0] == 405
    assert ask("postsystem")[0] == 404


def test_quota(ask: Ask, fake: FakePVOutput) -> None:
    """The request beyond the hour's quota is refused."""
    fake.world.keys[KEY].limit = 2
    answers = [ask("addstatus", **STATUS, v2=str(n))[0] for n in range(3)]

    assert answers == [200, 200, 403]


def test_getstatus(ask: Ask) -> None:
    """What is stored can be read back, alone and as history, newest first."""
    assert ask("getstatus", "GET")[1] == "Bad request 400: No status found"
    ask("addstatus", **STATUS, v2="10", v5="20.0")
    ask("addstatus", d="20260301", t="11:05", v2="11")

    assert ask("getstatus", "GET", d="20260301", t="11:00")[1] == (
        "20260301,11:00,NaN,10,NaN,NaN,NaN,20.0,NaN"
    )
    rows = ask("getstatus", "GET", d="20260301", h="1")[1].split(";")
    assert [row[9:14] for row in rows] == ["11:05", "11:00"]
    rows = ask("getstatus", "GET", d="20260301", h="1", asc="1", limit="1")[1].split(";")
    assert [row[9:14] for row in rows] == ["11:00"]
    assert ask("getstatus", "GET", ext="1")[0] == 403


def test_deletestatus(ask: Ask, fake: FakePVOutput) -> None:
    """A status, or a whole day, can be deleted."""
    ask("addstatus", **STATUS, v2="10")
    answers = [
        ask("deletestatus", **fields)[1]
        for fields in (
            {},
            {"d": "x"},
            {"d": "20260301", "t": "x"},
            {"d": "20260302"},
            {"d": "20260101"},
            {"d": "20260301", "t": "10:00"},
            {"d": "20260301"},
        )
    ]

    assert answers == [
        "Bad request 400: Date is required",
        "Bad request 400: Invalid date: [x]",
        "Bad request 400: Invalid time: [x]",
        "Bad request 400: Date is in the future",
        "Bad request 400: Date is older than 14 days [20260101]",
        "Bad request 400: Status not found",
        "OK 200: Deleted Status",
    ]
    assert fake.stored() == {}


def test_lint(ask: Ask, fake: FakePVOutput) -> None:
    """Sins are written down, never answered."""
    ask(
        "addstatus",
        method="GET",
        headers={},
        key=KEY,
        sid=SYSTEM_ID,
        d="20260301",
        t="11:01",
        v2="5.5",
    )
    ask("addbatchstatus", data="20260301,11:05,,1;20260301,11:00,,1,,,1.25")

    assert [sin.partition(": ")[2] for sin in fake.lint] == [
        "key or system id in the URL",
        "doesn't ask for the quota",
        "has no User-Agent",
        "11:01 is no multiple of the interval",
        "v2=5.5 is no integer",
        "has no User-Agent",
        "only 0.0 s after the last request",
        "v5=1.25 has odd decimals",
        "batch out of order",
    ]


def test_as_a_program() -> None:
    """It runs by itself too, and then tells what it has seen."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.pvoutput.fake_pvoutput"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        port = int(program.stdout.readline().split(":")[2].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/__fake/state")
        state = json.loads(connection.getresponse().read())
        connection.close()
        program.terminate()

    assert state == {"stored": {}, "requests": [], "lint": []}
