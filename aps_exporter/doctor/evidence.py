"""Gathers what an ECU says over each of its interfaces, as it says it, one question at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from aps_exporter.deadline import Deadline
from aps_exporter.ecu.tcp import PORT as TCP_PORT
from aps_exporter.errors import EcuError, EcuStatus

__all__ = ["QUESTIONS", "Ask", "Door", "Evidence", "Item", "Kind", "Question", "gather"]

SILENCE: Final = ("unreachable", "timeout")
"""How it is told that nobody opened."""

Kind = Literal["home", "table", "curve", "system", "inverters", "signals"]
Door = Literal["web", "tcp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something that an ECU may be asked; a row of the table."""

    door: Door
    kind: Kind
    where: str
    """Path of the page, or number of the command."""


QUESTIONS: Final = (
    Question(door="web", kind="home", where="/index.php/home"),
    Question(door="web", kind="table", where="/index.php/realtimedata"),
    Question(door="web", kind="curve", where="/index.php/realtimedata/old_power_graph"),
    Question(door="web", kind="home", where="/cgi-bin/home"),
    Question(door="web", kind="table", where="/cgi-bin/parameters"),
    Question(door="tcp", kind="system", where="0001"),
    Question(door="tcp", kind="inverters", where="0002"),
    Question(door="tcp", kind="signals", where="0030"),
    Question(door="tcp", kind="curve", where="0003"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An answer, or why there is none."""

    door: Door
    kind: Kind
    where: str
    content: bytes | None = None
    error: str | None = None
    status: EcuStatus = "ok"
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All answers of one visit."""

    host: str
    tcp_port: int = TCP_PORT
    taken_at: datetime
    """UTC."""
    items: tuple[Item, ...]

    def answers(self, door: Door) -> bool:
        """Say whether anybody answered at a door, usefully or not."""
        return any(item.door == door and item.status not in SILENCE for item in self.items)


Ask = Callable[[Question, Deadline], tuple[bytes, EcuError | None]]
"""Puts one question; returns the answer as it came, and why it is none, or raises `EcuError`."""


def gather(
    ask: Ask,
    *,
    host: str,
    tcp_port: int = TCP_PORT,
    now: Callable[[], datetime],
    patience_s: float,
) -> Evidence:
    """Put all questions, one after the other; a door that nobody opens is not knocked at again.

    `patience_s` is for each question.
    """
    taken_at = now()
    items: list[Item] = []
    closed: set[Door] = set()
    for question in QUESTIONS:
        if question.door in closed:
            continue
        item = _put(ask, question, patience_s)
        items.append(item)
        if item.status in SILENCE:
            closed.add(question.door)
    return Evidence(host=host, tcp_port=tcp_port, taken_at=taken_at, items=tuple(items))


def _put(ask: Ask, question: Question, patience_s: float) -> Item:
    started = time.monotonic()
    content, error = None, None
    status: EcuStatus = "ok"
    try:
        content, unusable = ask(question, Deadline.after(patience_s))
        if unusable is not None:
            error, status = str(unusable), unusable.status
    except EcuError as caught:
        error, status = str(caught), caught.status
    return Item(
        door=question.door,
        kind=question.kind,
        where=question.where,
        content=content,
        error=error,
        status=status,
        seconds=time.monotonic() - started,
    )
