"""One status sent at once, for people who let cron publish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from aps_exporter.config import PVOutputSettings, Settings
from aps_exporter.errors import ConfigError, PVOutputError
from aps_exporter.model import EcuInfo
from aps_exporter.pvoutput.client import Client
from aps_exporter.pvoutput.one_shot import publish_once, send_once
from aps_exporter.pvoutput.operator import (
    check_online,
    outbox_drop,
    outbox_list,
    outbox_retry,
)
from aps_exporter.pvoutput.policy import Account, Fields, Policy
from aps_exporter.pvoutput.site import Site
from aps_exporter.summary import Summary
from tests.pvoutput.day import Day, Roof
from tests.pvoutput.fake_pvoutput import KEY, SYSTEM_ID, Clock, FakePVOutput, Fault

TEN = datetime(2026, 3, 1, 0, 7, tzinfo=UTC)
"""Seven past ten in Brisbane; as a sweep takes 90 seconds, the page shows that of 10:00:56."""

Send = Callable[..., str | None]


@pytest.fixture
def send(fake: FakePVOutput, clock: Clock) -> Send:
    """Send a summary as `Policy` says."""
    clock.now = TEN
    account = Account(base_url=fake.url, system_id=SYSTEM_ID, api_key=SecretStr(KEY))

    def send(summary: Summary, policy: Policy | None = None) -> str | None:
        policy = policy or Policy()
        return send_once(summary, Client(account), policy, Site(policy, {}, ZoneInfo("UTC")))

    return send


@pytest.fixture
def settings(fake: FakePVOutput, folder: Path) -> Settings:
    """Give a configuration that publishes to the fake server."""
    return Settings(
        host="192.0.2.7",
        state_dir=folder,
        timezone="Australia/Brisbane",
        pvoutput=PVOutputSettings(
            publish=True, api_key=SecretStr(KEY), system_id=SYSTEM_ID, base_url=fake.url
        ),
    )


def test_one_status(send: Send, fake: FakePVOutput) -> None:
    """One addstatus with the reading's own time, on the interval; the answer is PVOutput's."""
    text = send(Roof().summary(TEN))

    assert text == "OK 200: Added Status"
    assert [r.service for r in fake.requests] == ["addstatus"]
    assert fake.requests[0].fields == {
        "d": "20260301",
        "t": "10:00",
        "v2": "2604",
        "v5": "31.5",
        "v6": "236.2",
    }
    assert fake.lint == []


def test_without_any_zone_the_ecus_clock_counts(send: Send, fake: FakePVOutput) -> None:
    """Where nobody knows a zone, the date and time are those on the page."""
    send(Roof(says_zone=False).summary(TEN))

    assert list(fake.stored()) == ["20260301 10:00"]


def test_a_row_of_the_future(send: Send, fake: FakePVOutput) -> None:
    """A row in the future is sent as of now."""
    summary = Roof().summary(TEN + timedelta(hours=1))
    send(replace(summary, reading=replace(summary.reading, read_at=TEN)))

    assert list(fake.stored()) == ["20260301 10:05"]


def test_nothing_received(send: Send, fake: FakePVOutput) -> None:
    """When no panel reported there is nothing to send."""
    assert send(Roof(peak_w=0).summary(TEN)) is None
    assert fake.requests == []


def test_frequency_with_a_donation(send: Send, fake: FakePVOutput) -> None:
    """The frequency goes out under its key, as in the original script."""
    fake.world.keys[KEY].donation = True
    send(Roof().summary(TEN), Policy(fields=Fields(frequency_key="v11")))

    assert fake.stored("v11") == {"20260301 10:00": ("50.01",)}


def test_frequency_without_a_donation(send: Send, fake: FakePVOutput) -> None:
    """Refused for the frequency, the rest is sent without it."""
    text = send(Roof().summary(TEN), Policy(fields=Fields(frequency_key="v11")))

    assert text == "OK 200: Added Status"
    assert [r.status for r in fake.requests] == [403, 200]


def test_energy_that_is_refused(send: Send, fake: FakePVOutput) -> None:
    """An energy that PVOutput finds impossible doesn't cost the power."""
    roof = Roof(energy=lambda _: EcuInfo(energy_today_wh=99_000.0, energy_lifetime_wh=4.0e6))
    send(roof.summary(TEN), Policy(energy="daily"))

    assert fake.stored("v1", "v2") == {"20260301 10:00": ("", "2604")}


