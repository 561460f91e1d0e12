"""What runs the exporter for years is valid: the compose file and the systemd unit."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[1] / "deploy"
LOWEST_EXPOSURE = "20"
"""Of systemd's scale to 100; the unit is at 12."""


@pytest.mark.parametrize("profile", ["ecu", "simulated"])
def test_compose_file_is_valid(require: Callable[[str], str], profile: str) -> None:
    """Compose understands the file and starts five or six services with it."""
    command = [
        require("docker-compose"),
        "--file",
        str(DEPLOY / "compose.yaml"),
        "--profile",
        profile,
    ]
    done = subprocess.run(
        [*command, "config", "--quiet"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_mounted_files_exist() -> None:
    """Each file or folder that compose mounts from the project is there."""
    lines = (DEPLOY / "compose.yaml").read_text().splitlines()
    mounts = [
        line.split()[1].split(":")[0]
        for line in lines
        if line.strip().startswith(("- ../", "- ./"))
    ]

    assert len(mounts) >= 5
    assert [mount for mount in mounts if not (DEPLOY / mount).exists()] == []


def test_unit_gives_away_little(require: Callable[[str], str]) -> None:
    """The service could do next to nothing beyond its task."""
    analyze = [require("systemd-analyze"), "security", "--offline=true"]
    unit = DEPLOY / "aps-exporter.service"
    done = subprocess.run(
        [*analyze, f"--threshold={LOWEST_EXPOSURE}", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_unit_is_well_formed(require: Callable[[str], str], tmp_path: Path) -> None:
    """Systemd has nothing to say about the unit, once its program is there."""
    program = tmp_path / "aps-exporter"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = (DEPLOY / "aps-exporter.service").read_text()
    unit = tmp_path / "aps-exporter.service"
    unit.write_text(text.replace("/opt/aps-exporter/bin/aps-exporter", str(program)))
    verify = [require("systemd-analyze"), "verify", "--man=no", str(unit)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
