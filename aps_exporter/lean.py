"""Loads requests without the detector of text encodings, which it brings along and we never use."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Final

__all__ = ["load_requests"]

_DETECTOR: Final = "charset_normalizer"


def load_requests() -> None:
    """Import requests while its detector can't be found.

    The detector guesses the encoding of `Response.text`; pages are bytes to us. Without it a
    serving process holds 3 MiB less of some 50, and starts sooner. requests warns and goes on; a
    release that needs the detector after all gets it.
    """
    if "requests" in sys.modules:
        return
    sys.modules[_DETECTOR] = None  # type: ignore[assignment]  # Python's way to say: not there
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module("requests")
        del sys.modules[_DETECTOR]
    except ImportError:
        del sys.modules[_DETECTOR]
        importlib.import_module("requests")
