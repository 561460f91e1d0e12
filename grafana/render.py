"""Draws each dashboard with a simulated day's real answers, because no Grafana runs here.

Run from the project's folder: `python -m grafana.render [--light] [FOLDER]`. Needs prometheus,
promtool and chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from aps_exporter.simulator.settings import SimulatorSettings
from grafana.ask import Range, ask, load, panels
from grafana.build import DASHBOARDS, FOLDER
from grafana.drawing.page import WIDTH, Page, height_of
from grafana.drawing.style import DARK, LIGHT
from grafana.sample import Ecu, Fault, samples
from grafana.server import prometheus

__all__ = ["main"]

ZONE = ZoneInfo("Europe/Amsterdam")
NOW = datetime(2026, 6, 20, 16, 40, tzinfo=UTC)
MIDNIGHT = datetime(2026, 6, 19, 22, 0, tzinfo=UTC)
IMAGES = Path(__file__).parents[1] / "docs" / "images"
CHROMIUM = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def main() -> None:
    """Fill a Prometheus, ask it what the dashboards ask, and take the pictures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--light", action="store_true", help="Grafana's light theme")
    options.add_argument("folder", nargs="?", type=Path, default=IMAGES)
    chosen = options.parse_args()
    openmetrics = samples(_ecus(), NOW - timedelta(hours=43), NOW, timedelta(minutes=5))
    with prometheus(openmetrics) as url:
        for name in DASHBOARDS:
            _picture(url, name, chosen.folder / f"{name}.png", light=chosen.light)


def _picture(url: str, name: str, path: Path, *, light: bool) -> None:
    board = load(FOLDER / f"{name}.json")
    start = NOW - timedelta(hours=24) if name == "exporter" else MIDNIGHT
    shown = Range(start=start, end=NOW)
    target = ".+" if name == "fleet" else "lime-street"
    variables = {"instance": target}
    label = {"roof": "ECU", "fleet": "ECUs", "exporter": "Exporter"}[name]
    chosen = {label: "All" if name == "fleet" else target}
    drawn = [
        (panel, [each for query in panel.queries for each in ask(url, query, shown, variables)])
        for panel in panels(board)
    ]
    page = Page(
        title=str(board["title"]),
        chosen=chosen,
        shown=shown,
        zone=ZONE,
        theme=LIGHT if light else DARK,
    ).write(drawn)
    _screenshot(page, height_of([panel for panel, _ in drawn]), path)


def _screenshot(page: str, height: int, path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise FileNotFoundError("needs the program chromium")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aps-grafana-") as folder:
        source = Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        subprocess.run(  # noqa: S603  # our own arguments
            (
                chromium,
                *CHROMIUM,
                f"--user-data-dir={folder}/profile",
                f"--window-size={WIDTH},{height}",
                f"--screenshot={path}",
                source.as_uri(),
            ),
            check=True,
            capture_output=True,
            timeout=120,
        )


def _ecus() -> tuple[Ecu, ...]:
    """Make a fleet in which a few things are wrong."""
    at_noon = datetime(2026, 6, 20, 10, 40, tzinfo=UTC)
    long_ago = NOW - timedelta(days=30)
    usual = SimulatorSettings(family="php", kinds=("yc600",), inverters=9, seed=22)
    return (
        Ecu(
            instance="lime-street",
            settings=usual,
            firmware="4.1P27",
            scale_missing=True,
            faults=(
                Fault(since=long_ago, weak={3: 0.72}),
                Fault(since=at_noon, silent=(4,)),
            ),
        ),
        Ecu(
            instance="old-barn",
            settings=SimulatorSettings(inverters=4, seed=5),
            firmware="V5.3.1",
            faults=(Fault(since=long_ago, weak={1: 0.46}),),
        ),
        Ecu(
            instance="bakery",
            settings=SimulatorSettings(inverters=3, seed=8),
            firmware="V5.3.1",
            faults=(Fault(since=NOW - timedelta(hours=3), status="unreachable"),),
        ),
        Ecu(
            instance="school-gym",
            settings=SimulatorSettings(family="php-3phase", inverters=5, seed=11),
            firmware="V5.2.0",
        ),
        Ecu(
            instance="mill-lane",
            settings=SimulatorSettings(kinds=("yc600",), inverters=6, seed=3),
            firmware="4.1P27",
        ),
    )


if __name__ == "__main__":
    main()
