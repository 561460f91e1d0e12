"""Ask the exporter in the same container whether it is healthy, with the standard library alone.

``python -m aps_exporter.healthcheck`` follows the first address that `serve` was told to listen on,
and exits 0 or 1 with one line for whoever looks at the container's health log.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import sys
from collections.abc import Mapping

__all__ = ["DEFAULT_LISTEN", "LISTEN_VARIABLE", "main"]

LISTEN_VARIABLE = "APS_EXPORTER_SERVE_LISTEN"
DEFAULT_LISTEN = "[::]:10025"
_TIMEOUT_S = 3.0
# Listening on all addresses means IPv4 alone where the container has no IPv6.
_LOOPBACKS = {
    "": ("::1", "127.0.0.1"),
    "::": ("::1", "127.0.0.1"),
    "0.0.0.0": ("127.0.0.1",),  # noqa: S104 - asked, not listened on
}


def main(environ: Mapping[str, str]) -> int:
    """Return 0 when the exporter says that it is healthy, else 1."""
    address = (environ.get(LISTEN_VARIABLE, "").split() or [DEFAULT_LISTEN])[0]
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    answer = ""
    for name in _LOOPBACKS.get(host, (host,)):
        answer = _ask(name, port)
        if answer.isdigit():
            break
    print(f"{address}: {answer}")  # noqa: T201 - Docker keeps it in the health log
    return 0 if answer == "200" else 1


def _ask(host: str, port: str) -> str:
    """Return the status of the health page, or why there is none."""
    try:
        connection = http.client.HTTPConnection(host, int(port), timeout=_TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("GET", "/-/healthy", headers={"Connection": "close"})
            return str(connection.getresponse().status)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main(os.environ))