def test_lifetime_energy(send: Send, fake: FakePVOutput) -> None:
    """The counter since installation is marked as such."""
    roof = Roof(energy=lambda _: EcuInfo(energy_today_wh=9.0, energy_lifetime_wh=4.0e6))
    send(roof.summary(TEN), Policy(energy="lifetime"))

    assert fake.requests[0].fields["c1"] == "2"
    assert fake.stored("v1") == {"20260301 10:00": ("4000000",)}


def says(status: int, body: str) -> Fault:
    """Make PVOutput say something."""
    return Fault("status", status=status, body=body, content_type="text/plain")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (says(400, "Bad request 400: Moon Powered"), "Bad request 400: Moon Powered"),
        (says(401, "Unauthorized 401: Invalid API Key"), "Unauthorized 401: Invalid API Key"),
        (says(200, ""), "status 200, without a word"),
        (says(400, "so " * 100), "^.{200}…$"),
        (Fault("status", status=502), "a page, status 502"),
        (Fault("html_200"), "a page, status 200"),
        (Fault("drop_before"), "can't be reached"),
    ],
)
def test_refusals(send: Send, fake: FakePVOutput, fault: Fault, words: str) -> None:
    """A refusal is told in PVOutput's own words."""
    fake.faults.append(replace(fault, times=9))

    with pytest.raises(PVOutputError, match=words):
        send(Roof().summary(TEN))


def test_publish_once_uses_what_the_sidecar_learned(
    make_day: Callable[..., Day], fake: FakePVOutput, settings: Settings
) -> None:
    """The interval that getsystem told the sidecar counts for cron too."""
    fake.world.systems[SYSTEM_ID].interval = 15
    day = make_day()
    day.until("2026-03-01 06:10")
    day.kill()
    fake.requests.clear()

    assert publish_once(Roof().summary(TEN), settings) == "OK 200: Added Status"
    assert fake.requests[0].fields["t"] == "10:00"
    assert publish_once(Roof().summary(TEN + timedelta(minutes=12)), settings)
    assert fake.requests[1].fields["t"] == "10:15"


def test_credentials_are_needed(settings: Settings) -> None:
    """Without key and system id there is nobody to speak to."""
    bare = settings.model_copy(update={"pvoutput": PVOutputSettings()})

    with pytest.raises(ConfigError, match=r"pvoutput\.api_key"):
        check_online(bare)


# --- the owner's view ------------------------------------------------------------------------


def test_check_online(settings: Settings) -> None:
    """A check says that the key is good and what PVOutput knows of the system."""
    assert check_online(settings) == [
        "PVOutput accepts the key",
        "System 12345: Roof, 5000 W",
        "Status interval: 5 minutes",
        "Time zone: Australia/Brisbane, as here",
        "Donation: no",
    ]


def test_check_online_disagrees(settings: Settings, fake: FakePVOutput) -> None:
    """What PVOutput has otherwise is pointed out."""
    fake.world.systems[SYSTEM_ID].tz = "Europe/Oslo"
    pvoutput = settings.pvoutput.model_copy(update={"interval": 10, "donation": True})
    lines = check_online(settings.model_copy(update={"pvoutput": pvoutput}))

    assert lines[2:] == [
        "Status interval: 5 minutes, but pvoutput.interval is 10",
        "Time zone: Europe/Oslo, but here it is Australia/Brisbane: the day will be shifted",
        "Donation: no; pvoutput.donation is yes",
    ]


def test_check_online_refused(settings: Settings, fake: FakePVOutput) -> None:
    """A bad key is told in PVOutput's own words."""
    fake.world.keys.clear()

    with pytest.raises(PVOutputError, match="Unauthorized 401: Invalid API Key"):
        check_online(settings)


def test_outbox_list_retry_drop(day: Day, fake: FakePVOutput, settings: Settings) -> None:
    """What is dead is listed with PVOutput's words, and can try again or be dropped."""
    day.until("2026-03-01 06:30")
    text = "Bad request 400: Moon Powered"
    fault = Fault("status", status=400, body=text, content_type="text/plain", times=2)
    fake.faults.append(fault)
    day.until("2026-03-01 06:40")
    listed = outbox_list(settings)

    assert [(r.state, r.when, r.error) for r in listed] == [
        ("dead", "2026-03-01 06:25", text),
        ("dead", "2026-03-01 06:30", text),
    ]
    assert outbox_retry(settings, ["2026-03-01 06:25"]) == 1
    day.until("2026-03-01 06:50")
    assert [r.when for r in outbox_list(settings)] == ["2026-03-01 06:30"]
    assert outbox_drop(settings) == 1
    assert outbox_list(settings) == []


