"""The roof's page in a real browser: what it shows, how it lives, and who can use it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import (  # type: ignore[import-untyped]  # has no types
    Axe,
)
from playwright.sync_api import Browser, Page, expect

from aps_exporter.web.contract import Status
from tests.e2e.browser import chromium, well_behaved
from tests.e2e.roof_server import RoofServer
from tests.web import invented_roof

PHONE = {"width": 375, "height": 812}
LOST = ["408000012347", "408000012352"]
ODD = {
    "408000012349-A": "online",  # at 0 W
    "408000012349-B": "never_contacted",
    "408000012350-A": "stale",
}
HOSTILE = '<script>window.owned=1</script>"><img src=x onerror=window.owned=1>'


def leave_alone(_status: Status) -> None:
    """Spoil nothing."""


def forget_all(status: Status) -> None:
    """Have nothing known yet."""
    status.update(invented_roof.unread())


ROOFS: dict[str, tuple[dict[str, Any], Callable[[Status], None]]] = {
    "dusk, two inverters missing": ({"hour": 20.4, "lost": LOST}, leave_alone),
    "odd panels": ({"states": ODD}, leave_alone),
    "night": ({"hour": 23.5}, leave_alone),
    "nothing known": ({}, forget_all),
}


@pytest.fixture(scope="module")
def browser(require: Callable[[str], str]) -> Iterator[Browser]:
    """Start a browser for all tests."""
    with chromium(require("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def _server() -> Iterator[RoofServer]:
    with RoofServer() as server:
        yield server


@pytest.fixture
def server(_server: RoofServer) -> RoofServer:
    """Serve a roof at noon on which all is well."""
    _server.roof = {}
    _server.spoil = leave_alone
    _server.broken = False
    _server.asked.clear()
    return _server


def wait_for_charts(page: Page) -> None:
    """Wait until the page lives, and the day is drawn."""
    expect(page.locator("#day svg .line")).to_be_attached()


def written(page: Page) -> dict[str, list[str]]:
    """Give all that the page says by keys, and its classes."""
    said: dict[str, list[str]] = page.evaluate(
        """() => {
          const read = (name, of) => [...document.querySelectorAll(`[data-${name}]`)]
            .map((node) => `${node.dataset[name]}: ${of(node)}`);
          const rows = [...document.querySelectorAll(".tile, tbody tr")];
          return { text: read("t", (node) => node.textContent),
            kind: read("c", (node) => node.className), rows: rows.map((node) => node.outerHTML
              .replace(/ (tabindex|aria-haspopup)="[^"]*"/g, "")) };
        }"""
    )
    return said


def violations(page: Page) -> list[str]:
    """Give the rules of axe that the page breaks, each with the first culprit."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


@pytest.mark.parametrize(("roof", "spoil"), ROOFS.values(), ids=ROOFS)
def test_the_page_says_what_the_server_wrote(
    browser: Browser,
    server: RoofServer,
    roof: dict[str, Any],
    spoil: Callable[[Status], None],
) -> None:
    """A poll that brings nothing new changes no text; without JavaScript all of it is there."""
    server.roof, server.spoil = roof, spoil
    with well_behaved(browser, server.url, java_script_enabled=False) as page:
        before = written(page)
    with well_behaved(browser, server.url) as page:
        wait_for_charts(page)
        after = written(page)

        expect(page.locator(".tile")).to_have_count(len(server.status()["roof"]))
    assert before["text"]
    assert after == before
    assert server.asked["/"] == 2


def test_the_kinds_of_nothing_look_different(browser: Browser, server: RoofServer) -> None:
    """Missing, never contacted, stale and 0 W are four pictures and four words."""
    server.roof = {"states": ODD, "lost": ["408000012347"]}
    with well_behaved(browser, server.url) as page:
        wait_for_charts(page)
        tiles = {name: page.locator(".tile", has_text=name) for name in ("South 5", "South 9")}
        tiles |= {name: page.locator(".tile", has_text=name) for name in ("South 10", "South 11")}
        look = """(node) => ["backgroundImage", "backgroundColor", "border"]
          .map((name) => getComputedStyle(node)[name])"""

        expect(tiles["South 5"]).to_contain_text("missing")
        expect(tiles["South 9"]).to_contain_text("0W")
        expect(tiles["South 10"]).to_contain_text("nevercontacted")
        expect(tiles["South 11"]).to_contain_text("stale12:33")
        expect(page.locator(".fact.bad")).to_contain_text("missing: South 5, South 6, South 10")
        assert len({str(tile.evaluate(look)) for tile in tiles.values()}) == 4


def test_a_panel_goes_and_comes_back(browser: Browser, server: RoofServer) -> None:
    """A tile turns missing within one refresh, the page says so, and all of it without a reload."""
    server.roof = {"refresh_s": 1}
    with well_behaved(browser, server.url) as page:
        wait_for_charts(page)
        tile = page.locator(".tile", has_text="South 5")
        expect(tile).to_have_class(re.compile("s10"))
        server.roof = {"refresh_s": 1, "lost": LOST}

        expect(tile).to_have_class("tile missing")
        expect(page.locator("[role=status]").first).to_contain_text("misses 4 of its panels")
        expect(page.locator("#panels")).to_contain_text("missing")
        expect(page.locator(".mini.lost")).to_have_count(4)

        server.roof = {"refresh_s": 1}
        expect(tile).to_have_class(re.compile("s10"))
        expect(page.locator(".mini.lost")).to_have_count(0)
    assert server.asked["/"] == 1


def test_another_roof_is_laid_out_anew(browser: Browser, server: RoofServer) -> None:
    """A panel that appears has its tile at the next refresh."""

    def without_the_last(status: Status) -> None:
        status["roof"].pop()

    server.roof = {"refresh_s": 1}
    server.spoil = without_the_last
    with well_behaved(browser, server.url) as page:
        expect(page.locator(".tile")).to_have_count(19)
        server.spoil = leave_alone

        expect(page.locator(".tile")).to_have_count(20)


def test_an_exporter_that_is_gone(browser: Browser, server: RoofServer) -> None:
    """The page says since when it hears nothing, and forgets it when it hears again."""
    server.roof = {"refresh_s": 1}
    with well_behaved(browser, server.url, spoilt=True) as page:
        wait_for_charts(page)
        server.broken = True

        expect(page.locator("#trouble")).to_contain_text("No answer from aps-exporter since")
        expect(page.locator(".tile b").first).not_to_be_empty()

        server.broken = False
        expect(page.locator("#trouble")).to_be_empty()


def test_a_page_polls_at_the_pace_it_is_told(browser: Browser, server: RoofServer) -> None:
    """It asks once a minute, in between lets the data age, and rests while nobody looks."""
    status = "/api/v1/status"
    with well_behaved(browser, server.url) as page:
        page.clock.install()
        page.reload()
        wait_for_charts(page)
        server.asked.clear()
        age = page.locator("[data-t=age]")
        for asked in (1, 2):
            expect(age).to_have_text("3\u00a0min")
            page.clock.run_for(50_000)
            expect(age).to_have_text("4\u00a0min")
            assert server.asked[status] == asked - 1
            with page.expect_response("**/api/v1/day"):
                page.clock.run_for(15_000)
            assert server.asked[status] == asked
        page.evaluate(
            """() => { Object.defineProperty(document, "hidden", { get: () => true });
              document.dispatchEvent(new Event("visibilitychange")); }"""
        )
        page.clock.run_for(600_000)

        assert server.asked[status] == 2
        assert server.asked["/"] == 0


def test_details_by_keyboard(browser: Browser, server: RoofServer) -> None:
    """Tab, arrows and Enter reach a panel's day and its inverter; Escape leads back."""
    with well_behaved(browser, server.url) as page:
        wait_for_charts(page)
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.locator(".tile", has_text="South 1").first).to_be_focused()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        tile = page.locator(".tile", has_text="South 6")
        expect(tile).to_be_focused()
        page.keyboard.press("Enter")

        dialog = page.get_by_role("dialog", name="South 6")
        expect(dialog).to_contain_text("408000012347-B")
        for text in ("234\u00a0V", "50.01\u00a0Hz", "41\u00a0°C", "Last report12:33"):
            expect(dialog).to_contain_text(text)

        slider = dialog.get_by_role("slider")
        slider.focus()
        page.keyboard.press("ArrowRight")
        expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^12:30  \d+\sW$"))
        page.keyboard.press("PageDown")
        expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^11:30  \d+\sW$"))
        page.keyboard.press("Home")
        expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^05:\d\d  "))

        page.keyboard.press("Escape")
        expect(dialog).not_to_be_visible()
        expect(tile).to_be_focused()


def test_the_day_is_read_by_pointer(browser: Browser, server: RoofServer) -> None:
    """Hovering reads the curve; a small curve opens its panel."""
    with well_behaved(browser, server.url) as page:
        wait_for_charts(page)
        readout = page.locator("#day .readout")
        expect(readout).to_have_text(re.compile(r"^most: \S+\skW at \d\d:\d\d · sum: \S+\skWh$"))
        page.locator("#day .slider").hover(position={"x": 200, "y": 80})
        expect(readout).to_have_text(re.compile(r"^\d\d:\d\d  \S+\s(W|kW)$"))
        expect(page.locator("#day .sunmark")).to_have_count(2)
        page.locator(".mini", has_text="East 8").click()

        expect(page.get_by_role("dialog", name="East 8")).to_be_visible()


@pytest.mark.parametrize("path", ["", "fleet/"], ids=["roof", "fleet"])
def test_a_phone_scrolls_in_one_direction(browser: Browser, server: RoofServer, path: str) -> None:
    """At 375 pixels nothing sticks out to the right."""
    with well_behaved(browser, f"{server.url}{path}", viewport=PHONE) as page:
        page.wait_for_load_state("networkidle")
        width = page.evaluate("document.documentElement.scrollWidth")

        assert width == 375


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_locked_out(browser: Browser, server: RoofServer, scheme: str) -> None:
    """The rules of axe find nothing to fix: contrast, names, roles, order."""
    server.roof = {"hour": 20.4, "lost": LOST, "states": ODD}
    with well_behaved(browser, server.url, color_scheme=scheme) as page:
        wait_for_charts(page)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        roof = violations(page)
        page.locator(".tile").first.click()
        details = violations(page)
    assert (roof, details) == ([], [])
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) == (scheme == "dark")


