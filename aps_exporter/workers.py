"""Threads that are kept for the next piece of work, as starting one costs more than most of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

__all__ = ["Run", "Workers", "in_new_thread"]

IDLE_S: Final = 5.0
"""A thread without work ends after so long."""

Run = Callable[[Callable[[], None]], None]
"""Has a function called in another thread, at once; the function raises nothing."""


def in_new_thread(work: Callable[[], None]) -> None:
    """Call a function in a thread of its own, which doesn't keep the program from ending."""
    threading.Thread(target=work, daemon=True).start()


class Workers:
    """As many threads as there is work at a time; nothing ever waits for one to be free.

    Who starts a thread waits until it runs, and in a busy process that can take as long as an
    answer may. Not an executor: the program could not end before the last of its threads has.
    """

    def __init__(self, name: str) -> None:
        """Start with none; `name` is what its threads are called."""
        self._name = name
        self._lock = threading.Lock()
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._idle = 0
        """Threads that wait for work, less the work that waits for them."""

    def run(self, work: Callable[[], None]) -> None:
        """Call a function, which raises nothing, in one of the threads."""
        with self._lock:
            waiting = self._idle > 0
            if waiting:
                self._idle -= 1
        if waiting:
            self._work.put(work)
        else:
            threading.Thread(target=self._serve, args=(work,), name=self._name, daemon=True).start()

    def _serve(self, work: Callable[[], None]) -> None:
        while True:
            work()
            del work  # whatever it holds is not ours to keep while we wait
            with self._lock:
                self._idle += 1
            try:
                work = self._work.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if self._idle > 0:
                        self._idle -= 1
                        return
                work = self._work.get()  # it has just been put there for us
