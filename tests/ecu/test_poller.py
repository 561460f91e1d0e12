"""One ECU polled gently: which page it speaks, who shares a poll, and what befalls whom."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.poller import Poller
from aps_exporter.ecu.web_interface import WebInterface
from aps_exporter.errors import EcuError, EcuPageError, EcuTimeoutError, EcuUnreachableError
from aps_exporter.model import Reading

BASE = "http://ecu.test"
PAGES = Path(__file__).parent / "pages"
TABLE = {
    "/cgi-bin/parameters": (PAGES / "cgi.html").read_bytes(),
    "/index.php/realtimedata": (PAGES / "php-dc-never-contacted.html").read_bytes(),
}
CGI, PHP = TABLE
GONE = (PAGES / "gone-codeigniter.html").read_bytes()
CUT = TABLE[CGI][:900]
HOME = """<html><body><table><tr><td>ECU ID</td><td>203000012345</td></tr>
<tr><td>Lifetime generation</td><td>{energy} kWh</td></tr>
<tr><td>Current Timezone</td><td>{zone}</td></tr></table></body></html>"""
WARSAW_AT_12_30_05 = datetime(2026, 5, 4, 10, 30, 5, tzinfo=UTC)


def home(zone: str = "Europe/Warsaw", energy: str = "1205.56") -> bytes:
    """Write a home page."""
    return HOME.format(zone=zone, energy=energy).encode()


Answer = bytes | Exception | Callable[[Deadline], bytes]


@dataclass
class Ecu:
    """What fetching a page gives, and what was fetched; its clocks stand until we move them."""

    pages: dict[str, Answer]
    fetched: list[str] = field(default_factory=list)
    now: datetime = WARSAW_AT_12_30_05 + timedelta(minutes=4)
    monotonic: float = 1000.0

    def fetch(self, url: str, deadline: Deadline) -> bytes:
        """Answer as `pages` says, with 404 for what it lacks."""
        path = url.removeprefix(BASE)
        self.fetched.append(path)
        answer = self.pages.get(path, GONE)
        if callable(answer):
            return answer(deadline)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def poller(
        self,
        *,
        path: str | None = None,
        timezone: str | None = None,
        timeout_s: float = 5.0,
        max_age_s: float = 0.0,
    ) -> Poller:
        """Make a poller of this ECU, which shares nothing but overlapping reads."""
        pages = WebInterface(base_url=BASE, path=path, fetch=self.fetch, now=lambda: self.now)
        return Poller(
            name="ecu.test",
            interface=pages,
            timezone=timezone,
            timeout_s=timeout_s,
            max_age_s=max_age_s,
            now=lambda: self.now,
            monotonic=lambda: self.monotonic,
        )

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        self.monotonic += seconds


@pytest.fixture
def cgi() -> Ecu:
    """Make an ECU-3 with its old pages."""
    return Ecu({CGI: TABLE[CGI], "/cgi-bin/home": home()})


@pytest.fixture
def php() -> Ecu:
    """Make an ECU with php pages."""
    return Ecu({PHP: TABLE[PHP], "/index.php/home": home()})


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fail a test that leaves threads behind."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), thread.name


def read(poller: Poller, seconds: float = 5.0) -> Reading:
    """Read with that much patience."""
    return poller.read(Deadline.after(seconds))


def status(poller: Poller, seconds: float = 5.0) -> str:
    """Give the status of a read that fails."""
    with pytest.raises(EcuError) as caught:
        read(poller, seconds)
    return caught.value.status


# The pages


def test_an_old_ecu_is_read_by_its_cgi_pages(cgi: Ecu) -> None:
    """Table and home page of the cgi family make one reading."""
    reading = read(cgi.poller())

    assert cgi.fetched == [CGI, "/cgi-bin/home"]
    assert reading.source == "http://ecu.test/cgi-bin/parameters"
    assert reading.interface == "cgi"
    assert reading.read_at == cgi.now
    assert [i.serial for i in reading.inverters] == ["408000012345", "408000012346"]
    assert reading.ecu is not None
    assert reading.ecu.energy_lifetime_wh == 1_205_560
    assert reading.home_error is None
    assert reading.timezone == "Europe/Warsaw"
    assert reading.clock_offset_s == -240


def test_a_newer_ecu_is_found_by_itself_and_remembered(php: Ecu) -> None:
    """The php page is tried second, and first from then on."""
    poller = php.poller()
    reading = read(poller)
    assert php.fetched == [CGI, PHP, "/index.php/home"]
    assert reading.interface == "php"

    php.fetched.clear()
    read(poller)

    assert php.fetched == [PHP, "/index.php/home"]


@pytest.mark.parametrize(
    "answer",
    [
        EcuPageError("404", "page_gone"),
        EcuPageError("500", "page_unrecognised"),
        (PAGES / "no-table.html").read_bytes(),
        GONE,
    ],
)
def test_the_family_is_found_by_content(php: Ecu, answer: Answer) -> None:
    """Whatever the other family's page answers that is no table, php is found."""
    php.pages[CGI] = answer

    assert read(php.poller()).interface == "php"


