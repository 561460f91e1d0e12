"""The simulated ECU's TCP port over real sockets."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from aps_exporter.simulator.clock import Clock
from aps_exporter.simulator.gateway import Gateway
from aps_exporter.simulator.server import Simulator
from aps_exporter.simulator.settings import SimulatorSettings
from aps_exporter.simulator.tcp_commands import parse_command, reply

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOON = datetime(2026, 6, 21, 12, 30, tzinfo=AMSTERDAM)
NIGHT = datetime(2026, 6, 21, 23, 30, tzinfo=AMSTERDAM)
SYSTEM = b"APS1100160001END\n"
ECU = b"216200099999"
LIST = b"APS1100280002" + ECU + b"END\n"
SIGNALS = b"APS1100280030" + ECU + b"END\n"
CURVE = b"APS1100390003" + ECU + b"END20260621END\n"


def _gateway(at: datetime = NOON, **settings: object) -> Gateway:
    chosen = {"family": "php-dc"} | settings
    return Gateway(SimulatorSettings(**chosen), Clock(at, 0))  # type: ignore[arg-type]  # by name


def _reply(gateway: Gateway, line: bytes) -> bytes:
    command = parse_command(line)
    if command is None:
        pytest.fail(f"no command: {line!r}")
    return reply(gateway, command)


def _number(data: bytes, start: int, size: int) -> int:
    return int.from_bytes(data[start : start + size])


def test_the_system_says_what_the_home_page_says() -> None:
    """Id, energies, power and counts are those of the pages, in their units on the wire."""
    gateway = _gateway(faults=("inverter-silent=801000090002",))
    data, info = _reply(gateway, SYSTEM), gateway.shown().info

    assert data[13:25] == ECU
    assert _number(data, 27, 4) == round((info.energy_lifetime_wh or 0) / 100)
    assert _number(data, 31, 4) == info.power_w
    assert _number(data, 35, 4) == round((info.energy_today_wh or 0) / 10)
    assert (_number(data, 46, 2), _number(data, 48, 2)) == (5, 4)
    assert b"015ECU_R_PRO_2.0.2016Europe/Amsterdam" in data


def test_the_list_says_what_the_table_says() -> None:
    """The time is the sweep's, the watts are the table's, in a QS1's record of 23 bytes."""
    gateway = _gateway()
    data, shown = _reply(gateway, LIST), gateway.shown()
    inverter = shown.inverters[0]
    hertz, celsius, one, volts, two, three, four = struct.unpack(">7H", data[35:49])

    assert _number(data, 17, 2) == 5
    assert data[19:26].hex() == f"{shown.swept_at:%Y%m%d%H%M%S}"
    assert data[26:35] == bytes.fromhex("801000090001 01 3033")
    assert [one, two, three, four] == [channel.power_w for channel in inverter.channels]
    assert volts == inverter.grid_voltages[0].voltage_v
    assert hertz / 10 == inverter.grid_frequency_hz
    assert celsius - 100 == inverter.temperature_c
    assert len(data) == 26 + 5 * 23 + 4


def test_each_kind_has_its_type() -> None:
    """The types of the wire, in the order of the kinds on the roof."""
    kinds = ("yc600", "ds3", "ds3d", "qs1", "yc1000", "qt2")
    gateway = _gateway(kinds=kinds, inverters=6)
    data = _reply(gateway, LIST)
    sizes = dict(zip(kinds, (21, 21, 21, 23, 27, 27), strict=True))
    types, at = [], 26
    for kind in kinds:
        types.append(data[at + 7 : at + 9])
        at += sizes[kind]

    assert types == [b"01", b"01", b"04", b"03", b"02", b"05"]
    assert data[at:] == b"END\n"


def test_an_ecu_r_calls_a_qt2_yc1000_and_stands_in_the_factory() -> None:
    """It has TCP alone, an id of 2160, the factory's zone, and lines of 390 V in type 02."""
    gateway = _gateway(interface="tcp", kinds=("qt2",), inverters=1)
    system = _reply(gateway, SYSTEM)
    data = _reply(gateway, LIST.replace(ECU, b"216000099999"))

    assert system[13:25] == b"216000099999"
    assert b"009Etc/GMT-8" in system
    assert system[39:46] == b"\xd0" * 7
    assert data[33:35] == b"02"
    assert 380 < _number(data, 41, 2) < 430


