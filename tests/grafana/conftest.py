"""The dashboards' files, and a real Prometheus that holds a simulated day of two ECUs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from aps_exporter.simulator.settings import SimulatorSettings
from grafana.ask import Panel, Range, Series, ask
from grafana.sample import Ecu, Fault, samples
from grafana.server import prometheus

FIRST = datetime(2026, 6, 19, 8, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 6, 19, 22, 0, tzinfo=UTC)
NOW = datetime(2026, 6, 20, 13, 0, tzinfo=UTC)


Answers = Callable[[Panel, str, datetime], list[Series]]


@pytest.fixture(scope="session")
def answers(require: Callable[[str], str]) -> Iterator[Answers]:
    """Ask a Prometheus what a panel of an instance asks at a moment, for the time since midnight.

    `home` has a weak panel and loses an inverter, the page of `barn` goes.
    """
    home = Ecu(
        instance="home",
        settings=SimulatorSettings(kinds=("yc600",), inverters=6, seed=7),
        firmware="4.1P27",
        scale_missing=True,
        faults=(
            Fault(since=datetime(2026, 6, 20, 10, 0, tzinfo=UTC), silent=(4,)),
            Fault(since=FIRST, weak={0: 0.5}),
        ),
    )
    barn = Ecu(
        instance="barn",
        settings=SimulatorSettings(family="php-3phase", inverters=2, seed=9),
        firmware="V5.3.1",
        faults=(Fault(since=datetime(2026, 6, 20, 12, 0, tzinfo=UTC), status="page_gone"),),
    )
    openmetrics = samples((home, barn), FIRST, NOW, timedelta(minutes=5))
    with prometheus(openmetrics, require) as url:

        def answer(panel: Panel, instance: str, now: datetime) -> list[Series]:
            shown = Range(start=min(MIDNIGHT, now - timedelta(hours=3)), end=now)
            told = {"instance": instance}
            return [each for query in panel.queries for each in ask(url, query, shown, told)]

        yield answer
