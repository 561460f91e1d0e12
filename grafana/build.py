"""Writes the dashboards' JSON; with `--check` only says whether it is what the builder makes.

Run from the project's folder: `python -m grafana.build`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.boards.exporter import exporter
from grafana.boards.fleet import fleet
from grafana.boards.roof import roof

__all__ = ["DASHBOARDS", "FOLDER", "main", "render"]

FOLDER = Path(__file__).parent / "dashboards"
DASHBOARDS = {"roof": roof, "fleet": fleet, "exporter": exporter}


def render(name: str) -> str:
    """Make one dashboard, as the text of its file."""
    made = DASHBOARDS[name]().build()
    return json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Write all files, or compare them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true", help="write nothing, exit 1 if different")
    check: bool = options.parse_args().check
    different = 0
    for name in DASHBOARDS:
        path, text = FOLDER / f"{name}.json", render(name)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        different += 1
        sys.stdout.write(f"{path.name}: {'differs' if check else 'written'}\n")
        if not check:
            path.write_text(text, encoding="utf-8")
    return 1 if check and different else 0


if __name__ == "__main__":
    sys.exit(main())