def test_by_night_the_sweeps_go_on_and_nobody_answers() -> None:
    """Over TCP the time moves and all are offline, while the pages repeat the rows of dusk."""
    gateway = _gateway(NIGHT)
    data = _reply(gateway, LIST)
    system = _reply(gateway, SYSTEM)

    assert data[19:24].hex() == "2026062123"
    assert [data[26 + 23 * n + 6] for n in range(5)] == [0] * 5
    assert (_number(system, 31, 4), _number(system, 48, 2)) == (0, 0)
    assert _number(system, 35, 4) > 500
    assert any(inverter.online for inverter in gateway.shown().inverters)


def test_signals_are_there_for_all_that_were_ever_heard() -> None:
    """A silent inverter keeps its level, one that was never heard has none."""
    faults = ("inverter-silent=801000090001", "inverter-never-contacted=801000090002")
    data = _reply(_gateway(faults=faults), SIGNALS)
    levels = [data[15 + 7 * n + 6] for n in range(5)]

    assert [level > 0 for level in levels] == [True, False, True, True, True]


def test_the_curve_is_the_graph_pages() -> None:
    """A day's sweeps to the minute; another day has its own, and one that is none has nothing."""
    gateway = _gateway()
    data = _reply(gateway, CURVE)
    points = gateway.curve(NOON.date())
    before = _reply(gateway, CURVE.replace(b"20260621", b"20260620"))

    assert len(data) == 15 + 4 * len(points) + 4
    assert data[15:17].hex() == f"{points[0][0].astimezone(AMSTERDAM):%H%M}"
    assert _number(data, len(data) - 6, 2) == points[-1][1] == gateway.shown().info.power_w
    assert len(before) > len(data)
    assert _reply(gateway, CURVE.replace(b"0621", b"0699")) == b"APS110018000300END\n"


@pytest.mark.parametrize("line", [LIST, SIGNALS, CURVE])
def test_another_ecus_id_is_refused(line: bytes) -> None:
    """A command for somebody else is answered with a status alone."""
    answer = _reply(_gateway(), line.replace(ECU, b"216200000001"))

    assert answer == b"APS110015" + line[9:13] + b"01\n"


@pytest.mark.parametrize(
    ("fault", "line", "expected"),
    [
        ("tcp-error", LIST, b"APS110015000202\n"),
        ("tcp-error=07", SIGNALS, b"APS110015003007\n"),
        ("empty-table", LIST, b"APS1100290002"),
        ("tcp-count-zero", LIST, b"APS1100290002"),
        ("tcp-wrong-length=+5", LIST, b"APS1101490002"),
        ("tcp-wrong-length=-5", SIGNALS, b"APS1100480030"),
        ("tcp-format-02", SYSTEM, b"APS120113000121620009999902"),
    ],
)
def test_faults_of_replies(fault: str, line: bytes, expected: bytes) -> None:
    """What the reply begins with, or all of it."""
    spoilt, healthy = _reply(_gateway(faults=(fault,)), line), _reply(_gateway(), line)

    assert spoilt.startswith(expected)
    assert not healthy.startswith(expected)


def test_the_system_is_told_whatever_fails() -> None:
    """The fault of all commands spares the first."""
    assert _reply(_gateway(faults=("tcp-error",)), SYSTEM) == _reply(_gateway(), SYSTEM)


