"""The table that the measurements are printed as."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Row", "at_least", "at_most", "note", "table"]

_HEAD = ("what", "measured", "goal", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement, and what it should be."""

    what: str
    measured: str
    goal: str = ""
    met: bool | None = None
    """``None`` where there is no goal."""

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Give the texts in the order of the heading."""
        return (
            self.what,
            self.measured,
            self.goal,
            {None: "", True: "ok", False: "MISSED"}[self.met],
        )


def at_most(what: str, value: float, goal: float, unit: str) -> Row:
    """Make a row of what should be small."""
    return Row(what=what, measured=_text(value, unit), goal=f"≤ {goal:g}{unit}", met=value <= goal)


def at_least(what: str, value: float, goal: float, unit: str) -> Row:
    """Make a row of what should be large."""
    return Row(what=what, measured=_text(value, unit), goal=f"≥ {goal:g}{unit}", met=value >= goal)


def note(what: str, value: float, unit: str) -> Row:
    """Make a row of what is good to know."""
    return Row(what=what, measured=_text(value, unit))


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Give the table's lines, each as soon as its row is there."""
    widths = (62, 13, 11, 7)
    for cells in (_HEAD, tuple("-" * width for width in widths)):
        yield _line(cells, widths)
    for row in rows:
        yield _line(row.cells, widths)


def _line(cells: tuple[str, ...], widths: tuple[int, ...]) -> str:
    what, *rest = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return " | ".join((what, *rest)).rstrip()


def _text(value: float, unit: str) -> str:
    return f"{value:,.0f}{unit}" if abs(value) >= 100 else f"{value:.2f}{unit}"
