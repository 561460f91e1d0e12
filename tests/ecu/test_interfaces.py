"""The pages as long as there are any, else TCP: who is asked, how long, and what is said."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.interfaces import Answer, WebThenTcp
from aps_exporter.ecu.poller import Poller
from aps_exporter.errors import (
    EcuError,
    EcuPageError,
    EcuTimeoutError,
    EcuUnreachableError,
    TargetError,
)
from aps_exporter.model import Channel, Interface, Inverter, Reading, Table

READ_AT = datetime(2026, 5, 4, 10, 34, 5, tzinfo=UTC)
GONE = EcuPageError("no such page", "page_gone")
STRANGE = EcuPageError("no table", "page_unrecognised")
CUT = EcuPageError("cut off", "page_truncated")
REFUSED = EcuUnreachableError("refused")
SLOW = EcuTimeoutError("slow")


def table(*names: str, serial: str = "701000012345") -> Table:
    """Make a table of one inverter with channels of these names."""
    channels = tuple(
        Channel(id=f"{serial}-{name}" if name else serial, name=name, power_w=100.0)
        for name in names
    )
    inverter = Inverter(serial=serial, channels=channels, reported_at=READ_AT.replace(tzinfo=None))
    return Table(inverters=(inverter,))


@dataclass
class Side:
    """One interface: what it answers, and when and how patiently it was asked."""

    interface: Interface
    error: Exception | None = None
    table: Table = field(default_factory=lambda: table("1", "2"))
    asked: int = 0
    deadlines: list[Deadline] = field(default_factory=list)
    hang: bool = False
    listening: bool = False
    """Whether somebody takes connections even while nothing comes of them."""
    knocks: list[Deadline] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def poll(self, deadline: Deadline, patience: Deadline) -> Answer:
        """Answer, or raise the error; a hanging one raises it when the deadline comes."""
        del patience
        self.asked += 1
        self.deadlines.append(deadline)
        self.meanwhile()
        if self.hang:
            threading.Event().wait(deadline.remaining())
        if self.error is not None:
            raise self.error
        return Answer(
            source=self.interface, interface=self.interface, read_at=READ_AT, table=self.table
        )

    def listens(self, deadline: Deadline) -> None:
        """Open, unless the error is that of nobody being there."""
        self.knocks.append(deadline)
        if self.error in (REFUSED, SLOW) and not self.listening:
            if self.hang:
                threading.Event().wait(deadline.remaining())
            raise self.error

    def day_curve(self, deadline: Deadline) -> bytes:
        """Give something to tell the sides apart."""
        del deadline
        return self.interface.encode()

    def up(self) -> Mapping[str, bool]:
        """Say how the last poll ended."""
        name = "tcp" if self.interface == "tcp" else "web"
        return {name: self.error is None} if self.deadlines else {}

    def resting(self) -> bool:
        """Rest over TCP alone."""
        return self.interface == "tcp"


@dataclass
class Ecu:
    """An ECU with both interfaces, and the time, which stands until we move it."""

    web: Side = field(default_factory=lambda: Side("php"))
    tcp: Side = field(default_factory=lambda: Side("tcp"))
    time: float = 1000.0

    def __post_init__(self) -> None:
        """Make what chooses."""
        self.choice = WebThenTcp(web=self.web, tcp=self.tcp, monotonic=lambda: self.time)

    def ask(self, seconds: float = 5.0) -> str:
        """Poll; give the interface, or the error's status."""
        deadline = Deadline.after(seconds)
        try:
            return self.choice.poll(deadline, deadline).interface
        except EcuError as error:
            return error.status

    def asked(self) -> tuple[int, int]:
        """Count the polls of both since the last count."""
        counts = (self.web.asked, self.tcp.asked)
        self.web.asked = self.tcp.asked = 0
        return counts

    def poller(self) -> Poller:
        """Make a poller of this ECU."""
        return Poller(
            name="ecu.test",
            interface=self.choice,
            max_age_s=0,
            now=lambda: READ_AT,
            monotonic=lambda: self.time,
        )


@pytest.fixture
def ecu() -> Ecu:
    """Make an ECU that answers over both."""
    return Ecu()


def read(poller: Poller) -> Reading:
    """Read with patience."""
    return poller.read(Deadline.after(5))


