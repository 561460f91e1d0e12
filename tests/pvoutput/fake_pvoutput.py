"""A PVOutput server for tests: on loopback, strict where the real one is known, failing on command.

As a program, for tests that run in other processes or containers::

    python -m tests.pvoutput.fake_pvoutput --port 8080

It then also answers ``/__fake/state``: what is stored, which requests came, and their sins.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Self
from urllib.parse import unquote_plus, urlsplit
from zoneinfo import ZoneInfo

from tests.pvoutput.fake_rules import DONOR_ONLY, VALUES, Reply, World

PREFIX = "/service/r2/"
SERVICES = ("addstatus", "addbatchstatus", "deletestatus", "getstatus", "getsystem")
KEY = "k" * 40
SYSTEM_ID = "12345"
START = datetime(2026, 2, 28, 19, 0, tzinfo=UTC)
"""Five in the morning of the first of March, in Brisbane."""


@dataclass
class Clock:
    """A clock that only tests move."""

    now: datetime = START

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now

    def forward(self, **amount: float) -> datetime:
        """Move on by `timedelta`'s arguments."""
        self.now += timedelta(**amount)
        return self.now


@dataclass
class Request:
    """One request as it came, with the key told only as good or bad."""

    number: int
    at: datetime
    method: str
    service: str
    fields: dict[str, str]
    in_url: dict[str, str]
    headers: dict[str, str]
    good_key: bool
    status: int = 0
    answer: str = ""


@dataclass
class Fault:
    """What goes wrong, for how many requests; the first fault that fits is used up."""

    kind: str
    """One of: delay, refuse, drop_before, drop_after, status, truncate, slow_body, drip, html_200,
    redirect, echo, call."""
    times: int = 1
    service: str | None = None
    status: int = 500
    body: str = "<html><body>Bad gateway</body></html>"
    content_type: str = "text/html"
    seconds: float = 0.0
    cut: int = 5
    location: str = ""
    when: Callable[[Request], bool] = lambda _: True
    call: Callable[[], object] = lambda: None