def test_a_page_that_goes_is_looked_for_elsewhere(php: Ecu) -> None:
    """After a firmware change the other family is tried, and the first one again after it."""
    poller = php.poller()
    read(poller)
    php.pages = {CGI: TABLE[CGI], "/cgi-bin/home": home()}
    assert read(poller).interface == "cgi"
    assert read(poller).interface == "cgi"
    php.pages = {}
    assert status(poller) == "page_gone"
    php.pages = {PHP: TABLE[PHP], "/index.php/home": home()}

    assert read(poller).interface == "php"


def test_an_ecu_that_does_not_answer_keeps_its_family(php: Ecu) -> None:
    """A timeout says nothing about pages: no other is tried, and the known one is next."""
    poller = php.poller()
    read(poller)
    page, php.pages[PHP] = php.pages[PHP], EcuTimeoutError("slow")
    php.fetched.clear()
    assert status(poller) == "timeout"
    php.pages[PHP] = page
    read(poller)

    assert php.fetched == [PHP, PHP, "/index.php/home"]


def test_a_configured_path_is_the_only_one(php: Ecu) -> None:
    """With `path` nothing else is tried."""
    php.pages["/index.php/mine"] = php.pages[PHP]
    assert read(php.poller(path="/index.php/mine")).source == "http://ecu.test/index.php/mine"
    assert php.fetched == ["/index.php/mine", "/index.php/home"]

    php.fetched.clear()
    assert status(php.poller(path=CGI)) == "page_gone"
    assert php.fetched == [CGI]


@pytest.mark.parametrize(
    ("cgi_page", "php_page", "expected"),
    [
        (GONE, GONE, "page_gone"),
        (GONE, b"<html></html>", "page_unrecognised"),
        (CUT, GONE, "page_truncated"),
        (GONE, CUT, "page_truncated"),
        (EcuUnreachableError("refused"), GONE, "unreachable"),
        (EcuTimeoutError("slow"), GONE, "timeout"),
    ],
)
def test_a_failure_says_what_the_likeliest_page_answered(
    cgi_page: Answer, php_page: Answer, expected: str
) -> None:
    """A page that is there but unusable tells more than one that isn't."""
    assert status(Ecu({CGI: cgi_page, PHP: php_page}).poller()) == expected


def test_a_page_cut_off_is_read_once_more(cgi: Ecu) -> None:
    """An ECU that was just writing its data gets a second chance, and only one."""
    answers = iter([CUT, TABLE[CGI]])
    cgi.pages[CGI] = lambda _: next(answers)
    assert len(read(cgi.poller()).inverters) == 2
    assert cgi.fetched == [CGI, CGI, "/cgi-bin/home"]

    cgi.fetched.clear()
    cgi.pages[CGI] = CUT
    assert status(cgi.poller(path=CGI)) == "page_truncated"
    assert cgi.fetched == [CGI, CGI]


