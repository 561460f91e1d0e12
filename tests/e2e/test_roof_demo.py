"""The first page that a newcomer opens: the demo's, in a real browser, with a real fault."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import chromium, well_behaved
from tests.e2e.conftest import ENVIRONMENT, PATIENCE_S

SILENT = "inverter-silent=801000090002"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Where a demo listens."""

    page: str
    control: str

    def switch_on(self, fault: str) -> None:
        """Switch a fault on, as its control page does."""
        form = urllib.parse.urlencode({"fault": fault, "on": 1}).encode()
        urllib.request.urlopen(f"{self.control}/faults", form, timeout=PATIENCE_S).close()  # noqa: S310 loopback


@pytest.fixture
def demo() -> Iterator[Demo]:
    """Run `aps-exporter demo` in the middle of a summer's day."""
    command = (sys.executable, "-m", "aps_exporter", "demo")
    options = ("--start", "2026-06-20T12:30", "--speed", "300")
    with subprocess.Popen(
        (*command, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        page, control = (re.search(rf"(http://\S+{end})\s", said) for end in ("/", "/simulator"))
        assert page is not None, said
        assert control is not None, said
        yield Demo(page=page[1], control=control[1])
        process.terminate()
    assert process.returncode == 0


def test_a_fault_shows_on_the_demo(require: Callable[[str], str], demo: Demo) -> None:
    """Twenty panels make power; those of an inverter that falls silent turn missing by name."""
    with (
        chromium(require("chromium")) as browser,
        well_behaved(browser, demo.page) as page,
    ):
        tiles = page.locator(".tile")
        expect(tiles).to_have_count(20)
        expect(page.locator(".sentence").first).to_have_class("sentence good")
        expect(page.locator("#day svg .line")).to_be_attached()
        expect(page.locator("#day .sunmark")).to_have_count(2)
        demo.switch_on(SILENT)
        missing = page.locator(".tile.missing")
        expect(missing).to_have_count(4, timeout=PATIENCE_S * 1000)
        names = missing.locator("span").all_text_contents()

        expect(page.locator(".fact.bad .note")).to_have_text(f"missing: {', '.join(names)}")
        expect(page.locator(".sentence").first).to_have_class("sentence warn")
