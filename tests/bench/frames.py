"""How fast the replies of the TCP service are read."""

from __future__ import annotations

import timeit
from collections.abc import Iterator
from functools import partial

from aps_exporter.ecu.frames import parse_inverters
from tests.bench.report import Row, at_most
from tests.ecu.frame_writing import inverters, record

__all__ = ["measure_frames"]

INVERTERS = 100
MOST_MS = 1.0
ONE_OF_EACH = {
    "YC600 and DS3": ("01", (500, 145, 211, 240, 214, 240)),
    "QS1": ("03", (500, 145, 211, 240, 214, 212, 213)),
    "YC1000": ("02", (500, 145, 211, 230, 214, 231, 212, 232, 213)),
}


def measure_frames(*, quick: bool) -> Iterator[Row]:
    """Parse the same long list again and again; nothing of it is remembered in between."""
    for name, (type_, numbers) in ONE_OF_EACH.items():
        reply = inverters(
            *[record(f"4080{number:08}", type_, *numbers) for number in range(1, INVERTERS + 1)]
        )
        times, rounds = (2, 2) if quick else (20, 50)
        seconds = min(timeit.repeat(partial(parse_inverters, reply), number=times, repeat=rounds))
        yield at_most(
            f"parsing a reply of {INVERTERS} inverters, {name}",
            seconds / times * 1e3,
            MOST_MS,
            " ms",
        )