def test_a_short_reply_is_short() -> None:
    """It ends after its share of bytes, whatever its length says."""
    whole, short = _reply(_gateway(), LIST), _reply(_gateway(faults=("tcp-short=0.5",)), LIST)

    assert short == whole[: len(whole) // 2]


def test_records_in_another_order_are_the_same_records() -> None:
    """Shuffled, each record is as it was."""
    whole, mixed = _reply(_gateway(), LIST), _reply(_gateway(faults=("tcp-shuffled",)), LIST)
    records = [[data[at : at + 23] for at in range(26, 141, 23)] for data in (whole, mixed)]

    assert records[0] != records[1]
    assert sorted(records[0]) == sorted(records[1])


def test_an_ecu_that_lists_itself() -> None:
    """Its own id comes last, as an inverter never contacted, and is counted."""
    data = _reply(_gateway(faults=("tcp-own-id",)), LIST)

    assert _number(data, 17, 2) == 6
    assert data.endswith(bytes.fromhex("216200099999 00 3030") + b"END\n")


def test_a_never_contacted_inverter_is_short_in_the_middle() -> None:
    """Its record of nine bytes stands where its long one would."""
    data = _reply(_gateway(faults=("inverter-never-contacted=801000090003",)), LIST)

    assert data[26 + 46 : 26 + 55] == bytes.fromhex("801000090003 00 3030")
    assert data[26 + 55 : 26 + 61] == bytes.fromhex("801000090004")


def test_a_type_that_nobody_knows() -> None:
    """Only the inverter that was named claims it."""
    data = _reply(_gateway(faults=("tcp-unknown-type=801000090002",)), LIST)

    assert [data[33 + 23 * n : 35 + 23 * n] for n in range(3)] == [b"03", b"99", b"03"]


def test_an_offline_record_can_keep_old_values() -> None:
    """Old volts, a watt and 0 °C stand in the record of a silent inverter."""
    faults = ("inverter-silent=801000090001", "tcp-offline")
    data = _reply(_gateway(faults=faults), LIST)

    assert data[32:49] == bytes.fromhex("00 3033 0000 0064 0000 00e7 0000 0001 0000")


def test_glitches_show_over_both_interfaces() -> None:
    """Zeroed or fallen energy and odd values stand on the pages as in the replies."""
    healthy = _gateway()
    today = healthy.shown().info.energy_today_wh or 0
    for fault, info in (
        ("lifetime-zero", {"energy_lifetime_wh": 0.0}),
        ("today-zero", {"energy_today_wh": 0.0}),
        ("today-falls=0.5", {"energy_today_wh": today / 2}),
    ):
        gateway = _gateway(faults=(fault,))
        for said in (gateway.shown(), gateway.told()):
            assert (
                info.items()
                <= {
                    "energy_lifetime_wh": said.info.energy_lifetime_wh,
                    "energy_today_wh": said.info.energy_today_wh,
                }.items()
            )

    odd = _gateway(faults=("temperature-zeroed=801000090001", "impossible-volts=801000090001"))

    assert _reply(odd, LIST)[37:39] == b"\0\0"
    assert _reply(odd, LIST)[41:43] == bytes.fromhex("1999")


def test_awkward_bytes_hold_line_feeds_and_end() -> None:
    """Both stand inside of bodies, where they end nothing."""
    gateway = _gateway(faults=("awkward-bytes",))

    assert _reply(gateway, SYSTEM)[27:31] == b"\0END"
    assert b"\n" in _reply(gateway, LIST)[:-1]


def test_the_factorys_zone_is_told_over_tcp_alone() -> None:
    """The home page still has the right one."""
    gateway = _gateway(faults=("tcp-factory-zone",))

    assert b"009Etc/GMT-8" in _reply(gateway, SYSTEM)
    assert gateway.shown().info.timezone == "Europe/Amsterdam"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"APS1100160001END",
        b"APS1100160004END\n",
        b"APS1100280026216200099999END\n",
        b"APS1100280025216200099999END\n",
        b"APS1100390004216200099999END00END\n",
        b"APS1100170001END\n",
        b"APS1100280002" + "２".encode() * 12 + b"END\n",
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_nothing_else_is_a_command(line: bytes) -> None:
    """Settings, switches, a wrong length, other digits or another protocol are not understood."""
    assert parse_command(line) is None


# Over sockets.


@contextmanager
def _simulator(**settings: object) -> Iterator[Simulator]:
    defaults = {"family": "php-dc", "start": NOON.replace(tzinfo=None), "speed": 0.0}
    with Simulator(SimulatorSettings(**(defaults | settings))) as simulator:  # type: ignore[arg-type]  # by name
        yield simulator


@contextmanager
def _connect(ecu: Simulator, *lines: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", ecu.tcp_port or 0), timeout=10) as connection:
        for line in lines:
            connection.sendall(line)
        yield connection


def _read(connection: socket.socket) -> bytes:
    """Read one reply by its length, and its line feed."""
    data = b""
    while len(data) < 9 or len(data) <= int(data[5:9]):
        part = connection.recv(1 if len(data) < 9 else int(data[5:9]) + 1 - len(data))
        if not part:
            return data
        data += part
    return data


def _ask(ecu: Simulator, line: bytes) -> bytes:
    with _connect(ecu, line) as connection:
        return _read(connection)


def _is_refused(port: int | None) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port or 0), timeout=10):
            return False
    except ConnectionRefusedError:
        return True


def _eventually(is_so: Callable[[], bool]) -> None:
    """Wait at most ten seconds for something to become true."""
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


