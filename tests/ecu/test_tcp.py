"""One command to the TCP service: to ports that behave, misbehave and try our patience."""

from __future__ import annotations

import ast
import inspect
import socket
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from aps_exporter.deadline import Deadline
from aps_exporter.ecu import tcp
from aps_exporter.ecu.tcp import PORT, Command, Connect, dial, exchange
from aps_exporter.errors import EcuError, EcuTimeoutError, EcuUnreachableError
from tests.ecu.frame_writing import ECU_ID
from tests.ecu.tcp_ecu import (
    REPLIES,
    Talk,
    TcpEcu,
    answer,
    drip,
    hang,
    refuse,
    reset,
    say,
    say_and_close,
)

DAY = date(2026, 6, 21)
REPLY = REPLIES[b"0001"]
WHOLE = REPLY.removesuffix(b"\n")
"""What is handed on: the line feed isn't part of what a reply says it is long."""
SLACK = 1.0
"""Seconds that a busy machine may add to a deadline."""


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], TcpEcu]]:
    """Start ports, and close them after the test."""
    ecus: list[TcpEcu] = []

    def start(talk: Talk) -> TcpEcu:
        ecus.append(TcpEcu(talk))
        return ecus[-1]

    yield start
    for ecu in ecus:
        ecu.close()


def ask(open_port: Connect, seconds: float = 5.0) -> bytes:
    """Ask for system information."""
    return exchange(Command.SYSTEM, open_port, Deadline.after(seconds))


def failure(open_port: Connect, seconds: float = 5.0) -> EcuError:
    """Ask in vain, and give the error."""
    with pytest.raises(EcuError) as caught:
        ask(open_port, seconds)
    return caught.value


@pytest.mark.parametrize(
    ("command", "request_"),
    [
        (Command.SYSTEM, b"APS1100160001END\n"),
        (Command.INVERTERS, b"APS1100280002216000012345END\n"),
        (Command.SIGNALS, b"APS1100280030216000012345END\n"),
        (Command.CURVE, b"APS1100390003216000012345END20260621END\n"),
    ],
)
def test_a_command_and_its_reply(
    serve: Callable[[Talk], TcpEcu], command: Command, request_: bytes
) -> None:
    """A command is sent as the service knows it, in a connection that is closed in order."""
    ecu = serve(answer)

    reply = exchange(command, ecu.open_port, Deadline.after(5), ecu_id=ECU_ID, day=DAY)
    ecu.close()

    assert reply + b"\n" == REPLIES[command.value.encode()]
    assert ecu.requests == [request_]
    assert ecu.partings == [b""]


def test_there_are_four_commands_that_only_read() -> None:
    """All others set something, switch something off or crash the service."""
    assert {command.value for command in Command} == {"0001", "0002", "0030", "0003"}


def test_nothing_else_can_be_sent(serve: Callable[[Talk], TcpEcu]) -> None:
    """Neither other commands nor an id or a day with more in it reach the port."""
    ecu = serve(answer)
    commands = ["0004", "0025", "0026", "0045", "0012", "0039", "0058", "0001END", "", None, 1]
    ids = [
        None,
        "",
        "21600001234",
        "2160000123456",
        "216000012345END\nAPS1100280026216000012345",
        "216000012345\n",
        "END216000012",
        "２16000012345",
    ]
    for command in commands:
        with pytest.raises(ValueError, match="is not a valid Command"):
            exchange(
                command,  # type: ignore[arg-type]  # what no type checker would let through
                ecu.open_port,
                Deadline.after(5),
                ecu_id=ECU_ID,
                day=DAY,
            )
    for ecu_id in ids:
        for known in (Command.INVERTERS, Command.SIGNALS, Command.CURVE):
            with pytest.raises(ValueError, match="an ECU's id has 12 digits"):
                exchange(known, ecu.open_port, Deadline.after(5), ecu_id=ecu_id, day=DAY)
    with pytest.raises(ValueError, match="a curve is that of a day"):
        exchange(Command.CURVE, ecu.open_port, Deadline.after(5), ecu_id=ECU_ID)

    assert ecu.requests == []


