"""A real Prometheus of one's own, filled with given samples, for as long as it is needed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["prometheus"]

Find = Callable[[str], str]


def _in_path(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise FileNotFoundError(f"needs the program {program}")
    return found


@contextmanager
def prometheus(openmetrics: bytes, find: Find = _in_path) -> Iterator[str]:
    """Fill a Prometheus with samples, start it on a free port of loopback, and give its URL.

    Samples lie five minutes apart, which is as far as Prometheus looks back: it is told to look
    a little farther.
    """
    with tempfile.TemporaryDirectory(prefix="aps-grafana-") as folder:
        home = Path(folder)
        (home / "samples.om").write_bytes(openmetrics)
        (home / "prometheus.yml").write_text("{}\n", encoding="utf-8")
        blocks = (find("promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q")
        subprocess.run(  # noqa: S603  # our own arguments
            (*blocks, home / "samples.om", home / "data"), check=True, capture_output=True
        )
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        process = subprocess.Popen(  # noqa: S603  # our own arguments
            (
                find("prometheus"),
                f"--config.file={home / 'prometheus.yml'}",
                f"--storage.tsdb.path={home / 'data'}",
                "--storage.tsdb.retention.time=100y",
                "--query.lookback-delta=6m",
                f"--web.listen-address=127.0.0.1:{port}",
            ),
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _wait(process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate(timeout=30)


def _wait(process: subprocess.Popen[str]) -> None:
    """Read the log until it says that requests are answered, or ends."""
    log = []
    for line in process.stderr or ():
        if "ready to receive web requests" in line:
            return
        log.append(line)
    raise RuntimeError("".join(log))
