"""A server on the sockets of systemd, as a process of its own; arguments as for `Entrance`.

Prints its URLs when it answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aps_exporter.errors import ConfigError
from aps_exporter.web.entrance import Entrance
from aps_exporter.web.server import serve
from tests.web.secured import hello


def say(text: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


config_file = Path(sys.argv[1]) if sys.argv[1:] else None
try:
    serve(
        hello,
        Entrance(systemd=True, config_file=config_file),
        ready=lambda urls: say(" ".join(urls)),
    )
except ConfigError as error:
    say(str(error))