def test_bytes_leave_the_module_in_one_place() -> None:
    """What is sent comes from the function that writes requests, which takes no bytes."""
    tree = ast.parse(Path(tcp.__file__).read_text())
    sends = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and "send" in ast.unparse(node.func)
    ]
    writes = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "request"
    ]
    parameters = {
        name: parameter.annotation
        for function in (exchange, dial)
        for name, parameter in inspect.signature(function).parameters.items()
    }

    assert sends == ["connection.sendall(request)"]
    assert writes == ["request = _request(command, ecu_id, day)"]
    assert not any("bytes" in annotation for annotation in parameters.values())


@pytest.mark.parametrize(
    "talk",
    [
        say(REPLY),
        say(REPLY[:-1]),
        say(REPLY, b"more than was asked for"),
        say(REPLY, bytes(200_000)),
        say_and_close(REPLY),
        say_and_close(REPLY[:-1]),
    ],
    ids=["keeps the connection", "no line feed", "more", "much more", "closes", "closes short"],
)
def test_a_reply_arrives(serve: Callable[[Talk], TcpEcu], talk: Talk) -> None:
    """A reply is as long as it says, whatever comes behind it."""
    assert ask(serve(talk).open_port) in (REPLY, REPLY[:-1])


def test_a_reply_in_small_pieces_arrives(serve: Callable[[Talk], TcpEcu]) -> None:
    """Line feeds and ``END`` at the end of a piece don't end the reply."""

    def talk(connection: socket.socket, *_: object) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for position in range(len(REPLY)):
            connection.sendall(REPLY[position : position + 1])

    assert ask(serve(talk).open_port) == WHOLE


def test_an_ecu_that_keeps_the_connection_is_not_waited_for(
    serve: Callable[[Talk], TcpEcu],
) -> None:
    """An ECU-R closes after 15 s only; we have said goodbye long before."""

    def talk(connection: socket.socket, *_: object) -> None:
        connection.sendall(REPLY)

    began = time.monotonic()

    assert ask(serve(talk).open_port) == WHOLE
    assert time.monotonic() - began < tcp.GOODBYE_S + SLACK


def test_what_comes_late_does_not_break_the_parting(serve: Callable[[Talk], TcpEcu]) -> None:
    """A line feed behind the reply still finds somebody, so that the ECU sees an orderly end."""

    def talk(connection: socket.socket, *_: object) -> None:
        connection.sendall(REPLY[:-1])
        connection.recv(100)  # the goodbye
        connection.sendall(b"\n")

    ecu = serve(talk)

    assert ask(ecu.open_port) == WHOLE

    ecu.close()

    assert ecu.partings == [b""]


def test_a_refusal_is_told_as_one() -> None:
    """A port that is closed is no timeout."""
    error = failure(refuse)

    assert isinstance(error, EcuUnreachableError)
    assert str(error) == "the ECU refuses the connection"


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (0, ""),
        (5, ": its answer to 0001 stopped after 5 bytes"),
        (13, ": its answer to 0001 stopped after 13 bytes"),
        (60, ": its answer to 0001 stopped after 60 bytes"),
    ],
)
def test_silence_is_a_timeout(serve: Callable[[Talk], TcpEcu], end: int, how: str) -> None:
    """Whenever an ECU falls silent, the deadline ends the waiting; what came before is said."""
    ecu = serve(hang(REPLY[:end]))
    began = time.monotonic()
    error = failure(ecu.open_port, 0.2)

    assert isinstance(error, EcuTimeoutError)
    assert str(error) == f"the ECU did not answer in time{how}"
    assert time.monotonic() - began < 0.2 + SLACK


def test_a_drip_is_a_timeout(serve: Callable[[Talk], TcpEcu]) -> None:
    """One deadline counts for all, however often something arrives."""
    ecu = serve(drip(b"APS1199990001", b"x"))
    began = time.monotonic()

    assert isinstance(failure(ecu.open_port, 0.3), EcuTimeoutError)
    assert time.monotonic() - began < 0.3 + SLACK


@pytest.mark.parametrize("start", [b"", REPLY[:40]])
def test_a_connection_that_breaks_off(serve: Callable[[Talk], TcpEcu], start: bytes) -> None:
    """A reset is an ECU that can't be reached, as it is with web pages."""
    error = failure(serve(reset(start)).open_port)

    # The reset may overtake what was said before it.
    assert isinstance(error, EcuUnreachableError)
    assert str(error) == "the ECU closed the connection without an answer"


