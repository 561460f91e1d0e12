"""The roof as one picture."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from aps_exporter.summary import PanelName
from aps_exporter.web.roof_svg import SVG_HEADERS, THEMES, Theme, draw_roof
from aps_exporter.web.status import status_json
from tests.web.roof_world import NOON, World, inverter, reading, refuse

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "</text><script>alert('1')</script>&\x00\x1b\ud800\ufffe"


def draw(world: World, theme: Theme = "auto") -> tuple[ET.Element, str]:
    """Draw a world; the picture has to be XML."""
    text = draw_roof(status_json(world.station), theme)
    return ET.fromstring(text.encode()), text  # noqa: S314  # our own


def texts(root: ET.Element) -> list[str]:
    """Give all texts that can be seen."""
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def test_the_picture_shows_the_roof() -> None:
    """Power, time, panels and every panel's watts and name can be read."""
    world = World(names={"801000090001-1": PanelName(name="Dormer")}, expected_count=5)
    world.poll()
    root, _ = draw(world)
    shown = texts(root)

    assert {"barn", "450\xa0W", "4 of 5 panels", "2026-06-01 14:00", "200 W", "0 W"} <= set(shown)
    assert "≈ 562\xa0W estimated · 4.2\xa0kWh today" in shown
    assert "Dormer" in shown


def test_the_picture_can_be_heard() -> None:
    """A screen reader gets a title, a description, and a title for each panel."""
    world = World()
    world.poll()
    world.poll(reading(inverter("801000090001", 200.0, None)))
    root, _ = draw(world)
    titles = [title.text for title in root.iter(f"{SVG}title")]

    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "title desc"
    assert titles[0] == "The roof of barn: 200\xa0W at 14:02"
    assert "801000090001-2 (801000090001-2): missing 14:00" in titles
    description = root.findtext(f"{SVG}desc") or ""
    assert description.endswith("Missing: 801000090001-2, 801000090002-1, 801000090002-2.")


def test_each_kind_of_nothing_looks_different() -> None:
    """0 W, missing, never contacted and stale panels have each a look of their own."""
    world = World(names={"801000090009-1": PanelName()})
    world.poll(reading(inverter("801000090002", 5.0), inverter("801000090001", 5.0, 5.0)))
    world.poll(
        reading(
            inverter("801000090001", 200.0, 0.0),
            inverter("801000090002", None),
            inverter("801000090003", 90.0, stale=True),
        )
    )
    root, _ = draw(world)
    tiles = [group for group in root.iter(f"{SVG}g") if group.find(f"{SVG}title") is not None]
    looks = {
        (rect.get("fill"), rect.get("stroke"), rect.get("stroke-dasharray"))
        for tile in tiles
        for rect in tile.iter(f"{SVG}rect")
    }

    assert len(tiles) == len(looks) == 5


@pytest.mark.parametrize("theme", THEMES)
def test_hostile_texts_are_text(theme: Theme) -> None:
    """Names that are markup, or that XML can't hold, break out of nothing."""
    serial = "801000090001"
    world = World(names={f"{serial}-1": PanelName(name=EVIL, group=EVIL)}, name=EVIL)
    evil = replace(inverter(serial, 3.0, None), serial=EVIL)
    world.poll(reading(evil))
    root, text = draw(world, theme)

    assert "<script" not in text
    assert not {element.tag for element in root.iter()} & {f"{SVG}script", f"{SVG}foreignObject"}
    assert any("</text><script>" in shown for shown in texts(root))


def test_it_needs_nothing_else() -> None:
    """No address but the namespace's is in it, and its style is the only thing that may apply."""
    world = World()
    world.poll()
    _, text = draw(world)

    assert text.count("http") == 1
    assert "href" not in text
    assert "url(#gone)" not in text or "<pattern" in text
    assert SVG_HEADERS["content-security-policy"].startswith("default-src 'none'; style-src 'sha")


def test_a_theme_is_fixed_where_one_is_asked_for() -> None:
    """`auto` goes by the viewer's preference; light and dark don't."""
    world = World()
    world.poll()
    pictures = {theme: draw(world, theme)[1] for theme in THEMES}

    assert "prefers-color-scheme" in pictures["auto"]
    assert "<style" not in pictures["light"] + pictures["dark"]
    assert "#0e141b" in pictures["dark"]
    assert "#0e141b" not in pictures["light"]


@pytest.mark.parametrize("failing", [False, True])
def test_a_roof_that_nobody_has_seen(*, failing: bool) -> None:
    """Before the first answer there is a picture, too."""
    world = World()
    if failing:
        world.poll(refuse)
    root, _ = draw(world)

    assert "not read yet" in texts(root)


def test_long_sentences_are_wrapped() -> None:
    """Lines end within the picture."""
    world = World(now=NOON)
    world.poll(reading())
    root, _ = draw(world)
    shown = texts(root)

    assert any(line.startswith("The ECU answers, but its table is empty") for line in shown)
    assert max(map(len, shown)) < 75


def test_far_apart_panels_are_drawn_near() -> None:
    """Rows and columns that nobody uses take one line at most."""
    world = World(
        names={
            "801000090001-1": PanelName(row=1, column=1),
            "801000090001-2": PanelName(row=200, column=200),
        }
    )
    world.poll(reading(inverter("801000090001", 1.0, 2.0)))
    root, _ = draw(world)

    assert float(root.get("height") or 0) < 600