def test_no_outbox_yet(settings: Settings) -> None:
    """Before the first status there is nothing to list, and no file is made for it."""
    assert outbox_list(settings) == []
    assert outbox_retry(settings) == outbox_drop(settings) == 0
    assert list(settings.state_dir.iterdir()) == []


def test_an_outbox_that_cannot_be_read(settings: Settings, folder: Path) -> None:
    """A file that can't be opened is said to be so, in one line."""
    (folder / "state.sqlite3").mkdir()

    with pytest.raises(ConfigError, match=r"state\.sqlite3: can't be opened"):
        outbox_list(settings)


def test_a_damaged_outbox_is_no_reason_not_to_send(settings: Settings, folder: Path) -> None:
    """One status needs no outbox: what can't be read there is not known."""
    (folder / "state.sqlite3").write_bytes(b"no database at all " * 100)

    assert publish_once(Roof(peak_w=0).summary(TEN), settings) is None


def test_no_frequency_without_a_donation_by_the_configuration(
    send: Send, fake: FakePVOutput
) -> None:
    """Who says that there is no donation gets no refusal for the frequency."""
    send(Roof().summary(TEN), Policy(donation=False, fields=Fields(frequency_key="v11")))

    assert [r.status for r in fake.requests] == [200]


@pytest.mark.parametrize("name", ["", " ", "2", "2026-03", "2026-03-01 06", "2026-03-01 06:255"])
@pytest.mark.parametrize("act", [outbox_drop, outbox_retry])
def test_only_whole_names(day: Day, settings: Settings, act: Callable[..., int], name: str) -> None:
    """What names neither a day nor a slot is refused, and nothing is lost."""
    day.until("2026-03-01 06:05")
    day.line.up = False
    day.until("2026-03-01 06:30")
    before = outbox_list(settings)

    with pytest.raises(ConfigError, match="name a day as 2026-03-01, or a slot as"):
        act(settings, [name])
    assert outbox_list(settings) == before != []


def test_names_of_slots_and_days(day: Day, settings: Settings) -> None:
    """A slot may be named with a T; a name that nothing has drops nothing; a day is all of it."""
    day.until("2026-03-01 06:05")
    day.line.up = False
    day.until("2026-03-01 06:30")
    waiting = len(outbox_list(settings))

    assert outbox_drop(settings, ["2026-03-02", "2026-03-01 06:26"]) == 0
    assert outbox_drop(settings, ["2026-03-01T06:15"]) == 1
    assert outbox_drop(settings, ["2026-03-01"]) == waiting - 1 > 0


def test_publish_once_asks_for_the_interval(fake: FakePVOutput, settings: Settings) -> None:
    """Where no sidecar ever ran, getsystem is asked once for what isn't configured."""
    fake.world.systems[SYSTEM_ID].interval = 15

    assert publish_once(Roof().summary(TEN + timedelta(minutes=12)), settings)
    assert [r.service for r in fake.requests] == ["getsystem", "addstatus"]
    assert fake.requests[1].fields["t"] == "10:15"


@pytest.mark.parametrize("fault", [Fault("status", status=500), Fault("drop_before")])
def test_publish_once_without_getsystem(
    fake: FakePVOutput, settings: Settings, fault: Fault
) -> None:
    """Where getsystem fails, a status of five minutes is sent nevertheless."""
    fake.faults.append(replace(fault, service="getsystem", times=9))

    assert publish_once(Roof().summary(TEN), settings) == "OK 200: Added Status"
    assert list(fake.stored()) == ["20260301 10:00"]


def test_the_outbox_needs_no_key(day: Day, settings: Settings) -> None:
    """Who looks at the outbox speaks to nobody; which system's it is has to be known."""
    day.until("2026-03-01 06:05")
    day.line.up = False
    day.until("2026-03-01 06:30")
    pvoutput = PVOutputSettings(system_id=SYSTEM_ID)

    assert outbox_list(settings.model_copy(update={"pvoutput": pvoutput}))
    with pytest.raises(ConfigError, match=r"^pvoutput\.system_id: "):
        outbox_list(settings.model_copy(update={"pvoutput": PVOutputSettings()}))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("status", status=500), "a page for people, status 500"),
        (says(401, ""), "status 401, without a word"),
    ],
)
def test_what_was_tried_says_so(
    day: Day, fake: FakePVOutput, settings: Settings, fault: Fault, words: str
) -> None:
    """A record that waits after a failure has its tries counted, and the reason beside it."""
    day.until("2026-03-01 06:30")
    fake.faults.append(replace(fault, times=99))
    day.until("2026-03-01 06:40")
    oldest = outbox_list(settings)[0]

    assert (oldest.state, oldest.error) == ("pending", words)
    assert oldest.attempts > 0
