"""What an ECU is asked over TCP and when, and how its port is spared."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.tcp_client import TcpClient, TcpSweep
from aps_exporter.errors import EcuError, EcuPageError, EcuTimeoutError, EcuUnreachableError
from tests.ecu.frame_writing import ECU_ID, inverters, record, signals, system
from tests.ecu.tcp_ecu import REPLIES, TcpEcu, answer, hang, refuse

NOON = datetime(2026, 6, 21, 10, 30, tzinfo=UTC)
ERROR_REPLY = b"APS110015000202\n"


class World:
    """An ECU on loopback, a client of it, and the clock of both."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.replies = dict(REPLIES)
        self.refusing = False
        self.connects = 0
        self.ecu = TcpEcu(self._talk)
        self.client = TcpClient(
            connect=self._connect,
            now=lambda: NOON + timedelta(seconds=self.passed_s),
            monotonic=lambda: self.passed_s,
        )

    def _talk(self, connection: socket.socket, request: bytes, over: threading.Event) -> None:
        reply = self.replies[request[9:13]]
        if reply == b"":
            hang()(connection, request, over)
        else:
            connection.sendall(reply)

    def _connect(self, deadline: Deadline) -> socket.socket:
        self.connects += 1
        return refuse(deadline) if self.refusing else self.ecu.open_port(deadline)

    def sweep(self, seconds: float = 5.0) -> TcpSweep:
        """Let the client ask."""
        return self.client.sweep(Deadline.after(seconds))

    def failure(self, seconds: float = 5.0) -> EcuError:
        """Let the client ask in vain."""
        with pytest.raises(EcuError) as caught:
            self.sweep(seconds)
        return caught.value

    def asked(self) -> list[str]:
        """Give the commands sent since the last time."""
        commands = self.ecu.commands
        self.ecu.requests.clear()
        return commands


@pytest.fixture
def world() -> Iterator[World]:
    """Make a world, and end it after the test."""
    world = World()
    yield world
    world.ecu.close()


def test_a_sweep_holds_all_that_the_ecu_has(world: World) -> None:
    """Inverters with their signals, the ECU itself, and when it was."""
    sweep = world.sweep()
    (inverter,) = sweep.table.inverters

    assert world.asked() == ["0001", "0002", "0030"]
    assert inverter.serial == "408000012345"
    assert inverter.signal_ratio == 0.8
    assert sweep.signals == {"408000012345": 0.8}
    assert sweep.swept_at == inverter.reported_at == datetime.fromisoformat("2026-06-21 12:30:00")
    assert sweep.read_at == NOON
    assert sweep.ecu is not None
    assert sweep.ecu.ecu_id == ECU_ID
    assert sweep.ecu_error is None
    assert sweep.glitches == {}
    assert sweep.gateways == ()


def test_a_young_answer_is_given_again(world: World) -> None:
    """Within a minute, the port isn't touched."""
    first = world.sweep()
    world.asked()
    world.passed_s = 59.9

    assert world.sweep() == first
    assert world.asked() == []

    world.passed_s = 60.0

    assert world.sweep().read_at == NOON + timedelta(seconds=60)
    assert world.asked() == ["0002", "0001"]


def test_signals_are_asked_for_every_ten_minutes(world: World) -> None:
    """They cost a connection; in between, those of the last time hold."""
    asked = []
    for minute in range(21):
        world.passed_s = minute * 60
        sweep = world.sweep()
        asked.append("0030" in world.asked())

        assert sweep.table.inverters[0].signal_ratio == 0.8

    assert [minute for minute, was in enumerate(asked) if was] == [0, 10, 20]


def test_old_signals_are_forgotten(world: World) -> None:
    """An ECU that gives no signals any more has none after half an hour."""
    world.sweep()
    world.replies[b"0030"] = b"APS110015003002\n"
    world.passed_s = 1800

    assert world.sweep().table.inverters[0].signal_ratio == 0.8

    world.passed_s = 1861

    assert world.sweep().table.inverters[0].signal_ratio is None
    assert world.sweep().signals == {}


def test_an_ecu_without_signals_is_read(world: World) -> None:
    """What 0030 answers can't take the inverters along with it, nor the ECU itself."""
    world.replies[b"0030"] = b"APS110015003002\n"
    sweep = world.sweep()

    assert sweep.table.inverters[0].online
    assert sweep.table.inverters[0].signal_ratio is None
    assert sweep.ecu is not None
    assert sweep.ecu_error is None


