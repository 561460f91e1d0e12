"""Where panels lie on the picture of the roof."""

from __future__ import annotations

import pytest

from aps_exporter.summary import Panel
from aps_exporter.web.layout import lay_out


def panels(inverters: int, channels: int, group: str = "", first: int = 0) -> list[Panel]:
    """Make the panels of some inverters that nobody has placed."""
    return [
        Panel(
            id=f"8010{first + number:08}-{channel}",
            inverter=f"8010{first + number:08}",
            channel=str(channel),
            name="",
            group=group,
        )
        for number in range(inverters)
        for channel in range(1, channels + 1)
    ]


def placed(panel_id: str, row: int | None, column: int | None) -> Panel:
    """Make a panel that its owner placed."""
    return Panel(
        id=panel_id, inverter=panel_id, channel="", name="", group="", row=row, column=column
    )


def test_what_the_owner_says_holds() -> None:
    """A configured spot is the panel's, and unplaced ones begin below the last row."""
    spots = lay_out([placed("a", 3, 7), placed("b", 1, 2), *panels(1, 2)])

    assert spots == {"a": (3, 7), "b": (1, 2), "801000000000-1": (4, 1), "801000000000-2": (4, 2)}


@pytest.mark.parametrize("second", [placed("b", 1, 1), placed("b", 5, None), placed("b", None, 5)])
def test_a_spot_that_is_none(second: Panel) -> None:
    """A spot that is taken, or said by half, counts as not said."""
    assert lay_out([placed("a", 1, 1), second]) == {"a": (1, 1), "b": (2, 1)}


@pytest.mark.parametrize(
    ("inverters", "channels", "columns"),
    [(1, 1, 1), (1, 4, 4), (2, 2, 4), (5, 4, 8), (10, 2, 8), (100, 4, 12), (400, 1, 12)],
)
def test_the_default_is_orderly(inverters: int, channels: int, columns: int) -> None:
    """Nobody shares a spot, and an inverter's panels stay in a row that a phone can show."""
    roof = panels(inverters, channels)
    spots = lay_out(roof)
    rows_of = {
        panel.inverter: {spots[p.id][0] for p in roof if p.inverter == panel.inverter}
        for panel in roof[::channels]
    }

    assert len(set(spots.values())) == len(roof)
    assert max(column for _, column in spots.values()) == columns
    assert all(len(rows) == 1 for rows in rows_of.values())


def test_each_group_has_rows_of_its_own() -> None:
    """No row has panels of two groups."""
    east, west = panels(2, 4, "east"), panels(3, 4, "west", first=50)
    spots = lay_out([*west[:4], *east, *west[4:]])

    assert {spots[p.id][0] for p in east}.isdisjoint({spots[p.id][0] for p in west})


def test_an_inverter_wider_than_the_picture() -> None:
    """More panels than a row has take several rows."""
    spots = lay_out(panels(1, 30))

    assert max(spots.values()) == (3, 6)


def test_no_panel_no_spot() -> None:
    """An empty roof is laid out, too."""
    assert lay_out([]) == {}