def test_the_tcp_port_is_left_alone_while_the_pages_work(ecu: Ecu) -> None:
    """A hundred polls by page, and not one connection to a port that wants to be left alone."""
    for _ in range(100):
        assert ecu.ask() == "php"
        ecu.time += 60

    assert ecu.asked() == (100, 0)
    assert ecu.choice.up() == {"web": True}


@pytest.mark.parametrize("error", [GONE, STRANGE], ids=str)
def test_pages_that_go_are_followed_in_the_same_poll(ecu: Ecu, error: EcuError) -> None:
    """The poll that finds the pages gone is answered over TCP, and the next one at once."""
    ecu.ask()
    ecu.asked()
    ecu.web.error = error
    assert ecu.ask() == "tcp"
    assert ecu.asked() == (1, 1)
    ecu.time += 60

    assert ecu.ask() == "tcp"
    assert ecu.asked() == (0, 1)
    assert ecu.choice.up() == {"web": False, "tcp": True}


def test_an_ecu_without_pages_is_read_over_tcp(ecu: Ecu) -> None:
    """A port 80 that never answered leads to TCP in the first poll."""
    ecu.web.error = REFUSED

    assert ecu.ask() == "tcp"


@pytest.mark.parametrize("error", [SLOW, CUT, REFUSED], ids=str)
def test_a_moment_of_weakness_is_no_reason_to_leave(ecu: Ecu, error: EcuError) -> None:
    """Pages that are slow, cut off, or away while the ECU restarts are not gone."""
    ecu.ask()
    ecu.web.error = error
    assert ecu.ask() == error.status
    ecu.web.error = None
    assert ecu.ask() == "php"

    assert ecu.tcp.asked == 0


def test_pages_refused_for_ten_minutes_are_gone(ecu: Ecu) -> None:
    """Nothing takes so long to restart: a firmware without a web server has come."""
    ecu.ask()
    ecu.web.error = REFUSED
    answers = []
    for _ in range(11):
        ecu.time += 60
        answers.append(ecu.ask())

    assert answers == ["unreachable"] * 9 + ["tcp"] * 2


def test_pages_that_are_only_slow_never_lead_to_tcp(ecu: Ecu) -> None:
    """A day of timeouts is an ECU that is slow, whose other port would suffer too."""
    ecu.ask()
    ecu.web.error = SLOW
    for _ in range(24):
        ecu.time += 3600
        assert ecu.ask() == "timeout"

    assert ecu.tcp.asked == 0


def test_pages_are_looked_for_now_and_then(ecu: Ecu) -> None:
    """After 5, 10, 20 and then each 30 minutes the pages get a chance, and cost no poll."""
    ecu.web.error = GONE
    looks = []
    for minute in range(121):
        assert ecu.ask() == "tcp"
        if ecu.asked()[0]:
            looks.append(minute)
        ecu.time += 60

    assert looks == [0, 5, 15, 35, 65, 95]


def test_pages_that_return_are_used_again(ecu: Ecu) -> None:
    """When the pages are back, TCP is left alone, and the next loss is looked after as quickly."""
    ecu.web.error = GONE
    for _ in range(40):
        ecu.ask()
        ecu.time += 60
    ecu.web.error = None
    ecu.time += 1800
    assert ecu.ask() == "php"
    ecu.asked()
    assert ecu.ask() == "php"
    assert ecu.asked() == (1, 0)

    ecu.web.error = GONE
    ecu.ask()
    ecu.web.error = None
    ecu.time += 300

    assert ecu.ask() == "php"


def test_tcp_that_fails_sends_us_to_the_pages(ecu: Ecu) -> None:
    """When TCP fails the same poll looks for the pages, long before it is their turn."""
    ecu.web.error = GONE
    ecu.ask()
    ecu.web.error, ecu.tcp.error = None, REFUSED

    assert ecu.ask() == "php"


def test_tcp_that_fails_is_asked_again_when_there_are_no_pages(ecu: Ecu) -> None:
    """With both gone each poll tries both; the first that comes back is used."""
    ecu.web.error = GONE
    ecu.ask()
    ecu.tcp.error = REFUSED
    ecu.asked()
    assert [ecu.ask(), ecu.ask(), ecu.ask()] == ["unreachable"] * 3
    assert ecu.asked() == (3, 3)
    ecu.tcp.error = None

    assert ecu.ask() == "tcp"