@dataclass
class FakePVOutput:
    """The server; use it as a context manager."""

    clock: Callable[[], datetime] = field(default_factory=Clock)
    port: int = 0
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    lint: list[str] = field(default_factory=list)
    control: bool = False

    def __post_init__(self) -> None:
        """Make the world."""
        self.world = World(self.clock)
        self.lock = threading.Lock()
        self.in_flight = 0
        self._told: dict[tuple[str, str, str], dict[str, str]] = {}
        self._news: set[int] = set()
        self._limited_until: datetime | None = None
        self._refused_at: datetime | None = None

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.fake = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, when all that is in flight has ended."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The base URL, as in the configuration."""
        return f"http://127.0.0.1:{self.port}/service/r2"

    def stored(self, *names: str) -> dict[str, tuple[str, ...]]:
        """Give ``"20260301 12:05"`` → the values of these fields."""
        return {
            f"{day} {moment}": tuple(slot.fields.get(name, "") for name in names or ("v2",))
            for (_, day, moment), slot in sorted(self.world.statuses.items())
        }

    def fault(self, method: str, service: str, number: int) -> Fault | None:
        """Use up the first fault that fits."""
        probe = Request(number, self.clock(), method, service, {}, {}, {}, good_key=False)
        for fault in self.faults:
            if fault.service in {None, service} and fault.times > 0 and fault.when(probe):
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                return fault
        return None

    def check(self, request: Request) -> None:
        """Write down the sins that the real server would tolerate."""
        records = self._records(request)
        sins = [*self._manners(request), *self._timing(request)]
        sins += [sin for record in records for sin in self._check_record(record, request)]
        moments = [(r.get("d", ""), r.get("t", "")) for r in records]
        if moments != sorted(moments):
            sins.append("batch out of order")
        self.lint += [f"#{request.number} {request.service}: {sin}" for sin in sins]

    def _manners(self, request: Request) -> Iterator[str]:
        key = self.world.keys.get(request.headers.get("x-pvoutput-apikey", ""))
        if {"key", "sid"} & request.in_url.keys():
            yield "key or system id in the URL"
        if request.headers.get("x-rate-limit") != "1":
            yield "doesn't ask for the quota"
        if not request.headers.get("user-agent"):
            yield "has no User-Agent"
        if key and not key.donation and set(DONOR_ONLY) & request.fields.keys():
            yield "a donor's field without a donation"

    def _timing(self, request: Request) -> Iterator[str]:
        if self.in_flight > 1:
            yield "more than one request at a time"
        if self.requests:
            gap = (request.at - self.requests[-1].at).total_seconds()
            if 0 <= gap < 1:
                yield f"only {gap} s after the last request"
        if self._limited_until and request.at < self._limited_until:
            yield "goes on although the quota is used up"
        if self._refused_at and timedelta() <= request.at - self._refused_at < timedelta(minutes=1):
            yield "goes on although the key was refused"

    def learn(self, request: Request, reply: Reply) -> None:
        """Remember what the client was told, for the next checks."""
        if reply.status == 403 and "Exceeded" in reply.body:
            self._limited_until = datetime.fromtimestamp((self.world.window() + 1) * 3600, UTC)
        if reply.status == 401:
            self._refused_at = request.at
        if reply.status != 200:
            return
        good = {tuple(c.split(",")[:2]) for c in reply.body.split(";") if c.endswith(",1")}
        for record in self._records(request):
            moment = (record.get("d", ""), record.get("t", ""))
            if request.service == "addstatus":
                self._news |= self._intervals_of_news(record, request.at)
            if request.service == "addstatus" or moment in good:
                self._told[SYSTEM_ID, *moment] = record

    def _check_record(self, record: Mapping[str, str], request: Request) -> Iterator[str]:
        d, t = record.get("d", ""), record.get("t", "")
        local = request.at.astimezone(self._zone())
        if t and int(t[3:]) % self.world.systems[SYSTEM_ID].interval:
            yield f"{t} is no multiple of the interval"
        if f"{d} {t}" > f"{local:%Y%m%d %H:%M}":
            yield f"{d} {t} is later than now"
        for name in VALUES[:4]:
            if re.search(r"[.eE]", record.get(name, "")):
                yield f"{name}={record[name]} is no integer"
        for name in ("v5", "v6"):
            if not re.fullmatch(r"(-?\d+(\.\d)?)?", record.get(name, "")):
                yield f"{name}={record[name]} has odd decimals"
        if self._told.get((SYSTEM_ID, d, t)) == record:
            yield f"{d} {t} was stored before, just so"
        news = self._intervals_of_news(record, request.at)
        if request.service == "addstatus" and news & self._news:
            yield f"{t} is not the only news of this interval"

    def _intervals_of_news(self, record: Mapping[str, str], at: datetime) -> set[int]:
        """Give the number of the interval in which a request brought the slot that just ended."""
        interval = self.world.systems[SYSTEM_ID].interval
        wall = at.astimezone(self._zone())
        news = wall - timedelta(minutes=wall.minute % interval + interval)
        is_news = f"{record.get('d')} {record.get('t')}" == f"{news:%Y%m%d %H:%M}"
        return {int(at.timestamp() // 60 // interval)} if is_news else set()

    def _records(self, request: Request) -> list[dict[str, str]]:
        if request.service == "addstatus":
            return [request.fields]
        if request.service != "addbatchstatus":
            return []
        names = ("d", "t", *VALUES)
        lines = request.fields.get("data", "").split(";")
        return [{n: v for n, v in zip(names, text.split(","), strict=False) if v} for text in lines]

    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.world.systems[SYSTEM_ID].tz)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = False
    request_queue_size = 64
    fake: FakePVOutput


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def handle_any(self) -> None:
        """Answer a request, or fail as the script says."""
        fake = self.server.fake
        split = urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size).decode("utf-8", "replace")
        if fake.control and split.path == "/__fake/state":
            self._control()
            return
        with fake.lock:
            fake.in_flight += 1
        self._serve(fake, split.path, _form(split.query), _form(body))

    def _serve(
        self, fake: FakePVOutput, path: str, query: dict[str, str], form: dict[str, str]
    ) -> None:
        service = path.removeprefix(PREFIX).removesuffix(".jsp")
        headers = {name.lower(): value for name, value in self.headers.items()}
        number = len(fake.requests) + 1
        request = Request(
            number,
            fake.clock(),
            self.command,
            service,
            query | form,
            query,
            headers,
            good_key=headers.get("x-pvoutput-apikey") in fake.world.keys,
        )
        with fake.lock:
            fault = fake.fault(self.command, service, number)
            fake.check(request)
            fake.requests.append(request)
        if fault is not None and fault.kind == "call":
            fault.call()
            fault = None
        if fault is not None and fault.kind == "delay":
            time.sleep(fault.seconds)
            fault = None
        if fault is not None and self._before(fault, request):
            return
        if not path.startswith(PREFIX) or service not in SERVICES:
            reply, kind = Reply(404, "<html><body>Not found</body></html>"), "text/html"
        else:
            with fake.lock:
                reply = fake.world.handle(self.command, service, headers, query | form, number)
            kind = "text/plain;charset=utf-8"
        request.status, request.answer = reply.status, reply.body
        if fault is not None and fault.kind == "drop_after":
            self._handled()
            self._hang_up()
            return
        if fault is None:
            with fake.lock:
                fake.learn(request, reply)
        self._say(reply, kind, fault)

    def _before(self, fault: Fault, request: Request) -> bool:
        """Fail without processing; true if that was all."""
        request.answer = f"({fault.kind})"
        match fault.kind:
            case "refuse" | "drop_before":
                self._handled()
                self._hang_up()
            case "status":
                self._say(Reply(fault.status, fault.body), fault.content_type, None)
            case "html_200":
                self._say(Reply(200, "<html><body>Please sign in</body></html>"), "text/html", None)
            case "redirect":
                reply = Reply(302, "", {"Location": fault.location})
                self._say(reply, "text/plain", None)
            case "echo":
                self._say(
                    Reply(fault.status, f"Bad request 400: {self.headers}"), "text/plain", None
                )
            case _:
                return False
        return True

    def _say(self, reply: Reply, kind: str, fault: Fault | None) -> None:
        self._handled()
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", kind)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if fault is not None and fault.kind == "drip":
            with contextlib.suppress(OSError):
                self._drip()
            return
        self.end_headers()
        with contextlib.suppress(OSError):
            if fault is not None and fault.kind == "truncate":
                self.wfile.write(body[: fault.cut])
                self._hang_up()
            elif fault is not None and fault.kind == "slow_body":
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    time.sleep(fault.seconds)
            else:
                self.wfile.write(body)

    def _drip(self) -> None:
        """Send one header after another, for as long as somebody listens (a minute at most)."""
        self.flush_headers()
        for _ in range(1200):
            self.wfile.write(b"X-Patience: 1\r\n")
            time.sleep(0.05)

    def _handled(self) -> None:
        """Be done before the client can know it, or its next request would seem to overlap."""
        with self.server.fake.lock:
            self.server.fake.in_flight -= 1

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _control(self) -> None:
        fake = self.server.fake
        state = {
            "stored": fake.stored("v1", "v2", "v5", "v6"),
            "requests": [f"{r.service} {r.status} {r.answer}" for r in fake.requests],
            "lint": fake.lint,
        }
        with fake.lock:
            fake.in_flight += 1
        self._say(Reply(200, json.dumps(state)), "application/json", None)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815  http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as inherited
        """Keep quiet."""


def _form(text: str) -> dict[str, str]:
    """Read a form; only ``&`` separates, for ``;`` belongs to the data of a batch."""
    pairs = (part.partition("=") for part in text.split("&") if part)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A fake PVOutput on loopback.")
    parser.add_argument("--port", type=int, default=0)
    port = parser.parse_args().port
    fake = FakePVOutput(clock=lambda: datetime.now(UTC), port=port, control=True)
    with fake, contextlib.suppress(KeyboardInterrupt):
        print(fake.url, flush=True)  # noqa: T201  a program's word to its user
        threading.Event().wait()


if __name__ == "__main__":
    main()
