"""Measure how good good is: ``python -m tests.bench`` in the project's folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import chain

from tests.bench.frames import measure_frames
from tests.bench.parsing import measure_parsing
from tests.bench.report import Row, table
from tests.bench.serving import (
    measure_clients,
    measure_scrapes,
    measure_start,
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that it works")
    parser.add_argument(
        "--scrapes",
        type=int,
        help="for the memory that must not grow; 2,000, or 100,000 to be sure",
    )
    return parser.parse_args()


def _measurements(*, quick: bool, scrapes: int) -> Iterator[Row]:
    return chain(
        measure_parsing(quick=quick),
        measure_frames(quick=quick),
        measure_scrapes(quick=quick, scrapes=scrapes),
        measure_start(quick=quick),
        measure_clients(quick=quick),
    )


if __name__ == "__main__":
    given = _arguments()
    default = 40 if given.quick else 2000
    for line in table(_measurements(quick=given.quick, scrapes=given.scrapes or default)):
        print(line, flush=True)
