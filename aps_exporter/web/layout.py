"""Where each panel lies on the picture: as its owner says, else in good order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from aps_exporter.summary import Panel

__all__ = ["Spot", "lay_out"]

Spot = tuple[int, int]
"""Row and column, from 1 at the top left."""

FEWEST_COLUMNS: Final = 4
MOST_COLUMNS: Final = 12
"""More can't be read on a phone."""


def lay_out(panels: Sequence[Panel]) -> dict[str, Spot]:
    """Find a spot for every panel: those without one of their own, or with a taken one, go below.

    There each group begins a row, and the panels of an inverter stay together.
    """
    spots: dict[str, Spot] = {}
    taken: set[Spot] = set()
    for panel in panels:
        if panel.row is not None and panel.column is not None:
            spot = (panel.row, panel.column)
            if spot not in taken:
                taken.add(spot)
                spots[panel.id] = spot
    row = max((spot[0] for spot in taken), default=0)
    homeless = sorted((p for p in panels if p.id not in spots), key=_group)
    columns = _columns(homeless)
    for _, group in groupby(homeless, _group):
        for block in _rows(group, columns):
            row += 1
            spots |= {panel.id: (row, column) for column, panel in enumerate(block, 1)}
    return spots


def _group(panel: Panel) -> str:
    return panel.group


def _columns(panels: Sequence[Panel]) -> int:
    """Choose a width that makes a picture rather wide than high, and fits whole inverters."""
    inverter = max(Counter(panel.inverter for panel in panels).values(), default=1)
    width = math.ceil(math.sqrt(len(panels) * 2) / inverter) * inverter
    return min(max(width, FEWEST_COLUMNS), MOST_COLUMNS)


def _rows(panels: Iterable[Panel], columns: int) -> list[list[Panel]]:
    """Fill rows with whole inverters; one with more panels than a row has takes several."""
    rows: list[list[Panel]] = [[]]
    for _, inverter in groupby(panels, lambda panel: panel.inverter):
        members = [*inverter]
        for start in range(0, len(members), columns):
            block = members[start : start + columns]
            if len(rows[-1]) + len(block) > columns:
                rows.append([])
            rows[-1] += block
    return rows
