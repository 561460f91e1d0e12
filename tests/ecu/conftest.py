"""What the tests of the ECU reading share."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest


@pytest.fixture
def monotonic_limit() -> Callable[[], float]:
    """Give a function that says how many seconds ago the test began."""
    began = time.monotonic()
    return lambda: time.monotonic() - began