@pytest.mark.parametrize(
    ("web", "tcp", "status", "text"),
    [
        (GONE, REFUSED, "page_gone", "no such page; over TCP: refused"),
        (STRANGE, SLOW, "page_unrecognised", "no table; over TCP: slow"),
        (REFUSED, REFUSED, "unreachable", "refused, also over TCP"),
        (REFUSED, SLOW, "timeout", "refused; over TCP: slow"),
        (REFUSED, CUT, "page_truncated", "refused; over TCP: cut off"),
        (SLOW, REFUSED, "timeout", "slow; over TCP: refused"),
        (SLOW, STRANGE, "page_unrecognised", "slow; over TCP: no table"),
    ],
)
def test_when_nothing_answers_both_are_told(
    ecu: Ecu, web: EcuError, tcp: EcuError, status: str, text: str
) -> None:
    """The status is that of the side that tells more, and the text has both reasons."""
    ecu.web.error, ecu.tcp.error = web, tcp
    deadline = Deadline.after(5)
    with pytest.raises(EcuError) as caught:
        ecu.choice.poll(deadline, deadline)

    assert str(caught.value) == text
    assert caught.value.status == status


def test_an_ecu_read_over_tcp_fails_as_tcp_does(ecu: Ecu) -> None:
    """Pages that have been gone for weeks are not why tonight's polls failed."""
    ecu.web.error = GONE
    ecu.ask()
    ecu.tcp.error = SLOW
    deadline = Deadline.after(5)
    for _ in range(2):
        with pytest.raises(EcuTimeoutError, match=r"^slow; its pages: no such page$"):
            ecu.choice.poll(deadline, deadline)


def test_who_has_no_tcp_port_gets_no_advice_about_it(ecu: Ecu) -> None:
    """That a port is left alone for a while is worth telling where it has answered before."""
    advice = EcuUnreachableError("refused; asked again at noon")
    advice.__cause__ = REFUSED
    ecu.web.error, ecu.tcp.error = GONE, advice
    deadline = Deadline.after(5)
    with pytest.raises(EcuPageError, match=r"^no such page; over TCP: refused$"):
        ecu.choice.poll(deadline, deadline)
    ecu.tcp.error = None
    ecu.ask()
    ecu.tcp.error = advice

    with pytest.raises(EcuUnreachableError, match=r"^refused; asked again at noon; its pages"):
        ecu.choice.poll(deadline, deadline)


def test_pages_never_seen_leave_time_for_tcp(ecu: Ecu) -> None:
    """A port 80 that swallows everything costs half of the time, and the poll succeeds."""
    ecu.web.error, ecu.web.hang = SLOW, True

    assert ecu.ask(0.2) == "tcp"


def test_pages_that_are_slow_from_the_start_get_all_of_the_time(ecu: Ecu) -> None:
    """Where somebody takes the connection there are pages, and TCP isn't tried in their place."""
    ecu.web.error, ecu.web.listening = SLOW, True
    assert ecu.ask(100) == "timeout"
    ecu.web.error = None
    assert ecu.ask(100) == "php"

    assert ecu.tcp.asked == 0
    assert [deadline.remaining() > 90 for deadline in ecu.web.deadlines] == [True, True]


def test_somebody_who_listens_is_not_knocked_at_again(ecu: Ecu) -> None:
    """One connection at the start tells a slow ECU from none; later polls do without."""
    ecu.web.error, ecu.web.listening = SLOW, True
    for _ in range(3):
        ecu.ask(100)

    assert len(ecu.web.knocks) == 1


def test_a_slow_look_for_lost_pages_leaves_time_for_tcp(ecu: Ecu) -> None:
    """While TCP is used, pages that hang cost half of a poll, and the poll succeeds."""
    ecu.web.error = GONE
    ecu.ask()
    ecu.time += 3600
    ecu.web.error, ecu.web.hang = SLOW, True

    assert ecu.ask(0.2) == "tcp"


