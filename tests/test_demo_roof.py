"""The roof that the demo shows."""

from __future__ import annotations

from collections import Counter

import pytest

from aps_exporter.commands.demo import lay_roof


@pytest.mark.parametrize("panels", [1, 4, 12, 20, 28, 400])
def test_the_demos_roof_is_a_roof(panels: int) -> None:
    """Every panel has a name, a side and a spot of its own; each side is wider below than above."""
    sides = ("east", "south", "west")
    groups = {f"8010{n // 4:08}-{n % 4 + 1}": sides[n // 4 % 3] for n in range(panels)}
    roof = lay_roof(groups)
    rows = {side: Counter[int]() for side in sides}
    for panel in roof.values():
        rows[panel.group][panel.row or 0] += 1

    assert {name: panel.group for name, panel in roof.items()} == groups
    assert len({(panel.row, panel.column) for panel in roof.values()}) == panels
    assert len({panel.name for panel in roof.values()}) == panels
    assert max(panel.column or 0 for panel in roof.values()) <= 8
    for counts in rows.values():
        assert [counts[row] for row in sorted(counts)] == sorted(counts.values())
