"""What tests of all kinds share: programs from outside, and the captured pages."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CAPTURES = Path(__file__).parents[2] / "shared" / "ecu-captures"


def _missing(what: str) -> None:
    """Skip the test that lacks something; where everything must be there, fail it."""
    if os.environ.get("CI") == "true" or os.environ.get("APS_EXPORTER_E2E") == "required":
        pytest.fail(f"needs {what}, and here nothing may be missing")
    pytest.skip(f"needs {what}")


@pytest.fixture(scope="session")
def require() -> Callable[[str], str]:
    """Make a function that finds a program by its name, beside our Python or in the PATH."""
    beside = Path(sys.executable).parent

    def find(program: str) -> str:
        path = shutil.which(program, path=f"{beside}{os.pathsep}{os.environ['PATH']}")
        if path is None:
            _missing(f"the program {program}")
        return str(path)

    return find


@pytest.fixture(scope="session")
def captures() -> Path:
    """Find the folder of pages that real ECUs wrote."""
    if not CAPTURES.is_dir():
        _missing("the folder of captured pages")
    return CAPTURES
