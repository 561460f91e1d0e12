"""The program does without what it never uses."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = """
import sys
from aps_exporter.lean import load_requests
{before}
load_requests()
import requests
print("charset_normalizer" in sys.modules, requests.__name__)
"""


def loaded(before: str = "") -> str:
    """Load requests in a fresh interpreter, and say whether the detector came along."""
    script = LOADED.format(before=before)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_requests_comes_without_its_detector() -> None:
    """The detector isn't loaded, and nothing is warned of."""
    assert loaded() == "False requests"


@pytest.mark.parametrize("before", ["import requests"])
def test_what_others_loaded_stays(before: str) -> None:
    """Where requests is loaded already, nothing is taken away."""
    assert loaded(before) == "True requests"


def test_a_requests_that_needs_its_detector_gets_it() -> None:
    """If requests can't be imported without the detector, it is imported with it."""
    needing = """
import importlib, builtins
original = importlib.import_module
def strict(name, package=None):
    if name == "requests" and sys.modules.get("charset_normalizer", ...) is None:
        raise ImportError(name)
    return original(name, package)
importlib.import_module = strict
"""

    assert loaded(needing) == "True requests"
