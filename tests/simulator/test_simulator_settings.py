"""What can be chosen, the clock, and the faults' writing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.faults import FAULTS, Fault, parse_fault
from aps_exporter.simulator.gateway import Gateway
from aps_exporter.simulator.settings import SimulatorSettings

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOON = datetime(2026, 6, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"family": "tcp"}, "family: must be one of cgi, php, php-dc, php-3phase"),
        ({"inverters": 0}, "inverters: must be 1 to 2000"),
        (
            {"kinds": ("ds9",)},
            "kinds: must be some of yc500, yc600, ds3, ds3d, qs1, yc1000, qt2",
        ),
        ({"interface": "modbus"}, "interface: must be one of web, tcp, both"),
        (
            {"family": "cgi", "interface": "both"},
            "interface: an ECU of the cgi family has pages alone, so must be web",
        ),
        ({"timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is not a known zone"),
        ({"timezone": "Europe"}, "timezone: 'Europe' is not a known zone"),
        ({"latitude": 91.0}, "latitude: must be -90 to 90"),
        ({"longitude": float("nan")}, "longitude: must be -180 to 180"),
        ({"start": NOON}, "start: must be local time without a zone"),
        ({"speed": -1.0}, "speed: must be 0 (stopped) or more"),
        ({"answer_delay_s": float("inf")}, "answer_delay_s: must be 0 or more"),
        (
            {"inverters": -1, "speed": float("nan")},
            "inverters: must be 1 to 2000; speed: must be 0 (stopped) or more",
        ),
    ],
)
def test_settings_that_cant_be_say_so(wrong: dict[str, object], said: str) -> None:
    """All problems are named at once, each with its field."""
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        SimulatorSettings(**wrong)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drip", Fault("drip", "1")),
        ("drip=0.25", Fault("drip", "0.25")),
        (" page-gone = 404 ", Fault("page-gone", "404")),
        ("hang", Fault("hang")),
        ("hang=", Fault("hang")),
        ("tcp-error", Fault("tcp-error", "02")),
        ("tcp-wrong-length=-3", Fault("tcp-wrong-length", "-3")),
        ("inverter-silent=801000090002", Fault("inverter-silent", "801000090002")),
        ("channel-dead=801000090001-3", Fault("channel-dead", "801000090001-3")),
        ("clock-zone=+7", Fault("clock-zone", "+7")),
        ("clock-zone=Asia/Tokyo", Fault("clock-zone", "Asia/Tokyo")),
    ],
)
def test_a_fault_is_read_and_written_alike(text: str, fault: Fault) -> None:
    """What a fault is written as, it is read as again."""
    assert parse_fault(text) == fault
    assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("meteor", "'meteor' is not a fault; there are: inverter-silent, "),
        ("inverter-silent", "inverter-silent needs a serial of twelve digits, or all, as in"),
        ("inverter-silent=7", "inverter-silent needs a serial of twelve digits, or all (got '7')"),
        ("channel-dead=801000090001", "channel-dead needs a panel's id such as"),
        ("over-voltage=D", "over-voltage needs a phase"),
        ("page-cut=1.5", "page-cut needs a share from 0 to 1 (got '1.5')"),
        ("page-cut=half", "page-cut needs a share from 0 to 1 (got 'half')"),
        ("drip=nan", "drip needs seconds for each byte (got 'nan')"),
        ("page-gone=500", "page-gone needs the status: 200 or 404 (got '500')"),
        ("clock-zone=Atlantis", "clock-zone needs hours such as +7 or -1.5, or a zone"),
        ("clock-zone=Europe", "clock-zone needs hours such as +7 or -1.5, or a zone"),
        ("tcp-error=2", "tcp-error needs the status of two digits (got '2')"),
        ("tcp-offline=gone", "tcp-offline needs one of zeroed, zero-celsius, old-values, never"),
        ("hang=3", "hang takes nothing behind it (got '3')"),
    ],
)
def test_a_fault_that_cant_be_says_what_would_be_right(text: str, said: str) -> None:
    """A fault's errors are one line that starts with its name."""
    with pytest.raises(ValueError, match=f"^{re.escape(said)}") as caught:
        parse_fault(text)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        "inverter-silent=801000099999",
        "channel-dead=801000090001-9",
        "tcp-unknown-type=801000090099",
    ],
)
def test_a_fault_must_name_somebody_on_the_roof(fault: str) -> None:
    """A serial or panel that the roof hasn't is refused, with those that it has."""
    with pytest.raises(ValueError, match=f"^{fault}: there is no such .* only 801000090001-1, "):
        Gateway(SimulatorSettings(faults=(fault,)), Clock(NOON))


def test_every_fault_explains_itself() -> None:
    """A fault with an argument says what it is, and its default is valid."""
    for kind in FAULTS.values():
        assert kind.help
        assert kind.argument or kind.default is None
        assert kind.default is None or kind.valid(kind.default)


def test_the_clock_runs_jumps_and_changes_speed() -> None:
    """Simulated time is the start plus the speed times what has passed."""
    passed = 0.0
    clock = Clock(NOON, 60, lambda: passed)
    passed = 10.0

    assert clock.now() == datetime(2026, 6, 21, 12, 10, tzinfo=UTC)
    clock.set_speed(0)
    passed = 99.0

    assert clock.now() == datetime(2026, 6, 21, 12, 10, tzinfo=UTC)
    clock.jump(NOON)
    clock.set_speed(1)
    clock.advance(300)
    passed = 100.0

    assert clock.now() == datetime(2026, 6, 21, 12, 5, 1, tzinfo=UTC)


def test_the_clock_starts_at_a_local_time() -> None:
    """A start is local time: a moment, or a time of today."""
    moment = Clock.at_local(datetime(2026, 6, 21, 12, 30), AMSTERDAM, 0)  # noqa: DTZ001  # local
    today = Clock.at_local(time(12, 30), AMSTERDAM, 0).now().astimezone(AMSTERDAM)
    now = Clock.at_local(None, AMSTERDAM).now()

    assert moment.now() == datetime(2026, 6, 21, 10, 30, tzinfo=UTC)
    assert today.time() == time(12, 30)
    assert abs((now - datetime.now(UTC)).total_seconds()) < 5
