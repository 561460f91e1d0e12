"""What is kept for the next visitor, and how much of it."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from aps_exporter.web.shared import MOST_BYTES, Body, Shared

OWNER = object()


class Pages:
    """Builds bodies of one size, and counts them."""

    def __init__(self, size: int) -> None:
        """Begin with nothing kept."""
        self.built: Counter[str] = Counter()
        self._size = size
        self._shared = Shared()

    def visit(self, *names: str, stamp: int = 0) -> list[int]:
        """Fetch pages one after the other; give how large they are."""

        async def fetch(name: str) -> int:
            def build() -> Body:
                self.built[name] += 1
                return Body(b"x" * self._size)

            return len((await self._shared.body(name, OWNER, stamp, build)).plain)

        async def fetch_all() -> list[int]:
            return [await fetch(name) for name in names]

        return asyncio.run(fetch_all())


def test_many_small_bodies_are_kept() -> None:
    """How many there are doesn't matter."""
    pages = Pages(1000)
    names = [f"page {n}" for n in range(500)]
    pages.visit(*names, *names)

    assert set(pages.built.values()) == {1}


def test_large_bodies_are_kept_within_a_budget() -> None:
    """The body that nobody wanted for the longest time goes first."""
    pages = Pages(MOST_BYTES // 8)  # as much again is set aside: four find room
    pages.visit("a", "b", "c", "d", "a", "e")
    pages.visit("a", "c", "d", "e")
    kept = dict(pages.built)
    pages.visit("b")

    assert kept == {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}
    assert pages.built["b"] == 2


def test_a_body_takes_the_place_of_its_forerunner() -> None:
    """A page that changes again and again drives no other out."""
    pages = Pages(MOST_BYTES // 8)
    pages.visit("a")
    for stamp in range(20):
        pages.visit("b", stamp=stamp)
    pages.visit("a")

    assert pages.built == {"a": 1, "b": 20}


@pytest.mark.parametrize("size", [MOST_BYTES, MOST_BYTES // 2 + 1])
def test_a_body_beyond_the_budget_is_answered_and_not_kept(size: int) -> None:
    """However large a page is, who asked for it gets it."""
    pages = Pages(size)

    assert pages.visit("a", "a") == [size, size]
    assert pages.built["a"] == 2