def test_pages_get_all_of_the_time(ecu: Ecu) -> None:
    """Half of the time is for the knock at the door alone."""
    ecu.ask(100)
    ecu.ask(100)

    assert [deadline.remaining() < 51 for deadline in ecu.web.knocks] == [True]
    assert [deadline.remaining() > 90 for deadline in ecu.web.deadlines] == [True, True]


def test_a_bug_is_no_reason_to_try_the_other_side(ecu: Ecu) -> None:
    """Only the ECU's failures lead to TCP."""
    ecu.web.error = ZeroDivisionError()
    deadline = Deadline.after(5)
    with pytest.raises(ZeroDivisionError):
        ecu.choice.poll(deadline, deadline)

    assert ecu.tcp.asked == 0


def test_a_tcp_port_that_is_not_allowed_is_as_good_as_none(ecu: Ecu) -> None:
    """Who may ask for the pages only is told what they say."""
    ecu.web.error, ecu.tcp.error = GONE, TargetError("port 8899 is not allowed", 403)

    assert ecu.ask() == "page_gone"


def test_the_curve_is_the_pages(ecu: Ecu) -> None:
    """Whatever is used for readings, the day's curve is a page."""
    assert ecu.choice.day_curve(Deadline.after(5)) == b"php"


def test_the_log_says_why_it_changed_and_when_it_changed_back(
    ecu: Ecu, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for the way there, one for the way back, and none for the weeks between."""
    caplog.set_level(logging.INFO)
    poller = ecu.poller()
    read(poller)
    ecu.web.error = GONE
    for _ in range(60):
        read(poller)
        ecu.time += 60
    ecu.web.error = None
    ecu.time += 1800
    read(poller)
    logged = [line for record in caplog.records if "pages" in (line := record.getMessage())]

    assert logged == [
        "ECU ecu.test: it is read over TCP, as its pages can't be: no such page",
        "ECU ecu.test: its pages can be read again, and are",
    ]


def test_an_ecu_that_rests_is_no_cause_for_a_warning(
    ecu: Ecu, caplog: pytest.LogCaptureFixture
) -> None:
    """What closes its port each night is told of, but nobody is warned."""
    caplog.set_level(logging.INFO)
    poller = ecu.poller()
    ecu.web.error = GONE
    read(poller)
    caplog.clear()
    ecu.tcp.error = REFUSED
    with pytest.raises(EcuError):
        read(poller)

    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", "ECU ecu.test is gone: refused; its pages: no such page")
    ]


@pytest.mark.parametrize("names", [("1", "2"), ("A", "B"), ("B", "A"), ("",)], ids="".join)
def test_panels_keep_their_ids_over_tcp(ecu: Ecu, names: tuple[str, ...]) -> None:
    """What the pages called a channel it is called over TCP, where channels have no names."""
    ecu.web.table, ecu.tcp.table = table(*names), table(*"ABCD"[: len(names)])
    poller = ecu.poller()
    by_page = read(poller)
    ecu.web.error = GONE
    over_tcp = read(poller)

    assert over_tcp.interface == "tcp"
    assert over_tcp.inverters[0].channels == by_page.inverters[0].channels


@pytest.mark.parametrize(
    "on_page", [table("1", "2", "3", "4"), table(), table("1", "2", serial="701000099999")]
)
def test_names_that_do_not_fit_are_not_given(ecu: Ecu, on_page: Table) -> None:
    """An inverter that the page lists otherwise, or not yet, or not at all has TCP's own names."""
    ecu.web.table, ecu.tcp.table = on_page, table("A", "B")
    poller = ecu.poller()
    read(poller)
    ecu.web.error = GONE

    assert [channel.name for channel in read(poller).inverters[0].channels] == ["A", "B"]


def test_pollers_of_one_address_take_turns() -> None:
    """Two pollers with one lock between them never ask at the same time."""
    talking, inside, most = threading.Lock(), [], []

    def meanwhile() -> None:
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.005)
        inside.pop()

    sides = (Side("php", meanwhile=meanwhile), Side("tcp", meanwhile=meanwhile))
    pollers = [Poller(name="ecu", interface=s, max_age_s=0, talking=talking) for s in sides]
    threads = [threading.Thread(target=read, args=(poller,)) for poller in pollers * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert set(most) == {1}
