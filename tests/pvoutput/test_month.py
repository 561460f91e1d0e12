"""A month of days on which everything goes wrong at random, and whether the books balance."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from aps_exporter.pvoutput.status import Result
from aps_exporter.pvoutput.system import System
from tests.pvoutput.day import Day, Roof
from tests.pvoutput.fake_pvoutput import KEY, FakePVOutput, Fault

DAYS = 31
LOST: tuple[Result, ...] = ("expired", "dead", "rejected_local", "overflow")


class Trouble:
    """What may happen in a month; every method is one misfortune."""

    def __init__(
        self, make_day: Callable[..., Day], fake: FakePVOutput, luck: random.Random
    ) -> None:
        """Begin with a roof on which the sun is short, so that a month is quick."""
        roof = Roof(rise=10.0, spike=lambda at: 9000.0 if _minute(at) in self.spikes else None)
        self.day = make_day(roof=roof, poll=timedelta(minutes=5), night_poll=timedelta(minutes=20))
        self.fake = fake
        self.luck = luck
        self.spikes: set[str] = set()
        self.lost: Counter[Result] = Counter()
        self.kinds = [
            self.none,
            self.outage,
            self.broken,
            self.dropped,
            self.quota,
            self.restart,
            self.spike,
        ]

    def none(self) -> None:
        """Let all be well."""

    def outage(self) -> None:
        """Lose the network until the next misfortune."""
        self.day.line.up = False

    def broken(self) -> None:
        """Answer with errors of the server."""
        self.fake.faults.append(Fault("status", status=503, times=self.luck.randrange(1, 12)))

    def dropped(self) -> None:
        """Store, and hang up without an answer."""
        self.fake.faults.append(Fault("drop_after", times=self.luck.randrange(1, 4)))

    def quota(self) -> None:
        """Let another program use up most of the hour."""
        self.fake.world.keys[KEY].counts[self.fake.world.window()] = self.luck.randrange(30, 60)

    def restart(self) -> None:
        """Kill the forwarder, and begin a new life some time later."""
        self.settle()
        self.day.kill()
        self.day.clock.forward(minutes=self.luck.uniform(0, 60))
        self.day.start()

    def spike(self) -> None:
        """Read a power that can't be, and not know the system's size, in a while."""
        self.spikes.add(
            _minute(self.day.roof.sweep_before(self.day.clock() + timedelta(minutes=30)))
        )
        self.day.alive.site.system = System()

    def settle(self) -> None:
        """Take over the counts of a life that ends."""
        records = self.day.alive.snapshot().records
        self.lost.update({result: records[result] for result in LOST})


def test_books_balance(make_day: Callable[..., Day], fake: FakePVOutput) -> None:
    """Every slot that had a sweep is stored, dead with a reason, or expired by age."""
    luck = random.Random(20260301)  # noqa: S311  reproducible luck
    trouble = Trouble(make_day, fake, luck)
    day, happened = trouble.day, Counter[str]()
    end, away_at = day.clock() + timedelta(days=DAYS), day.clock() + timedelta(days=8)
    while day.clock() < end:
        hours, kind = luck.uniform(0.5, 6), luck.choice(trouble.kinds)
        if day.clock() >= away_at:  # once, for longer than PVOutput takes the past
            away_at, kind, hours = end, trouble.outage, 24 * 14.5
        happened[kind.__name__] += 1
        kind()
        day.hours(hours)
        day.line.up = True
    fake.faults.clear()
    trouble.spikes.clear()
    day.hours(30)
    trouble.settle()

    expected, stored, lost = day.expected(), fake.stored("v2"), trouble.lost
    right = {slot for slot, v in stored.items() if expected.get(slot) == v}
    dead = day.alive.outbox.entries("dead")
    print(  # noqa: T201  the numbers are the point
        f"{len(expected)} slots with a sweep: {len(right)} stored, {dict(lost)};"
        f" {len(fake.requests)} requests, {dict(happened)}"
    )

    assert len(expected) == len(right) + lost.total()
    assert right == stored.keys()
    assert lost["expired"] > 0
    assert len(dead) == lost["dead"] + lost["rejected_local"] > 0
    assert all(entry.error for entry in dead)
    assert day.alive.outbox.counts().pending == 0
    assert max(fake.world.keys[KEY].counts.values()) <= 60


def _minute(at: datetime) -> str:
    return f"{at:%d %H%M}"
