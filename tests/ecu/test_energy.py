"""The lifetime counter, and what firmware does to it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from aps_exporter.ecu.energy import LifetimeGuard

BEGAN = datetime.fromisoformat("2026-05-04 12:00:05")


def passed(*said: tuple[float | None, int | None]) -> list[float | None]:
    """Pass energies on that were said in those sweeps."""
    guard = LifetimeGuard()
    return [
        guard.pass_on(energy, None if sweep is None else BEGAN + timedelta(minutes=5 * sweep))
        for energy, sweep in said
    ]


@pytest.mark.parametrize(
    ("said", "published"),
    [
        pytest.param([(100, 1), (100, 1), (101, 2)], [100, 100, 101], id="rises"),
        pytest.param([(100, 1), (None, 1), (101, 2)], [100, None, 101], id="unknown"),
        pytest.param([(100, 1), (0, 2), (0, 3), (101, 4)], [100, None, None, 101], id="zero"),
        pytest.param([(0, 1), (0, 2), (0, 3)], [None, None, None], id="zero for ever"),
        pytest.param([(100, 1), (40, 2), (101, 3)], [100, None, 101], id="one glitch"),
        pytest.param([(100, 1), (40, 2), (40, 2), (40, 2)], [100, None, None, None], id="same"),
        pytest.param([(100, 1), (40, 2), (41, 3), (42, 4)], [100, None, 41, 42], id="confirmed"),
        pytest.param([(100, 1), (40, 2), (40, 3)], [100, None, 40], id="confirmed, equal"),
        pytest.param([(100, 1), (40, 2), (30, 3), (31, 4)], [100, None, None, 31], id="drops on"),
        pytest.param([(100, 1), (40, 2), (100, 3), (40, 4)], [100, None, 100, None], id="twice"),
        pytest.param([(100, 1), (40, None), (41, None)], [100, None, None], id="no sweep"),
        pytest.param([(100, None), (101, None)], [100, 101], id="no sweep, rises"),
        pytest.param([(100, 1), (0, 2), (40, 2), (40, 3)], [100, None, None, 40], id="replaced"),
        pytest.param([(100, 1), (40, 2), (45, 3), (44, 4)], [100, None, 45, None], id="new start"),
    ],
)
def test_a_drop_is_published_only_once_confirmed(
    said: list[tuple[float | None, int | None]], published: list[float | None]
) -> None:
    """Zero never passes, a drop only when another sweep still says it."""
    assert passed(*said) == published
