"""The command line's options for TLS, passwords and the sockets of systemd."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aps_exporter.cli import main
from tests.web.secured import HASH, TLS, Authority

SERVE = ("serve", "--host", "127.0.0.1:9", "--listen", "127.0.0.1:0")


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program until it has found out that it can't."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("APS_")}
    return subprocess.run(
        [sys.executable, "-m", "aps_exporter", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=clean | {"STATE_DIRECTORY": str(folder)},
    )


def test_check_takes_a_web_configuration_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check` needs no ECU to judge a web configuration."""
    Authority(tmp_path)
    file = tmp_path / "web.yml"
    file.write_text(f"tls_server_config: {{{TLS}}}\nbasic_auth_users: {{alice: '{HASH}'}}\n")
    with pytest.raises(SystemExit) as ended:
        main(["check", "--web.config.file", str(file)])

    assert ended.value.code == 0
    assert capsys.readouterr().out == "The web configuration is fine.\n"


def test_check_lists_every_problem_of_a_web_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each problem is a line with the file and the key."""
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config: {cert_file: a}\nbasic_auth_user: {}\n")
    with pytest.raises(SystemExit) as ended:
        main(["check", "--web.config.file", str(file)])

    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        f"aps-exporter: {file}: tls_server_config: key_file or key is missing",
        f"aps-exporter: {file}: basic_auth_user: unknown key; did you mean basic_auth_users?",
    ]


def test_serve_refuses_a_broken_web_configuration(tmp_path: Path) -> None:
    """Nothing is served with a web configuration that isn't whole."""
    file = tmp_path / "web.yml"
    done = run(*SERVE, "--web.config.file", str(file), folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr == f"aps-exporter: {file}: can't be read: No such file or directory\n"


def test_serve_needs_the_sockets_that_it_is_told_of(tmp_path: Path) -> None:
    """Started by hand there are no sockets of systemd."""
    done = run(*SERVE, "--web.systemd-socket", folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("aps-exporter: --web.systemd-socket: systemd has passed no sock")
