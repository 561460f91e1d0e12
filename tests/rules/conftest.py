"""What the tests of the rules share: promtool, and where the rules are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for `tests.rules.…`, however pytest began

from tests.rules.promtool import Promtool


@pytest.fixture(scope="session")
def promtool(require: Callable[[str], str]) -> Promtool:
    """Find promtool."""
    return Promtool(require("promtool"))