def test_an_ecu_that_hangs_after_its_inverters(world: World) -> None:
    """The inverters are there although the rest takes longer than there is patience."""
    world.sweep()
    world.replies[b"0001"] = b""
    world.passed_s = 60
    sweep = world.client.sweep(Deadline.after(5), Deadline.after(0.2))

    assert sweep.table.inverters[0].online
    assert sweep.ecu is None
    assert sweep.ecu_error is not None
    assert sweep.ecu_error.startswith("the ECU did not answer in time; the port recovers only if ")


def test_without_an_id_there_are_no_inverters(world: World) -> None:
    """The first command is 0001, whose answer goes into all others."""
    world.replies[b"0001"] = b"APS1100160001END\n"

    assert "no id or is too short" in str(world.failure())
    assert world.asked() == ["0001"]


def test_another_ecu_at_the_address_is_noticed(world: World) -> None:
    """An id that doesn't get an answer any more is asked for anew."""
    world.sweep()
    world.asked()
    world.replies[b"0002"] = ERROR_REPLY
    world.replies[b"0001"] = system(ecu_id="216200054321")
    world.passed_s = 60

    assert world.failure().status == "page_unrecognised"
    assert world.asked() == ["0002"]

    world.replies[b"0002"] = REPLIES[b"0002"]
    world.passed_s = 120
    sweep = world.sweep()

    assert sweep.ecu is not None
    assert sweep.ecu.ecu_id == "216200054321"
    assert world.ecu.requests[1] == b"APS1100280002216200054321END\n"


def test_a_list_cut_off_is_read_once_more(world: World) -> None:
    """The ECU may have been writing it."""
    whole = REPLIES[b"0002"]
    lists = [inverters(record("408000012345", "01", 1, 2), count=1), whole]
    world.ecu.talk = lambda connection, request, _: connection.sendall(
        lists.pop(0) if request[9:13] == b"0002" else REPLIES[request[9:13]]
    )

    assert world.sweep().table.inverters[0].online
    assert world.asked() == ["0001", "0002", "0002", "0030"]


def test_a_list_that_stays_cut_off_is_an_error(world: World) -> None:
    """Twice is enough."""
    world.replies[b"0002"] = inverters(record("408000012345", "01", 1, 2), count=1)

    assert world.failure().status == "page_truncated"
    assert world.asked() == ["0001", "0002", "0002"]


def test_the_error_reply_is_not_asked_for_all_the_time(world: World) -> None:
    """The same error comes without a connection until a minute has passed."""
    world.replies[b"0002"] = ERROR_REPLY
    first = world.failure()
    world.asked()
    world.passed_s = 59
    again = world.failure()

    assert isinstance(first, EcuPageError)
    assert str(first) == "the ECU has no data for 0002: it answers with status 02"
    assert (again.status, str(again)) == (first.status, str(first))
    assert world.asked() == []

    world.passed_s = 60
    world.replies[b"0002"] = REPLIES[b"0002"]

    assert world.sweep().table.inverters


def test_a_refusing_port_is_left_alone_for_longer_and_longer(world: World) -> None:
    """A minute, twice as long each time, a quarter of an hour at most; until then nobody knocks."""
    world.refusing = True
    knocks = []
    before = 0
    for second in range(0, 5400, 15):
        world.passed_s = second
        error = world.failure()
        if world.connects > before:
            knocks.append(second)
        before = world.connects

        assert isinstance(error, EcuUnreachableError)
    pauses = [later - earlier for earlier, later in pairwise(knocks)]

    assert pauses == [60, 120, 240, 480, 900, 900, 900, 900]


def test_a_pause_says_until_when(world: World) -> None:
    """Also the first time, as that is what the log keeps."""
    world.refusing = True
    text = (
        "the ECU refuses the connection; the port recovers only if left alone, "
        "so it is asked again at 10:31:00 UTC"
    )

    assert str(world.failure()) == text

    world.passed_s = 45

    assert str(world.failure()) == text
    assert world.connects == 1


def test_a_port_that_is_back_is_trusted_again(world: World) -> None:
    """After an answer, the next refusal costs a minute again."""
    world.refusing = True
    world.failure()
    world.passed_s = 60
    world.failure()
    world.passed_s = 180
    world.refusing = False

    assert world.sweep().table.inverters

    world.refusing = True
    world.passed_s = 240

    assert str(world.failure()).endswith("asked again at 10:35:00 UTC")


