"""A real browser for the pages, which fails every test in which a page does what it must not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

PATIENCE_MS = 15000
HARMLESS = ("Failed to load resource",)
"""What the console says of an answer that a test spoilt on purpose."""


@contextlib.contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """Run Debian's Chromium, without its sandbox, which root can't have."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def well_behaved(browser: Browser, url: str, *, spoilt: bool = False, **how: Any) -> Iterator[Page]:  # noqa: ANN401 as Playwright takes it
    """Open a page; whatever it then complains about or asks of others fails the test.

    `spoilt`: the server fails on purpose, and the browser may say so.
    """
    complaints: list[str] = []
    asked: list[str] = []
    own = urlsplit(url)
    with contextlib.closing(browser.new_context(**how)) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        page.on("request", lambda request: asked.append(request.url))
        answer = page.goto(url)

        assert answer is not None
        assert "default-src 'none'" in (answer.header_value("content-security-policy") or "")

        yield page
    if spoilt:
        complaints = [each for each in complaints if not each.startswith(HARMLESS)]

    assert complaints == []
    assert {urlsplit(each).netloc.rpartition("@")[2] for each in asked} == {
        own.netloc.rpartition("@")[2]
    }