def test_the_second_chance_has_the_same_deadline(cgi: Ecu) -> None:
    """Reading again gets what time is left."""
    deadlines: list[Deadline] = []

    def cut(deadline: Deadline) -> bytes:
        deadlines.append(deadline)
        return CUT

    cgi.pages[CGI] = cut
    status(cgi.poller(path=CGI, timeout_s=2))

    assert deadlines[0] == deadlines[1]
    assert 0 < deadlines[0].remaining() <= 2


def test_an_empty_table_is_a_reading(cgi: Ecu) -> None:
    """A restarted ECU with its headings only has been read."""
    cgi.pages[CGI] = (PAGES / "empty-table.html").read_bytes()

    assert read(cgi.poller()).inverters == ()


@pytest.mark.parametrize(
    ("page", "error"),
    [
        (EcuTimeoutError("slow"), "slow"),
        (EcuUnreachableError("refused"), "refused"),
        (GONE, "the ECU says 404: its firmware has no such page"),
        (b"<html>", "the page is cut off before its table"),
    ],
)
def test_a_table_without_its_home_page_is_a_reading(cgi: Ecu, page: Answer, error: str) -> None:
    """The table is worth having alone; why the home page is missing is said."""
    cgi.pages["/cgi-bin/home"] = page
    reading = read(cgi.poller())

    assert len(reading.inverters) == 2
    assert reading.ecu is None
    assert reading.home_error == error
    assert reading.timezone is None


def test_a_home_page_that_hangs_does_not_take_the_table_along(cgi: Ecu) -> None:
    """A reader as patient as the poll gets the table although the home page never comes."""

    def hang(deadline: Deadline) -> bytes:
        threading.Event().wait(deadline.remaining())
        message = "slow"
        raise EcuTimeoutError(message)

    cgi.pages["/cgi-bin/home"] = hang
    reading = read(cgi.poller(timeout_s=0.6), 0.6)

    assert len(reading.inverters) == 2
    assert reading.home_error == "slow"


def test_a_hanging_home_page_does_not_take_the_table_from_a_reader_in_a_hurry(cgi: Ecu) -> None:
    """Who has less patience than the poll gets the table too, before its deadline."""

    def hang(deadline: Deadline) -> bytes:
        threading.Event().wait(deadline.remaining())
        raise EcuTimeoutError("the ECU did not answer in time")

    cgi.pages["/cgi-bin/home"] = hang
    reading = read(cgi.poller(timeout_s=5.0), 1.0)

    assert reading.inverters
    assert reading.ecu is None


def test_the_last_known_zone_outlives_a_missing_home_page(cgi: Ecu) -> None:
    """The zone that a home page once named holds until another one is named."""
    poller = cgi.poller()
    read(poller)
    cgi.pages["/cgi-bin/home"] = GONE

    assert read(poller).timezone == "Europe/Warsaw"


def test_a_configured_zone_beats_the_home_pages(cgi: Ecu) -> None:
    """The owner knows better than a factory setting."""
    cgi.pages["/cgi-bin/home"] = home("Asia/Shanghai")

    assert read(cgi.poller(timezone="Europe/Warsaw")).timezone == "Europe/Warsaw"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "-", "Europe"])
def test_a_zone_that_is_none_is_no_zone(cgi: Ecu, zone: str) -> None:
    """Whatever the home page prints for a zone, the table is read."""
    cgi.pages["/cgi-bin/home"] = home(zone)
    reading = read(cgi.poller())

    assert reading.timezone is None
    assert reading.clock_offset_s is None
    assert reading.inverters[0].online


def test_stale_rows_are_marked(cgi: Ecu) -> None:
    """A night's reading has its rows marked, and says by how much they are late."""
    cgi.wait(3 * 3600)
    reading = read(cgi.poller())

    assert [i.stale for i in reading.inverters] == [True, False]
    assert not any(i.online for i in reading.inverters)
    assert reading.clock_offset_s == -3 * 3600 - 240