def test_hostile_texts_are_texts(browser: Browser, server: RoofServer) -> None:
    """Whatever names, serials and errors say, they are shown to the letter and nothing runs."""

    def spoil(status: Status) -> None:
        status["ecu"]["name"] = status["ecu"]["sentence"] = HOSTILE
        status["roof"][0] |= {"id": HOSTILE, "name": HOSTILE, "group": HOSTILE}
        status["roof"][1] |= {"name": HOSTILE, "state": "missing"}
        status["inverters"][0] |= {"serial": HOSTILE, "name": HOSTILE, "state": HOSTILE}
        status["roof"][0]["inverter"] = HOSTILE
        status["polls"][0] |= {"status": HOSTILE, "error": HOSTILE}
        if status["pvoutput"]:
            status["pvoutput"]["sentence"] = HOSTILE

    server.spoil = spoil
    with well_behaved(browser, server.url) as page:
        wait_for_charts(page)
        page.locator(".tile").first.click()

        expect(page.get_by_role("dialog")).to_contain_text(HOSTILE)
        expect(page.locator("h1")).to_have_text(HOSTILE)
        expect(page.locator("tbody th").first).to_contain_text(HOSTILE)
        expect(page.locator("#polls")).to_contain_text(HOSTILE)
        expect(page.locator("script")).to_have_count(2)
        expect(page.locator("img")).to_have_count(0)
        assert page.evaluate("window.owned") is None


