"""The shape of the code: layers, sizes, docstrings, errors and dependencies."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aps_exporter import __version__, errors

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "aps_exporter"
MODULES = {path.relative_to(ROOT).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
LONGEST = 320
PART_OF = {"h11": "uvicorn", "pydantic_core": "pydantic", "urllib3": "requests", "yaml": "pyyaml"}
"""Libraries that come with another, whose interface they are."""

each_module = pytest.mark.parametrize("module", MODULES)


def test_imports_keep_to_the_contracts(require: Callable[[str], str]) -> None:
    """The contracts in pyproject.toml hold: imports go down only, libraries stay in their place."""
    command = [require("lint-imports"), "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout + run.stderr


@each_module
def test_a_module_says_what_it_is_for(module: str) -> None:
    """Every module begins with one sentence on one line."""
    docstring = ast.get_docstring(ast.parse(MODULES[module].read_text())) or ""

    assert re.fullmatch(r".{10,}[.:]", docstring.partition("\n")[0])


@each_module
def test_a_module_can_be_held_in_the_head(module: str) -> None:
    """No module is much longer than 300 lines."""
    length = len(MODULES[module].read_text().splitlines())

    assert length <= LONGEST


def error_tree(error: type[BaseException]) -> Iterator[type[BaseException]]:
    """Yield an exception of ours and all that derive from it, depth first."""
    yield error
    for child in error.__subclasses__():
        yield from error_tree(child)


def test_the_error_tree_is_drawn_as_it_grows() -> None:
    """The drawing in the docstring of `errors` shows every error below its parent."""
    drawn: dict[str, str] = {}
    parents: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([ │├└─]*)(\w+Error)\b", line):
            depth, name = len(match[1]), match[2]
            parents = [parent for parent in parents if parent[0] < depth]
            drawn[name] = parents[-1][1] if parents else "Exception"
            parents.append((depth, name))
    grown = {error.__name__: error.__bases__[0].__name__ for error in error_tree(errors.ApsError)}

    assert drawn == grown


def test_every_error_is_exported() -> None:
    """All errors live in one module and can be imported from there."""
    for error in error_tree(errors.ApsError):
        assert error.__module__ == "aps_exporter.errors"
        assert error.__name__ in errors.__all__


def test_exit_codes() -> None:
    """Each branch of errors has the exit code that scripts rely on."""
    assert errors.ConfigError("x").exit_code == 1
    assert {error.exit_code for error in errors.EcuError.__subclasses__()} == {2}
    assert errors.PVOutputError("x").exit_code == 4


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level names that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_dependencies_are_those_that_are_used() -> None:
    """What the package imports is declared, and nothing else is: a home server installs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        re.split(r"[^\w-]", line)[0].replace("-", "_")
        for line in project["dependencies"] + project["optional-dependencies"]["web-config"]
    }
    used = {name for path in MODULES.values() for name in imported(path)}
    used -= {"aps_exporter", "_typeshed", *sys.stdlib_module_names}
    found_by_zoneinfo = {"tzdata"}

    assert {PART_OF.get(name, name) for name in used} | found_by_zoneinfo == declared


def test_the_changelog_knows_the_version() -> None:
    """The newest release in the changelog is this version, or none is out yet."""
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    releases = [heading.strip("[]") for heading in headings if heading != "Unreleased"]

    assert releases[:1] in ([], [__version__])