def test_the_pages_clock_is_used(php: Ecu) -> None:
    """The clock in a php home page's script proves a wrong zone at the first poll."""
    php.now = datetime(2026, 1, 4, 12, 30, 5, tzinfo=UTC) + timedelta(minutes=3)  # rows: UTC + 0
    script = (
        b"<script>today.setFullYear(2026);today.setMonth(0);today.setDate(4);"
        b"today.setHours(12);today.setMinutes(33);today.setSeconds(7);</script>"
    )
    php.pages["/index.php/home"] = home("Asia/Shanghai") + script
    reading = read(php.poller())

    assert reading.clock_error_s == -8 * 3600
    assert reading.inverters[0].online
    reported_at = reading.inverters[0].reported_at
    assert reported_at is not None
    assert reading.utc(reported_at) == datetime(2026, 1, 4, 12, 30, 5, tzinfo=UTC)


def test_a_lifetime_that_drops_is_held_back(cgi: Ecu) -> None:
    """Energy that falls to zero for a sweep is absent, and the rest of the page is there."""
    poller = cgi.poller()
    read(poller)
    cgi.pages["/cgi-bin/home"] = home(energy="0.00")
    reading = read(poller)

    assert reading.ecu is not None
    assert reading.ecu.energy_lifetime_wh is None
    assert reading.ecu.ecu_id == "203000012345"


def test_only_get_on_the_two_pages(php: Ecu) -> None:
    """A week of polls asks for nothing but table and home pages."""
    poller = php.poller()
    for n in range(50):
        php.pages[PHP] = TABLE[PHP] if n % 3 else GONE
        if n % 3:
            read(poller)
        else:
            status(poller)

    assert set(php.fetched) <= {CGI, PHP, "/cgi-bin/home", "/index.php/home"}


# Sharing


@dataclass
class Gate:
    """A page that comes when we say so, and counts who asked at the same time."""

    page: Answer
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    open: threading.Event = field(default_factory=threading.Event)
    inside: int = 0
    most: int = 0

    def __call__(self, deadline: Deadline) -> bytes:
        """Wait at the gate."""
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.entered.release()
        assert self.open.wait(10)
        self.inside -= 1
        if isinstance(self.page, Exception):
            raise self.page
        assert isinstance(self.page, bytes)
        del deadline
        return self.page


def overlap(poller: Poller, gate: Gate, readers: int) -> list[Reading | EcuError]:
    """Let so many read while one poll is under way; give what each got."""
    barrier = threading.Barrier(readers + 1)

    def one() -> Reading | EcuError:
        barrier.wait(10)
        try:
            return read(poller, 20)
        except EcuError as error:
            return error

    with ThreadPoolExecutor(readers) as pool:
        outcomes = [pool.submit(one) for _ in range(readers)]
        barrier.wait(10)
        assert gate.entered.acquire(timeout=10)
        until = time.monotonic() + 10
        while poller.shared < readers - 1 and time.monotonic() < until:
            threading.Event().wait(0.001)
        gate.open.set()
        return [outcome.result(20) for outcome in outcomes]


def test_fifty_overlapping_readers_share_one_poll(cgi: Ecu) -> None:
    """Fifty who come while a poll runs get its reading, and the ECU is asked once."""
    gate = Gate(TABLE[CGI])
    cgi.pages[CGI] = gate
    poller = cgi.poller()
    outcomes = overlap(poller, gate, 50)

    assert len({id(outcome) for outcome in outcomes}) == 1
    assert isinstance(outcomes[0], Reading)
    assert Counter(cgi.fetched) == {CGI: 1, "/cgi-bin/home": 1}
    assert poller.shared == 49