def test_below_a_prefix_and_behind_a_password(browser: Browser) -> None:
    """A proxy may put the page below a path and ask for a password, even in the address."""
    with RoofServer("/solar", ("home", "sunny")) as server:
        where = server.url.replace("http://", "http://home:sunny@")
        with well_behaved(browser, where) as page:
            wait_for_charts(page)
        with well_behaved(
            browser, server.url, http_credentials={"username": "home", "password": "sunny"}
        ) as page:
            wait_for_charts(page)

            expect(page.locator(".tile")).to_have_count(20)
    assert all(path.startswith(("/static/", "/api/v1/")) or path == "/" for path in server.asked)


def test_a_fleet_is_searched(browser: Browser, server: RoofServer) -> None:
    """The ECUs stand worst first, lead to their roofs, and are found by name and label."""
    with well_behaved(browser, f"{server.url}fleet/") as page:
        rows = page.locator("#ecus tr:visible")
        assert violations(page) == []
        expect(page.locator("#counts")).to_have_text("2 fail, 1 needs a look, 6 are well, 1 sleeps")
        expect(rows.first).to_contain_text("Mill Lane")
        expect(rows.first.locator("a")).to_have_attribute("href", "./?ecu=Mill%20Lane")
        page.get_by_role("searchbox").fill("dair")
        expect(rows).to_have_count(1)
        page.get_by_role("searchbox").fill("SITE 2")

        expect(rows).to_contain_text(["School"])


