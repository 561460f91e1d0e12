"""PVOutput's rules as far as they are known: a world of keys, systems and statuses, no sockets.

Every rule answers in PVOutput's own words, in the order in which it is thought to check. Where
nobody knows what the real server does, a quirk switches between the possibilities.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

VALUES = tuple(f"v{number}" for number in range(1, 13))
EXTENDED = VALUES[6:]
BATTERY = tuple(f"b{number}" for number in range(1, 7))
DONOR_ONLY = (*EXTENDED, "m1", "delay", *BATTERY)


def daylight(_: date) -> tuple[time, time]:
    """Let the sun rise at 05:00 and set at 19:30 every day."""
    return time(5, 0), time(19, 30)


@dataclass
class Key:
    """An API key."""

    systems: set[str]
    state: Literal["active", "disabled", "readonly"] = "active"
    donation: bool = False
    limit: int | None = None
    """Requests an hour, if not the usual 60 or 300."""
    counts: dict[int, int] = field(default_factory=dict)
    """Requests by clock hour."""


@dataclass
class System:
    """A system as its owner set it up."""

    name: str = "Roof"
    size_w: int = 5000
    tz: str = "Australia/Brisbane"
    interval: int = 5
    sun: Callable[[date], tuple[time, time]] = daylight


@dataclass
class Quirks:
    """What may be one way or another at the real server."""

    trailing_newline: bool = False
    count_failed: bool = True
    omit_rate_headers: bool = False
    bad_reset: str | None = None
    """A text to put in place of the reset time."""
    merge_partial: bool = True
    ext_without_donation: Literal["forbid", "ignore"] = "forbid"
    refuse_later_today: bool = False
    monotonic: bool = True
    decimals: Literal["truncate", "reject"] = "truncate"
    midnight_round: Literal["clamp", "next_day"] = "clamp"
    batch_mode: Literal["strict", "strict_partial", "lenient"] = "strict"
    unchanged_code: Literal[0, 1] = 0
    load_in_progress_s: float = 0.0
    empty_timezone: bool = False
    no_donations: bool = False


@dataclass(frozen=True)
class Reply:
    """What the server says."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A rule was broken; carries the answer."""

    def __init__(self, status: int, body: str) -> None:
        """Keep the answer."""
        super().__init__(body)
        self.reply = Reply(status, body)


def bad(text: str) -> RefusedError:
    """Make the usual refusal."""
    return RefusedError(400, f"Bad request 400: {text}")


Checked = tuple[dict[str, str], str, str]
"""The fields of a good record, its date and its rounded time."""


@dataclass(frozen=True)
class Status:
    """A record as it was sent, in the middle of being checked."""

    d: str
    t: str
    values: Mapping[str, str]
    net: bool
    cumulative: str


@dataclass
class Slot:
    """A stored status: its merged fields, and the requests that touched it."""

    fields: dict[str, str] = field(default_factory=dict)
    requests: list[int] = field(default_factory=list)


