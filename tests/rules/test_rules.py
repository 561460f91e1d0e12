"""The rules: each alert rings when it must, and names only metrics that exist."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from aps_exporter.metrics import interfaces
from aps_exporter.metrics.families import FAMILIES
from aps_exporter.metrics.pvoutput import PVOUTPUT_FAMILIES
from aps_exporter.metrics.sun import SUN_FAMILIES
from tests.rules.promtool import PROMETHEUS, RULE_FILES, Promtool

UNIT_TESTS = tuple(sorted(Path(__file__).parent.glob("*.yaml")))
RUNBOOK = Path(__file__).parents[2] / "docs" / "alerts.md"
RUNBOOK_URL = "https://github.com/aps-exporter/aps-exporter/blob/main/docs/alerts.md"
PROFILES = {"", "en-50160", "vde-ar-n-4105", "g98-g99", "as-nzs-4777-2", "ieee-1547"}
RECORDED = re.compile(
    r"(aps|site|instance|instance_phase|inverter|inverter_phase|panel):[a-z0-9_:]+"
)

Rule = dict[str, object]


def rules() -> Iterator[Rule]:
    """Give every rule of every file."""
    for file in RULE_FILES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


ALERTS = {str(rule["alert"]): rule for rule in rules() if "alert" in rule}


def fields(rule: Rule, name: str) -> dict[str, str]:
    """Give a rule's labels or annotations."""
    found = rule[name]
    assert isinstance(found, dict)
    return found


ASKED = {
    (question["alertname"], bool(question.get("exp_alerts")))
    for file in UNIT_TESTS
    for test in yaml.safe_load(file.read_text())["tests"]
    for question in test.get("alert_rule_test", ())
}
"""What the unit tests ask: an alert, and whether it has to fire."""


def test_rules_are_valid(promtool: Promtool) -> None:
    """Promtool has nothing to say against the rules, and neither has its linter."""
    done = promtool.run("check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_alerts_fire_and_stay_silent(promtool: Promtool, file: Path) -> None:
    """The rules do what their unit tests say."""
    done = promtool.run("test", "rules", file)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_has_a_firing_and_a_silent_test(alert: str) -> None:
    """Somewhere each alert has to fire, and somewhere it must not."""
    assert {fires for name, fires in ASKED if name == alert} == {True, False}


def test_alerts_have_names_of_their_own() -> None:
    """No two rules raise the same alert."""
    assert len(ALERTS) == sum("alert" in rule for rule in rules())


@pytest.mark.parametrize(("alert", "rule"), ALERTS.items())
def test_alert_says_what_to_do(alert: str, rule: Rule) -> None:
    """Each alert has a severity, tells where and what, and links to its part of the runbook."""
    notes = fields(rule, "annotations")

    assert fields(rule, "labels")["severity"] in ("critical", "warning", "info")
    assert notes["summary"].startswith("{{ $labels.instance }}: ")
    assert notes["description"].endswith((".", "`."))
    assert notes["runbook_url"] == f"{RUNBOOK_URL}#{alert.lower()}"


def test_runbook_has_a_section_for_each_alert() -> None:
    """The runbook's headings are the alerts, and each section says three things."""
    text = RUNBOOK.read_text()
    sections = re.findall(r"^## (Aps\w+)$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)

    assert sorted(name for name, _ in sections) == sorted(ALERTS)
    for _, section in sections:
        assert re.findall(r"^\*\*(\w+)", section, re.MULTILINE) == ["Means", "Check", "Silence"]


def test_rules_name_metrics_that_exist() -> None:
    """Every metric in an expression is in the tables of the code, or recorded by a rule."""
    exported = {"up", interfaces.NAME} | {row.name for row in FAMILIES}
    exported |= {row.name for row in PVOUTPUT_FAMILIES} | {row.name for row in SUN_FAMILIES}
    recorded = {str(rule["record"]) for rule in rules() if "record" in rule}
    texts = [str(rule["expr"]) for rule in rules()]
    texts += [text for rule in ALERTS.values() for text in fields(rule, "annotations").values()]
    named = {match[0] for text in texts for match in RECORDED.finditer(text)}
    plain = {name for text in texts for name in re.findall(r"(?<![:\w])aps_\w+(?!\w*:)", text)}

    assert named <= recorded
    assert plain <= exported


def test_recording_rules_are_named_by_the_rules() -> None:
    """A recorded series is level:metric:operations."""
    for rule in rules():
        name = str(rule.get("record", "instance:x:y"))

        assert re.fullmatch(r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+", name)


def test_each_profile_has_all_limits() -> None:
    """Whoever picks a grid profile has all four limits of it."""
    limits: dict[str, set[str]] = {}
    for rule in rules():
        if str(rule.get("record", "")).startswith("aps:grid_"):
            labels = rule.get("labels", {})
            assert isinstance(labels, dict)
            limits.setdefault(str(rule["record"]), set()).add(labels.get("profile", ""))

    assert len(limits) == 4
    assert all(profiles == PROFILES for profiles in limits.values())


def test_prometheus_example_is_valid(promtool: Promtool) -> None:
    """Prometheus takes the example, the rules beside it included."""
    done = promtool.run("check", "config", PROMETHEUS / "prometheus.yml")

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULE_FILES)} rule files found" in done.stdout


def test_many_ecus_example_is_valid(promtool: Promtool, tmp_path: Path) -> None:
    """The commented part of the example is right, too, once it is one."""
    text = (PROMETHEUS / "prometheus.yml").read_text()
    _, _, commented = text.partition("  # - job_name: aps-fleet")
    job = "  - job_name: aps-fleet" + commented.replace("\n  # ", "\n  ")
    file = tmp_path / "prometheus.yml"
    file.write_text(f"scrape_configs:\n{job}")
    done = promtool.run("check", "config", file)

    assert done.returncode == 0, done.stdout + done.stderr


def test_alertmanager_example_is_valid(require: Callable[[str], str]) -> None:
    """Alertmanager takes the example, and it names only alerts that exist."""
    file = PROMETHEUS / "alertmanager.yml"
    done = Promtool(require("amtool")).run("check-config", file)
    named = set(re.findall(r"\bAps\w+(?![\w.(*])", file.read_text()))

    assert done.returncode == 0, done.stdout + done.stderr
    assert named <= ALERTS.keys()
