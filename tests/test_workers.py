"""Threads that are used again."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from aps_exporter import workers
from aps_exporter.workers import Workers, in_new_thread

PATIENCE_S = 10.0


def ident_of(pool: Workers) -> int:
    """Say which thread does a piece of work."""
    done: Future[int] = Future()
    pool.run(lambda: done.set_result(threading.get_ident()))
    return done.result(PATIENCE_S)


def wait_until_idle(pool: Workers) -> None:
    """Wait until a thread waits for work."""
    for _ in range(1000):
        if pool._idle:  # noqa: SLF001 - nothing else tells when it can be used again
            return
        threading.Event().wait(0.001)
    pytest.fail("its thread does not come back")


def test_a_thread_is_used_again() -> None:
    """Work that comes after other work is done by the same thread."""
    pool = Workers("test")
    first = ident_of(pool)
    wait_until_idle(pool)

    assert ident_of(pool) == first


def test_work_never_waits_for_other_work() -> None:
    """Fifty pieces of work that wait for each other all run at once, and twice."""
    pool = Workers("test")
    together = threading.Barrier(51)
    for _ in range(2):
        for _ in range(50):
            pool.run(lambda: (together.wait(PATIENCE_S), None)[1])

        together.wait(PATIENCE_S)


def test_a_thread_without_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads don't outlive a burst for long, and the next piece of work has a new one."""
    monkeypatch.setattr(workers, "IDLE_S", 0.0)
    pool, thread = Workers("test"), Future[threading.Thread]()
    pool.run(lambda: thread.set_result(threading.current_thread()))
    thread.result(PATIENCE_S).join(PATIENCE_S)

    assert not thread.result().is_alive()
    assert ident_of(pool)


def test_much_short_work_is_all_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost between a thread that gives up waiting and work that comes."""
    monkeypatch.setattr(workers, "IDLE_S", 0.0001)
    pool = Workers("test")

    assert all(ident_of(pool) for _ in range(2000))


def test_new_thread() -> None:
    """What runs in a thread of its own doesn't keep the program from ending."""
    thread: Future[threading.Thread] = Future()
    in_new_thread(lambda: thread.set_result(threading.current_thread()))

    assert thread.result(PATIENCE_S).daemon
