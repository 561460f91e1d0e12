"""A month of days on which everything goes wrong at random, and whether the books balance."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.pvoutput.day import Day, Roof
from tests.pvoutput.fake_pvoutput import KEY, Fault, FakePVOutput

DAYS = 31


def test_books_balance(make_day: Callable[..., Day], fake: FakePVOutput) -> None:
    """Every slot that had a sweep is stored, dead with a reason, expired by age, or a night's zero."""
    luck = random.Random(20260301)
    spikes: set[str] = set()

    def spike(at: datetime) -> float | None:
        return 9000.0 if f"{at:%d %H%M}" in spikes else None

    day = make_day(roof=Roof(rise=9.0, spike=spike), poll=timedelta(minutes=5))
    lost = {"expired": 0, "dead": 0, "skipped_night": 0, "rejected_local": 0}

    def settle() -> None:
        for result in lost:
            lost[result] += day.alive.snapshot().records[result]

    end = day.clock() + timedelta(days=DAYS)
    away_at = day.clock() + timedelta(days=8)
    restarts = outages = 0
    while day.clock() < end:
        hours = luck.uniform(0.5, 6)
        trouble = luck.choice(["none", "outage", "5xx", "quota", "restart", "spike", "drop"])
        if day.clock() >= away_at:  # once, for longer than PVOutput takes the past
            away_at, trouble, hours = end, "outage", 24 * 14.5
        match trouble:
            case "outage":
                outages += 1
                day.line.up = False
            case "5xx":
                fake.faults.append(Fault("status", status=503, times=luck.randrange(1, 12)))
            case "drop":
                fake.faults.append(Fault("drop_after", times=luck.randrange(1, 4)))
            case "quota":
                key = fake.world.keys[KEY]
                key.counts[fake.world.window()] = luck.randrange(30, 60)
            case "restart":
                restarts += 1
                settle()
                day.kill()
                day.clock.forward(minutes=luck.uniform(0, 60))
                day.start()
            case "spike":
                spikes.add(f"{day.roof.sweep_before(day.clock() + timedelta(minutes=30)):%d %H%M}")
                day.alive.site.system = type(day.alive.site.system)()  # its size isn't known now
        day.hours(hours)
        day.line.up = True
    fake.faults.clear()
    spikes.clear()
    day.hours(30)
    settle()

    stored = fake.stored("v2")
    expected = day.expected()
    right = {slot for slot, v in stored.items() if expected.get(slot) == v}
    dead = day.alive.outbox.entries("dead")
    books = (
        len(right) + lost["dead"] + lost["rejected_local"] + lost["expired"] + lost["skipped_night"]
    )
    print(
        f"{len(expected)} slots with a sweep: {len(right)} stored, {len(dead)} dead, {lost};"
        f" {restarts} restarts, {outages} outages, {len(fake.requests)} requests"
    )

    assert len(expected) == books
    assert right == stored.keys()
    assert lost["expired"] > 0
    assert len(dead) == lost["dead"] + lost["rejected_local"] > 0
    assert all(entry.error for entry in dead)
    assert day.alive.outbox.counts().pending == 0
    assert max(fake.world.keys[KEY].counts.values()) <= 60
