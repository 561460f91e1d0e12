"""The limit lines of the grid voltage follow the thresholds that the alert rules use."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from grafana.ask import load, panels
from grafana.build import FOLDER

THRESHOLDS = Path(__file__).parents[2] / "prometheus" / "rules" / "thresholds.yaml"


@pytest.mark.parametrize(
    ("profile", "high_v", "low_v"), [("", 253, 207), ("as-nzs-4777-2", 258, 180)]
)
def test_limit_lines_follow_the_profile(
    require: Callable[[str], str], tmp_path: Path, profile: str, high_v: float, low_v: float
) -> None:
    """An ECU's limit lines are those of its label `profile`, and the usual ones without it."""
    found = panels(load(FOLDER / "roof.json"))
    panel = next(each for each in found if each.title == "Grid voltage")
    wanted = {"upper limit": high_v, "lower limit": low_v}
    checks = [
        {
            "expr": query.expr.replace("$instance", "home"),
            "eval_time": "5m",
            "exp_samples": [{"labels": "{}", "value": wanted[query.legend]}],
        }
        for query in panel.queries
        if query.legend in wanted
    ]
    series = f'aps_up{{job="aps", instance="home", profile="{profile}"}}'
    case = {
        "rule_files": [str(THRESHOLDS)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": series, "values": "1x10"}],
                "promql_expr_test": checks,
            }
        ],
    }
    path = tmp_path / "limits.yaml"
    path.write_text(json.dumps(case), encoding="utf-8")
    done = subprocess.run(
        [require("promtool"), "test", "rules", path], capture_output=True, text=True, check=False
    )

    assert len(checks) == 2
    assert done.returncode == 0, done.stdout + done.stderr
