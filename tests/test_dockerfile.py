"""The container image: what its recipe promises, as far as it can be told without Docker."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_exporter.commands.options import DEFAULT_LISTEN
from aps_exporter.healthcheck import DEFAULT_LISTEN as ASKED
from aps_exporter.healthcheck import LISTEN_VARIABLE

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """Read the Dockerfile as pairs of instruction and the rest of its line."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def test_hadolint_finds_nothing(require: Callable[[str], str]) -> None:
    """The Dockerfile follows the rules of its linter."""
    command = [require("hadolint"), "--failure-threshold", "style", str(ROOT / "Dockerfile")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)

    assert run.stdout + run.stderr == ""
    assert run.returncode == 0


def test_the_health_check_follows_the_port(instructions: list[tuple[str, str]]) -> None:
    """Image, command and health check agree on the port, and the health check is a module."""
    image = dict(instructions)
    variables = dict(re.findall(r"(\w+)=(\S+)", image["ENV"]))
    check = json.loads(image["HEALTHCHECK"].partition("CMD ")[2])

    assert DEFAULT_LISTEN == ASKED == variables[LISTEN_VARIABLE]
    assert image["EXPOSE"] == DEFAULT_LISTEN.rpartition(":")[2]
    assert check[:2] == ["python", "-m"]
    assert importlib.util.find_spec(check[2])


def test_nobody_is_root(instructions: list[tuple[str, str]]) -> None:
    """The image runs as a numbered user who owns the folder for state."""
    image = dict(instructions)
    user = image["USER"]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert f"STATE_DIRECTORY={image['VOLUME']}" in image["ENV"]
    assert any(
        f"--uid {user.split(':')[0]}" in rest for name, rest in instructions if name == "RUN"
    )


def test_both_stages_have_one_python_that_we_support(instructions: list[tuple[str, str]]) -> None:
    """The environment is built by the very Python that will run it."""
    images = {rest.split()[0] for name, rest in instructions if name == "FROM"}
    (image,) = images
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = tuple(int(part) for part in project["requires-python"].removeprefix(">=").split("."))
    version = tuple(int(part) for part in re.findall(r"\d+", image)[:2])

    assert version >= oldest


def test_what_is_copied_is_not_ignored(instructions: list[tuple[str, str]]) -> None:
    """Each file that the build takes exists, and the ignore file lets it through."""
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for name, rest in instructions
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }

    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)
