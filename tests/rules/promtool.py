"""promtool's unit tests of rules, run and written from Python."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PROMETHEUS", "RULE_FILES", "Promtool", "Scrapes"]

PROMETHEUS = Path(__file__).parents[2] / "prometheus"
RULE_FILES = tuple(sorted((PROMETHEUS / "rules").glob("*.yaml")))


@dataclass(frozen=True, slots=True)
class Promtool:
    """The program."""

    path: str

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it, and give what it said."""
        return subprocess.run(
            [self.path, *map(str, arguments)], capture_output=True, text=True, check=False
        )

    def alerts(self, scrapes: Scrapes, folder: Path) -> str:
        """Say which alerts fire at any time of the scrapes, one a line with when; best none."""
        test = {
            "rule_files": [str(path) for path in RULE_FILES],
            "evaluation_interval": f"{scrapes.interval_s}s",
            "tests": [
                {
                    "interval": f"{scrapes.interval_s}s",
                    "input_series": scrapes.series(),
                    "promql_expr_test": [
                        {
                            "expr": f'min_over_time(timestamp(ALERTS{{alertstate="firing"}})[7d:{scrapes.interval_s}s])',
                            "eval_time": f"{scrapes.ticks * scrapes.interval_s}s",
                            "exp_samples": [],
                        }
                    ],
                }
            ],
        }
        file = folder / "silence.json"
        file.write_text(json.dumps(test))
        done = self.run("test", "rules", file)
        return "" if done.returncode == 0 else done.stdout + done.stderr


@dataclass(slots=True)
class Scrapes:
    """What a Prometheus that scrapes in steady steps has stored."""

    interval_s: int = 60
    ticks: int = field(default=0, init=False)
    _values: dict[str, list[str]] = field(default_factory=dict, init=False)

    def add(self, samples: Mapping[str, float]) -> None:
        """Store a scrape; a series that it lacks has ended, as Prometheus marks it."""
        for series, value in samples.items():
            values = self._values.setdefault(series, ["_"] * self.ticks)
            values.append(repr(value))
        self.ticks += 1
        for values in self._values.values():
            if len(values) < self.ticks:
                values.append("_" if values[-1] in ("_", "stale") else "stale")

    def series(self) -> Sequence[Mapping[str, str]]:
        """Write them as promtool's input."""
        return [
            {"series": series, "values": " ".join(values)} for series, values in self._values.items()
        ]