def test_commands_are_answered_over_tcp() -> None:
    """All four, each on a connection of its own; what came is remembered."""
    with _simulator() as ecu:
        replies = [_ask(ecu, line) for line in (SYSTEM, LIST, SIGNALS, CURVE)]
        commands = [visit.command.code for visit in ecu.tcp_visits]

        assert all(data.endswith(b"END\n") for data in replies)
        assert replies[1] == _reply(_gateway(), LIST)
        assert commands == ["0001", "0002", "0030", "0003"]
        assert (ecu.forbidden_commands, ecu.most_tcp_connections) == ((), 1)


@pytest.mark.parametrize("line", [b"APS1100280026216200099999END\n", b"reboot", b"\xff" * 2000])
def test_what_is_forbidden_is_noted_and_not_answered(line: bytes) -> None:
    """The connection is closed without a word, and a test can prove what came."""
    with _simulator() as ecu, _connect(ecu, line) as connection:
        connection.shutdown(socket.SHUT_WR)
        try:
            answer = connection.recv(1)
        except ConnectionResetError:
            answer = b""
        (noted,) = ecu.forbidden_commands

        assert answer == b""
        assert line.startswith(noted)
        assert ecu.tcp_visits == ()


def test_a_late_ecu_wants_a_connection_for_each_command() -> None:
    """The reply doesn't end the connection; the second command does, unanswered."""
    with _simulator() as ecu, _connect(ecu, SYSTEM) as connection:
        first = _read(connection)
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        connection.sendall(LIST)

        assert first.endswith(b"END\n")
        assert connection.recv(1) == b""


def test_an_ecu_r_answers_again_on_the_same_connection() -> None:
    """Two commands, two replies."""
    line = LIST.replace(ECU, b"216000099999")
    with _simulator(interface="tcp") as ecu, _connect(ecu, SYSTEM) as connection:
        first = _read(connection)
        connection.sendall(line)

        assert first[9:13] == b"0001"
        assert _read(connection)[9:13] == b"0002"


def test_an_ecu_without_pages_refuses_them() -> None:
    """Its web port is closed and stays ours; the control page is there."""
    with _simulator(interface="tcp") as ecu:
        assert _is_refused(ecu.port)
        assert not ecu.has_pages
        assert _ask(ecu, SYSTEM).endswith(b"END\n")


@pytest.mark.parametrize("settings", [{"family": "php"}, {"family": "cgi"}, {"interface": "web"}])
def test_an_ecu_may_have_no_tcp_port(settings: dict[str, object]) -> None:
    """The old families have none, and none is what was asked for."""
    with _simulator(**settings) as ecu:
        assert (ecu.tcp_port, ecu.tcp_host) == (None, None)
        assert (ecu.tcp_visits, ecu.forbidden_commands, ecu.most_tcp_connections) == ((), (), 0)


def test_a_taken_tcp_port_is_an_error() -> None:
    """Nothing is left open when the port is another's."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match="in use"), _simulator(tcp_port=port):
            pass


@pytest.mark.parametrize(("fault", "pages", "tcp"), [
    ("refuse", True, True),
    ("web-refuse", True, False),
    ("tcp-refuse", False, True),
])  # fmt: skip
def test_either_port_can_refuse(fault: str, *, pages: bool, tcp: bool) -> None:
    """A fault closes its port or both, which open again on their numbers."""
    with _simulator(faults=(fault,)) as ecu:
        refused = (_is_refused(ecu.port), _is_refused(ecu.tcp_port))
        ecu.switch_off(fault)

        assert refused == (pages, tcp)
        assert _ask(ecu, SYSTEM).endswith(b"END\n")


def test_the_port_closes_for_maintenance_by_night() -> None:
    """From 02:45 to 03:15 on the ECU's clock, however the clock got there."""
    clock = Clock(NIGHT, 0)
    settings = SimulatorSettings(family="php-dc", faults=("tcp-maintenance",))
    with Simulator(settings, clock) as ecu:
        before = _ask(ecu, SYSTEM)
        clock.advance(3.5 * 3600)
        _eventually(lambda: _is_refused(ecu.tcp_port))
        clock.advance(1800)
        _eventually(lambda: not _is_refused(ecu.tcp_port))

        assert before.endswith(b"END\n")
        assert _ask(ecu, SYSTEM).endswith(b"END\n")


@pytest.mark.parametrize("fault", ["reset", "tcp-reset"])
def test_a_reset_comes_in_place_of_the_reply(fault: str) -> None:
    """The command was read."""
    with _simulator(faults=(fault,)) as ecu:
        with pytest.raises(ConnectionResetError):
            _ask(ecu, SYSTEM)

        assert len(ecu.tcp_visits) == 1