def test_a_silent_port_is_left_alone_too(world: World) -> None:
    """A port that takes the connection and says nothing hangs as well."""
    world.replies[b"0001"] = b""
    error = world.failure(0.1)
    again = world.failure(0.1)

    assert isinstance(error, EcuTimeoutError)
    assert isinstance(again, EcuTimeoutError)
    assert str(again) == str(error)
    assert str(error).endswith("so it is asked again at 10:31:00 UTC")
    assert world.connects == 1


def at_night(world: World, clock: str) -> None:
    """Let the ECU show a time of its clock, then refuse to talk a minute later."""
    world.replies[b"0002"] = inverters(time=f"20260621{clock}")
    world.sweep()
    world.passed_s += 60
    world.refusing = True


@pytest.mark.parametrize("clock", ["023400", "024500", "031500", "032000"])
def test_the_nightly_maintenance_is_no_alarm(world: World, clock: str) -> None:
    """About three in the morning an ECU closes its port: that is said, and pauses don't grow."""
    at_night(world, clock)
    error = world.failure()
    began = world.passed_s
    world.failure()
    world.passed_s += 60
    world.failure()

    assert world.client.in_maintenance
    assert str(error).startswith(
        "the ECU refuses the connection; ECUs do so when they maintain themselves at night, "
        "so it is asked again at "
    )
    assert world.connects == 5

    world.passed_s = began + 120
    world.failure()

    assert world.connects == 6


@pytest.mark.parametrize("clock", ["023000", "032500", "143000"])
def test_at_other_times_a_refusal_is_one(world: World, clock: str) -> None:
    """The ECU's own clock tells when it is night there; without it, nobody knows."""
    assert not world.client.in_maintenance

    at_night(world, clock)

    assert not world.client.in_maintenance
    assert "recovers only if left alone" in str(world.failure())


def test_the_maintenance_ends_by_the_clock(world: World) -> None:
    """A port that is still closed in the morning is an alarm."""
    at_night(world, "030000")
    world.failure()
    world.passed_s += 1800
    error = world.failure()

    assert not world.client.in_maintenance
    assert "recovers only if left alone" in str(error)


def test_a_glitch_is_told_once(world: World) -> None:
    """The same reply again, or the young answer, holds no new glitch."""
    world.replies[b"0002"] = inverters(record("408000012345", "01", 500, 0, 1, 240, 2, 240))

    assert world.sweep().glitches == {"temperature": 1}
    assert world.sweep().glitches == {}

    world.passed_s = 60

    assert world.sweep().glitches == {}


def test_the_ecu_that_lists_itself_is_dropped(world: World) -> None:
    """The id that 0001 told is no inverter's in 0002."""
    world.replies[b"0001"] = system(ecu_id="999900012345")
    world.replies[b"0002"] = inverters(record("999900012345", "00", online=0))
    sweep = world.sweep()

    assert sweep.table.inverters == ()
    assert sweep.gateways == ("999900012345",)


def test_the_port_is_used_by_one_at_a_time(world: World) -> None:
    """Whoever comes while another asks waits for as long as the deadline lets it."""
    inside, go_on = threading.Event(), threading.Event()

    def slowly(connection: socket.socket, request: bytes, over: threading.Event) -> None:
        inside.set()
        go_on.wait(10)
        answer(connection, request, over)

    world.ecu.talk = slowly
    thread = threading.Thread(target=world.sweep)
    thread.start()
    inside.wait(10)
    late = world.failure(0.1)
    go_on.set()
    thread.join(10)

    assert isinstance(late, EcuTimeoutError)
    assert str(late) == "the ECU did not answer in time"
    assert world.sweep().table.inverters
    assert world.connects == 3


def test_a_client_may_ask_as_often_as_it_is_told_to(world: World) -> None:
    """Without a minimum between polls, each one asks."""
    client = TcpClient(connect=world.ecu.open_port, every_s=0, monotonic=lambda: 0.0)
    for _ in range(2):
        client.sweep(Deadline.after(5))

    assert world.asked() == ["0001", "0002", "0030", "0002", "0001"]


def test_signals_of_an_inverter_that_is_new(world: World) -> None:
    """An inverter whose signal has not been asked for has none."""
    world.sweep()
    new = record("408000054321", "01", 500, 145, 1, 240, 2, 240)
    world.replies[b"0002"] = inverters(new)
    world.replies[b"0030"] = signals({"408000054321": 255})
    world.passed_s = 60

    assert world.sweep().table.inverters[0].signal_ratio is None

    world.passed_s = 600

    assert world.sweep().table.inverters[0].signal_ratio == 1.0