PAGES = pytest.mark.parametrize(
    ("path", "module"), [("/", "roof.js"), ("/fleet/", "fleet.js")], ids=["roof", "fleet"]
)


def in_an_old_browser(page: Page, module: str) -> None:
    """Open the page anew with a clock to turn, and without the module that gives it life."""
    page.route(f"**/{module}", lambda route: route.abort())
    page.clock.install()
    page.reload()


@PAGES
def test_a_page_that_lives_is_never_loaded_anew(
    browser: Browser, server: RoofServer, path: str, module: str
) -> None:
    """Where the modules run, the page for old browsers is not even asked for."""
    with well_behaved(browser, server.url.rstrip("/") + path) as page:
        page.clock.install()
        with page.expect_response(f"**/{module}"):
            page.reload()
        expect(page.locator("html")).to_have_attribute("data-current", "yes")
        server.asked.clear()
        page.clock.run_for(600_000)

        assert server.asked[path] == 0


@PAGES
def test_a_browser_too_old_for_the_modules_gets_the_page_anew(
    browser: Browser, server: RoofServer, path: str, module: str
) -> None:
    """Each minute, unless nobody looks; and while the exporter is gone the last page stays."""
    with well_behaved(browser, server.url.rstrip("/") + path, spoilt=True) as page:
        in_an_old_browser(page, module)
        server.asked.clear()
        page.clock.run_for(55_000)
        early = server.asked[path]
        with page.expect_navigation():
            page.clock.run_for(10_000)
        anew = server.asked[path]
        server.broken = True
        page.evaluate("window.still = true")
        with page.expect_response(lambda answer: answer.request.method == "HEAD"):
            page.clock.run_for(65_000)
        page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
        server.asked.clear()
        page.clock.run_for(600_000)

        assert (early, anew) == (0, 2)  # it asks before it loads
        assert page.evaluate("window.still")
        assert server.asked[path] == 0


def test_a_browser_that_lacks_what_the_modules_call_gets_the_page_anew(
    browser: Browser, server: RoofServer
) -> None:
    """Modules that can be read, but fail at the first answer, keep nothing current."""
    with contextlib.closing(browser.new_context()) as context:
        page = context.new_page()
        page.add_init_script("delete Object.hasOwn")
        page.clock.install()
        with page.expect_event("pageerror"):
            page.goto(server.url)
        with page.expect_navigation():
            page.clock.run_for(65_000)

        expect(page.locator(".tile")).to_have_count(20)