@pytest.mark.parametrize(
    ("fault", "came"), [("hang", b""), ("tcp-hang", b""), ("tcp-stall=0.1", b"APS12011600")]
)
def test_silence_before_and_in_the_middle_of_a_reply(fault: str, came: bytes) -> None:
    """What came, came; then there is nothing, not even an end."""
    with _simulator(faults=(fault,)) as ecu, _connect(ecu, SYSTEM) as connection:
        _eventually(lambda: len(ecu.tcp_visits) > 0)
        connection.settimeout(0.2)
        got = connection.recv(100) if came else b""
        with pytest.raises(TimeoutError):
            connection.recv(1)

        assert got == came


def test_a_dripping_reply_comes_byte_by_byte() -> None:
    """The fault of all interfaces and that of this one; a quick drip tells the reply whole."""
    with _simulator(faults=("drip=30",)) as ecu:
        with _connect(ecu, SYSTEM) as connection:
            first = connection.recv(100)
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        ecu.switch_on("tcp-drip=0")

        assert first == b"A"
        assert _ask(ecu, SYSTEM).endswith(b"END\n")


def test_a_slow_reply_comes_later() -> None:
    """By so many seconds."""
    with _simulator(faults=("tcp-slow=0.2",)) as ecu:
        begin = time.monotonic()
        _ask(ecu, SYSTEM)

        assert time.monotonic() - begin >= 0.2


def test_a_cut_reply_ends_the_connection() -> None:
    """There is no more to wait for."""
    with _simulator(faults=("tcp-short=0.5",)) as ecu, _connect(ecu, SYSTEM) as connection:
        assert _read(connection).startswith(b"APS12")
        assert connection.recv(1) == b""


def test_too_many_connections_hang_the_port_until_it_is_left_alone() -> None:
    """The tenth within a minute gets silence, and so does who keeps asking."""
    with _simulator(faults=("tcp-fragile=0.3",)) as ecu:
        replies = [_ask(ecu, SYSTEM) for _ in range(9)]
        for _ in range(2):
            with _connect(ecu, SYSTEM) as connection:
                connection.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    connection.recv(1)
        begin = time.monotonic()
        _eventually(lambda: time.monotonic() - begin > 0.35)

        assert len(set(replies)) == 1
        assert _ask(ecu, SYSTEM) == replies[0]
        ecu.switch_off("tcp-fragile")

        assert {_ask(ecu, SYSTEM) for _ in range(12)} == {replies[0]}


def test_the_truth_about_what_is_told() -> None:
    """The state tells what goes over TCP, where that exists, beside what the pages show."""
    with _simulator(faults=("tcp-factory-zone",)) as ecu, _simulator(interface="web") as other:
        state, told = ecu.state(), ecu.told()

        assert "told" not in other.state()
    assert told.info.timezone == "Etc/GMT-8"
    assert told.info.firmware == "ECU_R_PRO_2.0.2"
    assert isinstance(state["told"], dict)
    assert state["told"]["power_w"] == told.info.power_w
    assert told.inverters[0].channels[0].dc_voltage_v is None
    assert told.inverters[0].signal_ratio is not None


def test_early_pages_and_a_tcp_port_make_an_early_ecu_c() -> None:
    """What has a V4's pages and the port goes by the id of an ECU-C on both."""
    gateway = _gateway(family="php", interface="both")

    assert _reply(gateway, SYSTEM)[13:25] == b"215000099998"
    assert gateway.shown().info.ecu_id == "215000099998"


def test_the_control_page_of_an_ecu_without_pages_links_to_none() -> None:
    """It is there all the same."""
    with _simulator(interface="tcp") as ecu:
        address, _, path = ecu.control_url.removeprefix("http://").partition("/")
        with closing(http.client.HTTPConnection(address, timeout=10)) as connection:
            connection.request("GET", f"/{path}")
            html = connection.getresponse().read()

    assert b"/index.php" not in html
    assert b"tcp-fragile" in html


def test_connections_are_counted_while_they_are_open() -> None:
    """One after the other is one at a time, whatever the hurry; two at once are two."""
    with _simulator() as ecu:
        for _ in range(50):
            _ask(ecu, SYSTEM)
        in_turn = ecu.most_tcp_connections
        with _connect(ecu, SYSTEM) as first, _connect(ecu, SYSTEM) as second:
            _read(first)
            _read(second)

        assert (in_turn, ecu.most_tcp_connections) == (1, 2)
