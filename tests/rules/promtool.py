"""promtool's unit tests of rules, run and written from Python."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

__all__ = ["PROMETHEUS", "RULE_FILES", "STEP_S", "Promtool", "Scrapes"]

PROMETHEUS = Path(__file__).parents[2] / "prometheus"
RULE_FILES = tuple(sorted((PROMETHEUS / "rules").glob("*.yaml")))
_ALERTING = tuple(file for file in RULE_FILES if file.stem != "recording")
STEP_S = 300
"""Scrapes and evaluations of whole days are as rare as an ECU's sweeps, else they take minutes."""
_STARTS = """
sum by (instance, alertname) (count_over_time((
  ALERTS{alertstate="firing"} unless ALERTS{alertstate="firing"} offset 5m
)[7d:5m]))
"""


@dataclass(slots=True)
class Scrapes:
    """What Prometheus has stored of one target, scraped in steady steps."""

    ticks: int = field(default=0, init=False)
    _values: dict[str, list[str]] = field(default_factory=dict, init=False)

    def add(self, samples: Mapping[str, float]) -> None:
        """Store a scrape; a series that it lacks has ended, as Prometheus marks it."""
        for series, value in samples.items():
            self._values.setdefault(series, ["_"] * self.ticks).append(repr(float(value)))
        self.ticks += 1
        for values in self._values.values():
            if len(values) < self.ticks:
                values.append("_" if values[-1] in ("_", "stale") else "stale")

    def series(self) -> Sequence[Mapping[str, str]]:
        """Write them as promtool's input."""
        return [
            {"series": series, "values": " ".join(values)}
            for series, values in self._values.items()
        ]


@dataclass(frozen=True, slots=True)
class Promtool:
    """The program."""

    path: str

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it, and give what it said."""
        return subprocess.run(
            [self.path, *map(str, arguments)], capture_output=True, text=True, check=False
        )

    def fired(self, targets: Sequence[Scrapes], folder: Path) -> dict[tuple[str, str], int]:
        """Count how often alerts began to fire in all that was scraped: (instance, alert) → times.

        promtool only compares, so it is asked to find nothing, and says what it found instead. What
        is recorded for people only, and rests on more days than a test has, is left out.
        """
        test = {
            "rule_files": [str(path) for path in _ALERTING],
            "evaluation_interval": f"{STEP_S}s",
            "group_eval_order": _groups(),
            "tests": [
                {
                    "interval": f"{STEP_S}s",
                    "input_series": [each for target in targets for each in target.series()],
                    "promql_expr_test": [
                        {
                            "expr": _STARTS,
                            "eval_time": f"{max(each.ticks for each in targets) * STEP_S}s",
                            "exp_samples": [],
                        }
                    ],
                }
            ],
        }
        file = folder / "days.json"
        file.write_text(json.dumps(test))
        done = self.run("test", "rules", file)
        if done.returncode == 0:
            return {}
        said = done.stdout + done.stderr
        _, _, found = said.partition("got: ")
        counted = re.findall(r'\{alertname="(\w+)", instance="([\w-]+)"\} (\S+?)(?:,|\s|$)', found)
        assert counted, said
        return {(instance, alert): int(float(times)) for alert, instance, times in counted}


def _groups() -> list[str]:
    """Name the groups, those first on which others rest."""
    order = ("thresholds", "conditions", "alerts")
    files = sorted(_ALERTING, key=lambda file: order.index(file.stem.partition("-")[0]))
    return [group["name"] for file in files for group in yaml.safe_load(file.read_text())["groups"]]