class World:
    """Everything the server knows."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Begin with one key and one system."""
        self.clock = clock
        self.keys = {"k" * 40: Key(systems={"12345"})}
        self.systems = {"12345": System()}
        self.quirks = Quirks()
        self.statuses: dict[tuple[str, str, str], Slot] = {}
        self.more_rules: list[Callable[[Status], None]] = []
        """What a test adds; they raise `bad(...)`."""
        self._batch_at: dict[str, datetime] = {}

    def handle(
        self,
        method: str,
        service: str,
        headers: Mapping[str, str],
        fields: Mapping[str, str],
        number: int,
    ) -> Reply:
        """Answer one request; `fields` are those of query and body together."""
        quota: dict[str, str] = {}
        try:
            key, sid = self._credentials(method, headers, fields)
            try:
                self._count(key)
                if key.state == "readonly" and not service.startswith("get"):
                    raise RefusedError(403, "Forbidden 403: Read only key")
                reply = getattr(self, f"_{service}")(key, sid, fields, number)
            finally:
                if headers.get("x-rate-limit") == "1":
                    quota = self._quota(key)
        except RefusedError as refused:
            reply = refused.reply
        newline = "\n" if self.quirks.trailing_newline else ""
        return Reply(reply.status, reply.body + newline, quota)

    def window(self) -> int:
        """Give the clock hour."""
        return int(self.clock().timestamp() // 3600)

    def limit(self, key: Key) -> int:
        """Give the quota of a key."""
        return key.limit or (300 if key.donation else 60)

    def _credentials(
        self, method: str, headers: Mapping[str, str], fields: Mapping[str, str]
    ) -> tuple[Key, str]:
        if method not in {"GET", "POST"}:
            raise RefusedError(405, "Method Not Allowed 405: POST or GET only")
        in_url = fields if method == "GET" else {}
        sid = headers.get("x-pvoutput-systemid") or in_url.get("sid", "")
        if not re.fullmatch(r"\d+", sid):
            raise RefusedError(401, "Unauthorized 401: Invalid System ID")
        key = self.keys.get(headers.get("x-pvoutput-apikey") or in_url.get("key", ""))
        if key is None:
            raise RefusedError(401, "Unauthorized 401: Invalid API Key")
        if key.state == "disabled":
            raise RefusedError(401, "Unauthorized 401: Disabled API Key")
        if sid not in key.systems:
            text = "Missing, invalid or inactive api key information (X-Pvoutput-Apikey)"
            raise RefusedError(401, f"Unauthorized 401: {text}")
        return key, sid

    def _count(self, key: Key) -> None:
        used = key.counts.get(self.window(), 0) + 1
        if used <= self.limit(key) or self.quirks.count_failed:
            key.counts[self.window()] = used
        if used > self.limit(key):
            raise RefusedError(403, f"Forbidden 403: Exceeded {self.limit(key)} requests per hour")

    def _quota(self, key: Key) -> dict[str, str]:
        if self.quirks.omit_rate_headers:
            return {}
        remaining = max(0, self.limit(key) - key.counts.get(self.window(), 0))
        return {
            "X-Rate-Limit-Remaining": str(remaining),
            "X-Rate-Limit-Limit": str(self.limit(key)),
            "X-Rate-Limit-Reset": self.quirks.bad_reset or str((self.window() + 1) * 3600),
        }

    # --- services ---------------------------------------------------------------------------

    def _addstatus(self, key: Key, sid: str, fields: Mapping[str, str], number: int) -> Reply:
        self._store(sid, *self._checked(key, sid, fields), number)
        return Reply(200, "OK 200: Added Status")

    def _addbatchstatus(  # noqa: C901, PLR0912  the contract's rules, in its order
        self, key: Key, sid: str, fields: Mapping[str, str], number: int
    ) -> Reply:
        data, now = fields.get("data", ""), self.clock()
        if not data:
            raise bad("No statuses added or updated")
        last, self._batch_at[sid] = self._batch_at.get(sid), now
        if last and (now - last).total_seconds() < self.quirks.load_in_progress_s:
            raise bad("Load in progress")
        most = 100 if key.donation else 30
        lines = [item.split(",") for item in data.split(";")]
        if len(lines) > most:
            raise bad(f"Batch size exceeds {most}")
        if fields.get("n") == "1" and len({line[0] for line in lines}) > 1:
            raise bad("Net records must have the same date")
        flags = {name: fields[name] for name in ("c1", "n") if name in fields}
        codes: list[str] = []
        errors: list[RefusedError] = []
        checked: list[Checked] = []
        for line in lines:
            try:
                if not 3 <= len(line) <= 14:
                    raise bad("Could not read [data]")
                names = ("d", "t", *VALUES)
                record = {n: v for n, v in zip(names, line, strict=False) if v} | flags
                values, d, t = self._checked(key, sid, record, ahead=checked)
                checked.append((values, d, t))
            except RefusedError as refused:
                if self.quirks.batch_mode == "strict_partial":
                    for good in checked:
                        self._store(sid, *good, number)
                if self.quirks.batch_mode != "lenient":
                    raise
                errors.append(refused)
                codes.append(f"{line[0]},{line[1]},0")
                continue
            codes.append("")
        if len(errors) == len(lines):
            raise errors[0]
        good_ones = iter(checked)
        for index, code in enumerate(codes):
            if not code:
                values, d, t = next(good_ones)
                changed = self._store(sid, values, d, t, number)
                codes[index] = f"{d},{t},{1 if changed else self.quirks.unchanged_code}"
        return Reply(200, ";".join(codes))

    def _deletestatus(self, _key: Key, sid: str, fields: Mapping[str, str], _: int) -> Reply:
        day = fields.get("d", "")
        if not day:
            raise bad("Date is required")
        if _real_date(day) is None:
            raise bad(f"Invalid date: [{day}]")
        moment = fields.get("t")
        if moment is not None and not _real_time(moment):
            raise bad(f"Invalid time: [{moment}]")
        today = self._today(sid)
        if day > f"{today:%Y%m%d}":
            raise bad("Date is in the future")
        if day < f"{today - timedelta(days=14):%Y%m%d}":
            raise bad(f"Date is older than 14 days [{day}]")
        keys = [k for k in self.statuses if k[:2] == (sid, day) and moment in {None, k[2]}]
        if not keys:
            raise bad("Status not found")
        for k in keys:
            del self.statuses[k]
        return Reply(200, "OK 200: Deleted Status")

    def _getstatus(self, key: Key, sid: str, fields: Mapping[str, str], _: int) -> Reply:
        if fields.get("ext") == "1" and not key.donation:
            raise RefusedError(403, "Forbidden 403: Donation Mode")
        names = VALUES if fields.get("ext") == "1" else VALUES[:6]
        day = fields.get("d")
        since = f"{self._today(sid) - timedelta(days=7):%Y%m%d}"
        rows = sorted(
            (k[1], k[2], slot.fields)
            for k, slot in self.statuses.items()
            if k[0] == sid
            and (k[1] == day if day else k[1] >= since)
            and fields.get("from", "00:00") <= k[2] <= fields.get("to", "24:00")
            and (fields.get("h") == "1" or k[2] == fields.get("t", k[2]))
        )
        if not rows:
            raise bad("No status found")
        if fields.get("h") != "1":
            d, t, stored = rows[-1]
            v = [stored.get(name, "NaN") for name in names]
            return Reply(200, ",".join([d, t, *v[:4], "NaN", *v[4:]]))
        if fields.get("asc") != "1":
            rows.reverse()
        limit = min(int(fields.get("limit", "30")), 288)
        return Reply(200, ";".join(_history(d, t, f, names) for d, t, f in rows[:limit]))

    def _getsystem(self, key: Key, sid: str, fields: Mapping[str, str], _: int) -> Reply:
        system = self.systems[sid]
        head = (
            f"{system.name},{system.size_w},4000,14,360,Acme,14,300,APsystems,N,20.0,No,20240101,"
            f"-27.46,153.02,{system.interval}"
        )
        if fields.get("tz") == "1":
            head += "," + ("" if self.quirks.empty_timezone else system.tz)
        sections = [head, ""]
        if fields.get("donations") == "1" and not self.quirks.no_donations:
            sections.append("2" if key.donation else "0")
        return Reply(200, ";".join(sections))

    # --- rules ------------------------------------------------------------------------------

    def _checked(  # noqa: C901, PLR0912  the contract's rules, in its order
        self,
        key: Key,
        sid: str,
        fields: Mapping[str, str],
        ahead: Iterable[Checked] = (),
    ) -> Checked:
        """Hold a record against all rules; gives its fields, date and rounded time."""
        system, quirks = self.systems[sid], self.quirks
        d, t = fields.get("d", ""), fields.get("t", "")
        net, cumulative = fields.get("n") == "1", fields.get("c1", "")
        if not d or not _real_time(t):
            raise bad("Missing date or time")
        if _real_date(d) is None:
            raise bad(f"Invalid Date [{d}]")
        if net and cumulative in {"1", "2", "3"}:
            raise RefusedError(400, "Bad Request 400: Invalid net and cumulative")
        if net and not {"v2", "v4"} & fields.keys():
            raise RefusedError(400, "Bad Request 400: Missing net power value")
        day, rounded = self._rounded(system, d, t)
        exists = (sid, day, rounded) in self.statuses
        if not {"v1", "v2", "v3", "v4"} & fields.keys() and not (exists and quirks.merge_partial):
            raise bad("Missing energy and power values")
        values = {n: fields[n] for n in (*VALUES, *BATTERY, "m1") if n in fields}
        for name, value in values.items():
            if name != "m1" and not re.fullmatch(r"[+-]?\d+(\.\d+)?", value):
                raise bad(f"Could not read [{name}]")
        if not key.donation and set(DONOR_ONLY) & fields.keys():
            if quirks.ext_without_donation == "forbid":
                raise RefusedError(403, "Forbidden 403: Donation Mode")
            values = {n: v for n, v in values.items() if n not in DONOR_ONLY}
        for name in VALUES[:4]:
            if "." in values.get(name, ""):
                if quirks.decimals == "reject":
                    raise bad(f"Could not read [{name}]")
                values[name] = values[name].partition(".")[0]
        status = Status(d=d, t=t, values=values, net=net, cumulative=cumulative)
        for rule in self.more_rules:
            rule(status)
        self._plausible(key, system, status)
        self._energy(sid, system, status, ahead)
        if cumulative:
            values["c1"] = cumulative
        if "b1" not in values:
            values = {n: v for n, v in values.items() if n not in BATTERY}
        if "m1" in values:
            values["m1"] = values["m1"][:30]
        return (_net(values) if net else values), day, rounded

    def _plausible(self, key: Key, system: System, status: Status) -> None:
        values, d = status.values, status.d
        v2 = int(values.get("v2", 0))
        now = self.clock().astimezone(ZoneInfo(system.tz))
        if v2 < 0 and not status.net:
            raise bad(f"Invalid power value [{v2}]")
        later = self.quirks.refuse_later_today and f"{now:%Y%m%d %H:%M}" < f"{d} {status.t}"
        if d > f"{now:%Y%m%d}" or later:
            raise bad(f"Invalid future [{d}]")
        days = 90 if key.donation else 14
        if d < f"{now.date() - timedelta(days=days):%Y%m%d}":
            raise bad(f"Date is older than {days} days [{d}]")
        if v2 > 1.5 * system.size_w:
            raise bad(f"Power value [{v2}] too high for system size [{system.size_w}]")
        most = 2_000_000 if key.donation else 100_000
        if int(values.get("v4", 0)) > most:
            raise bad(f"Value number cannot exceed {most}Wh [{values['v4']}]")
        if int(values.get("v3", 0)) > 200_000 and status.cumulative not in {"1", "3"}:
            raise bad(f"Value number cannot exceed 200000Wh [{values['v3']}]")

    def _energy(self, sid: str, system: System, status: Status, ahead: Iterable[Checked]) -> None:
        d, t, values = status.d, status.t, status.values
        real, at = _real_date(d), time.fromisoformat(t)
        assert real is not None
        v1 = int(values["v1"]) if "v1" in values else None
        earlier = {k[2]: slot.fields for k, slot in self.statuses.items() if k[:2] == (sid, d)}
        earlier |= {o_t: o for o, o_d, o_t in ahead if o_d == d}
        before = [int(f["v1"]) for o_t, f in sorted(earlier.items()) if "v1" in f and o_t < t]
        energy = v1
        if v1 is not None and status.cumulative in {"1", "2"}:
            energy = v1 - before[0] if before else 0
        rise, sunset = system.sun(real)
        dark_power = int(values.get("v2", 0)) > 0 and not rise <= at <= sunset
        if dark_power or (at < rise and (energy or 0) > 0):
            raise bad("Moon Powered")
        if energy is None or v1 is None:
            return
        size_kw = system.size_w / 1000
        minutes = at.hour * 60 + at.minute
        if 360 <= minutes <= 480 and energy > 1000 * size_kw * (1 + 3 * (minutes - 360) / 120):
            raise bad(f"Energy value [{v1}] too high for [{t}]")
        if energy > 12_000 * size_kw:
            raise bad(f"Energy value [{v1}] too high for system size [{system.size_w}]")
        if self.quirks.monotonic and before and v1 < before[-1]:
            raise bad(f"Energy value [{v1}] lower than previously recorded value: [{before[-1]}]")

    def _rounded(self, system: System, d: str, t: str) -> tuple[str, str]:
        """Round to the nearest interval, halves up."""
        hour, minute = map(int, t.split(":"))
        minutes = hour * 60 + minute
        rounded = (2 * minutes + system.interval) // (2 * system.interval) * system.interval
        if rounded < 24 * 60:
            return d, f"{rounded // 60:02}:{rounded % 60:02}"
        if self.quirks.midnight_round == "clamp":
            last = 24 * 60 - system.interval
            return d, f"{last // 60:02}:{last % 60:02}"
        real = _real_date(d)
        assert real is not None
        return f"{real + timedelta(days=1):%Y%m%d}", "00:00"

    def _store(self, sid: str, values: dict[str, str], d: str, t: str, number: int) -> bool:
        slot = self.statuses.setdefault((sid, d, t), Slot())
        changed = not slot.requests or {**slot.fields, **values} != slot.fields
        slot.fields |= values
        slot.requests.append(number)
        return changed

    def _today(self, sid: str) -> date:
        return self.clock().astimezone(ZoneInfo(self.systems[sid].tz)).date()


def _net(values: dict[str, str]) -> dict[str, str]:
    """Turn net power into export and import, and keep both."""
    v2 = int(values["v2"]) if "v2" in values else None
    v4 = int(values["v4"]) if "v4" in values else None
    if v2 is None:
        exported, imported = max(-(v4 or 0), 0), max(v4 or 0, 0)
    elif v4 is None:
        exported, imported = max(v2, 0), 0 if v2 >= 0 else -v2
    elif v2 >= 0 and v4 < 0:
        exported, imported = v2 - v4, 0
    elif v2 < 0 <= v4:
        exported, imported = 0, v4 - v2
    elif v2 < 0:
        exported, imported = -v4, -v2
    else:
        exported, imported = v2, v4
    return values | {"export": str(exported), "import": str(imported)}


def _history(d: str, t: str, stored: Mapping[str, str], names: Iterable[str]) -> str:
    v = {name: stored.get(name, "NaN") for name in names}
    middle = [v["v1"], "NaN", v["v2"], v["v2"], "NaN", v["v3"], v["v4"]]
    return ",".join([d, t, *middle, *(v[n] for n in v if n not in VALUES[:4])])


def _real_date(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _real_time(text: str) -> bool:
    return re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text) is not None