def test_overlapping_readers_share_a_failure_that_is_not_kept(cgi: Ecu) -> None:
    """Who waits for a poll that fails is told so; who comes later asks again."""
    gate = Gate(EcuUnreachableError("refused"))
    cgi.pages[CGI] = gate
    poller = cgi.poller(max_age_s=3600)
    outcomes = overlap(poller, gate, 20)
    assert {str(outcome) for outcome in outcomes} == {"refused"}
    assert cgi.fetched == [CGI]

    cgi.pages[CGI] = TABLE[CGI]

    assert read(poller).inverters


def test_requests_to_one_ecu_never_overlap(cgi: Ecu) -> None:
    """However many read and give up, one request is in flight."""
    gate = Gate(TABLE[CGI])
    cgi.pages[CGI] = gate
    poller = cgi.poller()
    for _ in range(5):
        assert status(poller, 0.01) == "timeout"
    gate.open.set()
    read(poller)

    assert gate.most == 1
    assert cgi.fetched.count(CGI) <= 2


def test_who_waits_too_long_for_a_turn_leaves(cgi: Ecu) -> None:
    """Polls of an ECU that others keep busy don't pile up, to be made when nobody wants them."""
    threads: list[threading.Thread] = []

    def run(work: Callable[[], None]) -> None:
        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()

    poller = cgi.poller(timeout_s=0.05)
    poller.run = run
    with poller.talking:
        assert status(poller) == "timeout"
        threads[0].join(5)

        assert not threads[0].is_alive()
    assert cgi.fetched == []


def test_a_young_reading_is_shared(cgi: Ecu) -> None:
    """Readings younger than `max_age` serve whoever asks; older ones nobody."""
    poller = cgi.poller(max_age_s=10)
    first = read(poller)
    cgi.wait(9.9)
    assert read(poller) is first
    assert poller.shared == 1

    cgi.wait(0.2)

    assert read(poller) is not first
    assert cgi.fetched.count(CGI) == 2


def test_max_age_zero_shares_overlapping_reads_only(cgi: Ecu) -> None:
    """With `max_age` 0 each read that stands alone is a poll of its own."""
    poller = cgi.poller(max_age_s=0)

    assert read(poller) is not read(poller)
    assert poller.shared == 0


def test_an_impatient_reader_hurts_nobody(cgi: Ecu) -> None:
    """Who has no time leaves with a timeout; the poll goes on for the others."""
    gate = Gate(TABLE[CGI])
    cgi.pages[CGI] = gate
    poller = cgi.poller()
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(read, poller, 20)
        assert gate.entered.acquire(timeout=10)
        began = time.monotonic()
        assert status(poller, 0.05) == "timeout"
        assert time.monotonic() - began < 1
        gate.open.set()

        assert patient.result(10).inverters


def test_an_impatient_reader_who_comes_first_starts_a_whole_poll(cgi: Ecu) -> None:
    """The poll has its own timeout, whoever began it: the next reader gets its reading."""
    gate = Gate(TABLE[CGI])
    cgi.pages[CGI] = gate
    poller = cgi.poller()
    assert status(poller, 0.01) == "timeout"
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(read, poller, 20)
        gate.open.set()

        assert patient.result(10).inverters
    assert cgi.fetched.count(CGI) == 1