def test_a_connection_that_is_closed_without_a_word(serve: Callable[[Talk], TcpEcu]) -> None:
    """Some ECUs take a second command in the same connection so; ours is the first."""
    error = failure(serve(say_and_close()).open_port)

    assert isinstance(error, EcuUnreachableError)
    assert str(error) == "the ECU closed the connection without an answer"


@pytest.mark.parametrize("end", [1, 12, 13, len(REPLY) - 2])
def test_a_reply_that_stops_short(serve: Callable[[Talk], TcpEcu], end: int) -> None:
    """A connection that is closed too early is a reply cut off."""
    error = failure(serve(say_and_close(REPLY[:end])).open_port)

    assert error.status == "page_truncated"
    assert str(error) == f"the ECU's answer to 0001 is cut off after {end} bytes"


def test_the_error_reply_arrives_though_it_has_no_end(serve: Callable[[Talk], TcpEcu]) -> None:
    """Its length says where it ends; nobody waits for ``END``."""
    reply = b"APS110015000202"
    ecu = serve(say(reply + b"\n"))

    assert exchange(Command.INVERTERS, ecu.open_port, Deadline.after(5), ecu_id=ECU_ID) == reply


@pytest.mark.parametrize("talk", [say(b"HTTP/1.1 400 Bad Request\r\n\r\n"), drip(b"", b"<" * 9999)])
def test_another_service_is_known_by_its_first_bytes(
    serve: Callable[[Talk], TcpEcu], talk: Talk
) -> None:
    """Nobody waits for the end of what is no reply, and nothing can be longer than one."""
    began = time.monotonic()
    error = failure(serve(talk).open_port, 10)

    assert error.status == "page_unrecognised"
    assert str(error).startswith("the answer is not that of an ECU: it begins with ")
    assert time.monotonic() - began < 5


def test_a_reply_is_never_longer_than_four_digits_say(serve: Callable[[Talk], TcpEcu]) -> None:
    """A flood is cut at the length that its header names."""
    ecu = serve(drip(b"APS1199990001", b"x" * 100_000, every=0.001))

    assert len(ask(ecu.open_port)) == 9_999


def test_a_deadline_that_has_passed_is_a_timeout(serve: Callable[[Talk], TcpEcu]) -> None:
    """Whoever has no time left learns so at once."""
    ecu = serve(answer)

    assert isinstance(failure(ecu.open_port, 0.0), EcuTimeoutError)


def test_a_host_is_dialled_at_its_port(serve: Callable[[Talk], TcpEcu]) -> None:
    """Unless told otherwise, the port is 8899; errors of the look-up are handed on."""
    asked = []

    def resolve(host: str, port: int) -> list[object]:
        asked.append((host, port))
        raise EcuUnreachableError("the ECU's name does not resolve")

    error = failure(dial("ecu.example", resolve=resolve))  # type: ignore[arg-type]  # never returns

    assert str(error) == "the ECU's name does not resolve"
    assert asked == [("ecu.example", PORT)] == [("ecu.example", 8899)]
    assert ask(dial("127.0.0.1", serve(answer).port)) == WHOLE


def test_a_network_that_fails_otherwise() -> None:
    """What the system says of a network without a route is said, too."""

    def no_route(_: Deadline) -> socket.socket:
        raise OSError(113, "No route to host")

    error = failure(no_route)

    assert isinstance(error, EcuUnreachableError)
    assert str(error) == "the ECU can't be reached: No route to host"


def test_every_connection_is_closed(serve: Callable[[Talk], TcpEcu]) -> None:
    """Whatever happens in it, a connection is closed at the end of an exchange."""
    sockets: list[socket.socket] = []
    for talk in (answer, hang(), reset(), say_and_close(REPLY[:20]), say(b"HTTP/1.1 200 OK")):
        ecu = serve(talk)

        def open_port(deadline: Deadline, ecu: TcpEcu = ecu) -> socket.socket:
            sockets.append(ecu.open_port(deadline))
            return sockets[-1]

        try:
            ask(open_port, 0.2)
        except EcuError:
            continue

    assert len(sockets) == 5
    assert all(connection.fileno() == -1 for connection in sockets)
