"""The measurements measure: each line of the table has its number."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOPICS = (
    "parsing 20 panels, cgi",
    "to bare lxml.etree on 200 panels, php-dc",
    "faster than html.parser on 200 panels, php-3phase",
    "parsing a reply of 100 inverters, QS1",
    "scrape, 20 panels, same sweep each time",
    "scrape, 20 panels, new sweep each time",
    "beyond the ECU's own time",
    "blackbox_exporter, 20 panels",
    "start to first scrape answered",
    "scrapes per second, polling, 8 clients",
    "memory, 20 panels, after the first scrape",
    "growth once warm",
)


def test_every_line_of_the_table_has_its_number() -> None:
    """One command prints the whole table; lines with a goal have a verdict, others have none."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    head, _, *lines = ([cell.strip() for cell in x.split("|")] for x in done.stdout.splitlines())

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert head == ["what", "measured", "goal", "verdict"]
    for topic in TOPICS:
        assert any(topic in line[0] for line in lines), topic
    for what, measured, goal, verdict in lines:
        assert re.fullmatch(r"-?[\d,]+(\.\d\d)?(×| \w+|/s)|not here", measured), what
        assert verdict in (("ok", "MISSED") if goal else ("",)), what
