"""The fire drill's rules are ours, but for the pace."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.sped_up import sped_up


def test_durations_are_divided_and_nothing_else(tmp_path: Path) -> None:
    """Waits, intervals, windows, subqueries and offsets run faster; numbers and texts stay."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("""
  - interval: 15m # for: 1m
    alert: A
    expr: max_over_time(x[30m] offset 1h) > 18 * sum_over_time((y > 5)[15m:1m])
    for: 10m
    keep_firing_for: 1d
    annotations: {summary: "for: 5m it was so"}
""")

    assert (
        sped_up(rules, 60)
        == """
  - interval: 15000ms # for: 1m
    alert: A
    expr: max_over_time(x[30000ms] offset 60000ms) > 18 * sum_over_time((y > 5)[15000ms:1000ms])
    for: 10000ms
    keep_firing_for: 1440000ms
    annotations: {summary: "for: 5m it was so"}
"""
    )
