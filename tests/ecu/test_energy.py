"""The energy counters, and what firmware does to them; in kWh, for short."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from aps_exporter.ecu.energy import LifetimeGuard, TodayGuard

Said = tuple[float | None, int | None]
"""The energy, and the number of the sweep that says so."""
BEGAN = datetime.fromisoformat("2026-05-04 12:00:05")


def passed(guard: LifetimeGuard | TodayGuard, *said: Said) -> list[float | None]:
    """Pass energies on that were said in those sweeps."""
    published = [
        guard.pass_on(
            None if energy is None else energy * 1000,
            None if sweep is None else BEGAN + timedelta(minutes=5 * sweep),
        )
        for energy, sweep in said
    ]
    return [None if energy is None else round(energy / 1000, 6) for energy in published]


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
        pytest.param([(100.06, 1), (100, 1), (100.1, 2)], [100.06, 100.06, 100.1], id="rounding"),
        pytest.param([(100.6, 1), (100.4, 1)], [100.6, None], id="more than rounding"),
    ],
)
def test_a_drop_is_published_only_once_confirmed(
    said: list[Said], published: list[float | None]
) -> None:
    """Zero never passes, a drop only when another sweep still says it.

    Over TCP the counter has one decimal less than on the page: that is no drop, and no reset.
    """
    assert passed(LifetimeGuard(), *said) == published


@pytest.mark.parametrize(
    ("said", "published"),
    [
        pytest.param([(17, 1), (17, 1), (17.2, 2)], [17, 17, 17.2], id="rises"),
        pytest.param([(17, 1), (None, 1), (17.2, 2)], [17, None, 17.2], id="unknown"),
        pytest.param([(17, 1), (12, 2), (17.2, 3)], [17, None, 17.2], id="one glitch"),
        pytest.param([(17, 1), (12, 2), (12, 2)], [17, None, None], id="same sweep"),
        pytest.param([(17, 1), (12, 2), (12.1, 3)], [17, None, 12.1], id="confirmed"),
        pytest.param([(17, 1), (0, 2), (0.2, 3)], [17, 0, 0.2], id="reset at an odd hour"),
        pytest.param([(17, 1), (0.09, 2), (0.2, 3)], [17, 0.09, 0.2], id="reset and going"),
        pytest.param([(17, 1), (3, 145)], [17, 3], id="another day"),
        pytest.param([(17, 1), (3, None), (17, 2)], [17, 3, 17], id="no sweep, no proof"),
        pytest.param([(17.01, 1), (17, 1)], [17.01, 17.01], id="rounding"),
    ],
)
def test_the_day_falls_to_nothing_or_not_at_all(
    said: list[Said], published: list[float | None]
) -> None:
    """The day's energy begins anew when it likes; a fall to a half is a glitch until confirmed."""
    assert passed(TodayGuard(), *said) == published
