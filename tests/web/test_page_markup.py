"""The pages as the server writes them: whole, escaped, small, and laid out as the roof is."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from html.parser import HTMLParser
from importlib.resources import files

from aps_exporter.web.assets import PAGE_HEADERS, STYLE, TOKEN, asset
from aps_exporter.web.fleet_page import render_fleet
from aps_exporter.web.markup import OPEN, VOID, Markup, tag
from aps_exporter.web.roof_page import render_page
from tests.web import invented_roof

HOSTILE = "<script>'\"&</script>"
FIRST_FLIGHT = 10 * 1460
"""Bytes that TCP sends before it hears from the other side."""
MOST_BYTES = 150_000
STATIC = files("aps_exporter.web") / "static"


class Page(HTMLParser):
    """Reads a page strictly: every element that begins has to end, but for those that needn't."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See an element begin."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID | OPEN:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """See an element end."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """See text."""
        self.texts.append(data)

    def all(self, name: str) -> list[dict[str, str]]:
        """Give the attributes of all elements of a kind."""
        return [attributes for found, attributes in self.elements if found == name]

    def having(self, attribute: str) -> list[dict[str, str]]:
        """Give the attributes of all elements with a certain one."""
        return [each for _, each in self.elements if attribute in each]

    def of_class(self, name: str) -> list[dict[str, str]]:
        """Give the attributes of all elements of a class."""
        return [each for _, each in self.elements if name in each.get("class", "").split()]


def test_markup_escapes_what_is_not_markup() -> None:
    """Texts and attributes are escaped, elements within are not, and what is None is left out."""
    inner = tag("b", "&", tag("br"), None, class_="x", title=None)

    assert inner == '<b class="x">&amp;<br></b>'
    assert tag("a", [inner, HOSTILE], href=HOSTILE, data_n=3) == (
        '<a href="&lt;script&gt;&#x27;&quot;&amp;&lt;/script&gt;" data-n="3">'
        f"{inner}&lt;script&gt;&#x27;&quot;&amp;&lt;/script&gt;</a>"
    )
    assert isinstance(inner, Markup)


def test_pages_are_whole() -> None:
    """Every element ends, and no id stands twice."""
    for text in (render_page(invented_roof.status()), render_fleet(invented_roof.fleet())):
        page = Page(text)
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]

        assert page.open == []
        assert len(ids) == len(set(ids))


def test_pages_leave_style_and_script_to_files() -> None:
    """No script, handler or style stands in the markup but the one style that the policy allows."""
    for text in (render_page(invented_roof.status()), render_fleet(invented_roof.fleet())):
        page = Page(text)
        names = {name for _, attributes in page.elements for name in attributes}
        digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

        assert [set(script) for script in page.all("script")] == [
            {"type", "src"},
            {"defer", "src", "data-refresh"},
        ]
        assert not any(name == "style" or name.startswith("on") for name in names)
        assert text.count("<style>") == 1
        assert f"style-src 'sha256-{digest}'" in PAGE_HEADERS["content-security-policy"]
        assert f"<style>{STYLE}</style>" in text


def test_every_address_is_relative() -> None:
    """A page works below any path, and refers to nothing elsewhere."""
    for text in (render_page(invented_roof.status()), render_fleet(invented_roof.fleet())):
        addresses = re.findall(r'(?:src|href|data-(?:status|day|fleet))="([^"]*)"', text)

        assert addresses
        assert not [each for each in addresses if each.startswith(("/", "http"))]


def test_files_that_pages_name_are_there() -> None:
    """Pages load what is served, with a name that changes with the content; so do scripts."""
    text = render_page(invented_roof.status()) + render_fleet(invented_roof.fleet())
    named = {path.rpartition("/")[2] for path in re.findall(r'"(static/[^"]*)"', text)}
    scripts = [name for name in named if name.endswith(".js")]
    imported = {
        name
        for script in scripts
        for name in re.findall(r'from "\./(.*?)"', (STATIC / script).read_text())
    }

    assert f"static/{TOKEN}/roof.js" in text
    assert imported <= named
    for name in named:
        file = asset(name)
        assert file is not None
        assert file.body == (STATIC / name).read_bytes()
        assert "immutable" in file.headers["cache-control"]
    assert asset("roof.css") is None
    assert asset("../roof_page.py") is None