def test_a_bug_reaches_every_reader_and_is_not_the_ecus_fault(
    cgi: Ecu, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception that is no `EcuError` is raised as it is, and the poller works on."""
    cgi.pages[CGI] = ZeroDivisionError("a bug")
    poller = cgi.poller()
    with pytest.raises(ZeroDivisionError):
        read(poller)
    cgi.pages[CGI] = TABLE[CGI]

    assert read(poller).inverters
    assert caplog.records == []


def test_a_machine_out_of_threads_recovers(cgi: Ecu, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll that could not even start does not block those after it."""
    poller = cgi.poller()

    def no_more(_: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        with pytest.raises(RuntimeError):
            read(poller)

    assert read(poller).inverters


def test_the_poll_measures_itself(cgi: Ecu) -> None:
    """The duration is that of the whole poll, and `read_at` is when the table had arrived."""
    arrived = cgi.now + timedelta(seconds=1.5)

    def slow_table(_: Deadline) -> bytes:
        cgi.wait(1.5)
        return TABLE[CGI]

    def slow_home(_: Deadline) -> bytes:
        cgi.wait(0.5)
        return home()

    cgi.pages |= {CGI: slow_table, "/cgi-bin/home": slow_home}
    reading = read(cgi.poller())

    assert reading.read_at == arrived
    assert reading.poll_duration_s == 2.0


# The day's curve


def test_the_days_curve_is_one_get(php: Ecu) -> None:
    """The php page with today's curve is handed over as it is."""
    php.pages["/index.php/realtimedata/old_power_graph"] = b'{"power":[]}'

    assert php.poller().day_curve(Deadline.after(5)) == b'{"power":[]}'
    assert php.fetched == ["/index.php/realtimedata/old_power_graph"]


def test_the_days_curve_waits_for_a_poll(cgi: Ecu) -> None:
    """One request is in flight: the curve waits for the poll, as long as it may."""
    gate = Gate(TABLE[CGI])
    cgi.pages |= {CGI: gate, "/index.php/realtimedata/old_power_graph": b"{}"}
    poller = cgi.poller()
    with ThreadPoolExecutor(2) as pool:
        polled = pool.submit(read, poller, 20)
        assert gate.entered.acquire(timeout=10)
        with pytest.raises(EcuTimeoutError):
            poller.day_curve(Deadline.after(0.05))
        curve = pool.submit(poller.day_curve, Deadline.after(20))
        gate.open.set()

        assert curve.result(10) == b"{}"
        assert polled.result(10).inverters
    assert cgi.fetched == [CGI, "/cgi-bin/home", "/index.php/realtimedata/old_power_graph"]


# The log


def test_a_night_without_ecu_is_two_lines(cgi: Ecu, caplog: pytest.LogCaptureFixture) -> None:
    """Going and returning are logged once each, however many polls fail between."""
    caplog.set_level(logging.INFO)
    poller = cgi.poller(path=CGI)
    read(poller)
    cgi.pages[CGI] = EcuUnreachableError("the ECU refuses the connection")
    for _ in range(100):
        status(poller)
        cgi.wait(60)
    cgi.pages[CGI] = TABLE[CGI].replace(b"2026-05-04 12:30:05", b"2026-05-04 14:10:05")
    read(poller)

    assert [record.getMessage() for record in caplog.records] == [
        "ECU ecu.test is gone: the ECU refuses the connection",
        "ECU ecu.test is back after 1 h 40 min",
    ]


def test_a_sleeping_roof_is_explained_once(cgi: Ecu, caplog: pytest.LogCaptureFixture) -> None:
    """At 23:00 the log says why there is no power, and not at each poll."""
    cgi.wait(3 * 3600)
    poller = cgi.poller()
    for _ in range(20):
        read(poller)
        cgi.wait(60)

    assert [record.getMessage() for record in caplog.records] == [
        (
            "ECU ecu.test: it repeats its rows of 2026-05-04 12:30:05; as they are old, "
            "no power is shown"
        )
    ]


# Real sockets


def test_a_drip_is_a_timeout_of_the_whole_poll() -> None:
    """An ECU that drips for ever costs a reader its deadline, the poll its own, and no thread."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n<html>")
            try:
                while not over.wait(0.02):
                    connection.sendall(b" ")
            except OSError:
                return

    thread = threading.Thread(target=serve)
    with listener:
        thread.start()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        pages = WebInterface(base_url=f"http://{host}", now=lambda: WARSAW_AT_12_30_05)
        poller = Poller(name=host, interface=pages, timeout_s=0.5)
        began = time.monotonic()
        assert status(poller, 0.2) == "timeout"
        assert time.monotonic() - began < 0.5
        assert status(poller, 5) == "timeout"
        assert time.monotonic() - began < 1.2
        over.set()
        thread.join(5)