def test_the_page_of_a_large_roof_is_not_heavy() -> None:
    """400 panels on 200 inverters are below 150 kB, before any compression."""
    status = invented_roof.status()
    panel, inverter = status["roof"][0], status["inverters"][0]
    status["roof"] = [
        {**panel, "id": f"{408000020000 + n // 2}-{'AB'[n % 2]}", "row": n // 12, "column": n % 12}
        for n in range(400)
    ]
    status["inverters"] = [{**inverter, "serial": f"{408000020000 + n}"} for n in range(200)]

    assert len(render_page(status).encode()) < MOST_BYTES


def test_scripts_never_read_html() -> None:
    """What an ECU says can't become an element, for nothing in the scripts makes any of text."""
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|DOMParser|eval\(|Function\("
    )
    scripts = [path for path in STATIC.iterdir() if path.name.endswith(".js")]

    assert len(scripts) > 5
    assert not [path.name for path in scripts if forbidden.search(path.read_text())]


def test_a_page_weighs_little() -> None:
    """All that it loads is far below 150 kB, and its first picture arrives in the first flight."""
    page = render_page(invented_roof.status()).encode()
    loaded = sum(
        len(path.read_bytes()) for path in STATIC.iterdir() if not path.name.endswith(".css")
    )

    assert len(page) + loaded < MOST_BYTES / 1.5
    assert len(gzip.compress(page)) < FIRST_FLIGHT


def test_tiles_lie_as_the_roof_does() -> None:
    """A row of tiles per row; where a column is empty on all rows, an aisle."""
    page = Page(render_page(invented_roof.status()))

    [grid] = page.of_class("tiles")

    assert len(page.of_class("tile")) == 20
    assert [row["data-row"] for row in page.having("data-row")] == ["1", "2", "3"]
    assert grid["data-columns"] == "1 2 3 4 5 6 7 8"
    assert len(page.of_class("aisle")) == 3


def test_wide_gaps_close_up() -> None:
    """However far apart two panels are said to be, one empty line is enough."""
    status = invented_roof.status()
    status["roof"][-1] |= {"row": 900, "column": 70}
    page = Page(render_page(status))
    [grid] = page.of_class("tiles")

    assert len(page.of_class("tile")) == 20
    assert [row["data-row"] for row in page.having("data-row")] == ["1", "2", "3", "899", "900"]
    assert grid["data-columns"] == "1 2 3 4 5 6 7 8 69 70"


def test_a_roof_without_panels() -> None:
    """Before the first reading the page says so."""
    text = render_page(invented_roof.unread())

    assert "No panel has been seen yet." in text
    assert "Last polls of the ECU: 0, none failed" in text


def test_one_ecu_of_several() -> None:
    """Its page asks for its own numbers and leads back to all."""
    status = invented_roof.status()
    status["links"] = {"fleet": "./", "metrics": "probe?target=a%26b"}
    text = render_page(status, ecu="a&b c")

    assert 'data-status="api/v1/status?ecu=a%26b%20c"' in text
    assert 'data-day="api/v1/day?ecu=a%26b%20c"' in text
    assert '<a href="./">All ECUs</a>' in text
    assert text.count("probe?target=a%26b") == 1


def test_hostile_names_are_texts() -> None:
    """Wherever somebody else's text stands, it is escaped."""
    status = invented_roof.status()
    status["ecu"] |= {"name": HOSTILE, "sentence": HOSTILE, "firmware": HOSTILE, "id": HOSTILE}
    status["roof"][0] |= {"id": HOSTILE, "name": HOSTILE, "group": HOSTILE}
    status["inverters"][0] |= {"serial": HOSTILE, "name": HOSTILE, "state": HOSTILE}
    status["polls"][0] |= {"status": HOSTILE, "error": HOSTILE}
    fleet = invented_roof.fleet()
    fleet["ecus"][0] |= {"name": HOSTILE, "sentence": HOSTILE, "labels": {"x": HOSTILE}}
    fleet["failures"][0] |= {"target": HOSTILE, "status": HOSTILE, "error": HOSTILE}
    roof_page, fleet_page = Page(render_page(status, ecu=HOSTILE)), Page(render_fleet(fleet))

    assert len(roof_page.all("script")) == len(fleet_page.all("script")) == 2
    assert HOSTILE in roof_page.texts
    assert HOSTILE in fleet_page.texts


def test_a_fleet_without_ecus_and_one_of_one() -> None:
    """Nothing is summed up where nothing is known."""
    empty, one = invented_roof.fleet(), invented_roof.fleet()
    empty["ecus"], empty["failures"] = [], []
    del one["ecus"][1:]
    one["ecus"][0]["panels"]["expected"] = None

    assert "0 ECUs" in render_fleet(empty)
    assert 'class="card gone"' in render_fleet(empty)
    assert "1 fails" in render_fleet(one)
    assert 'class="card gone"' not in render_fleet(one)
