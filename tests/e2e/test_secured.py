"""A real Prometheus finds ECUs through `/sd`, and scrapes them over TLS with a password."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest
import trustme

from tests.e2e.conftest import Program, Simulate, ask, wait_until

PASSWORD = "correct horse"
NAMES = ["east", "west"]
WEB = """
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.example]
basic_auth_users:
  alice: {hashed}
"""
JOB = """
  - job_name: {name}
    scheme: https
    basic_auth: &password_{name} {{username: alice, password: {password}}}
    tls_config: &tls_{name} {{ca_file: ca.pem, {client}}}
    http_sd_configs:
      - url: {url}/sd
        basic_auth: *password_{name}
        tls_config: *tls_{name}
"""
CLIENT = "cert_file: client.pem, key_file: client.key"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make certificates, and a web configuration."""
    folder = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name, host in (("server", "127.0.0.1"), ("client", "prometheus.example")):
        certificate = authority.issue_cert(host)
        certificate.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        certificate.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    (folder / "web.yml").write_text(WEB.format(hashed=hashed))
    return folder


@pytest.fixture(scope="module")
def url(folder: Path, simulate: Simulate) -> Iterator[str]:
    """Serve two ECUs to those who have a certificate and a password."""
    ecus = [{"name": name, "host": simulate().host} for name in NAMES]
    ports = [int(ecu["host"].rpartition(":")[2]) for ecu in ecus]
    config = folder / "config.json"
    config.write_text(
        json.dumps({"ecus": ecus, "allowed_ports": ports, "state_dir": str(folder / "state")})
    )
    exporter = Program(
        *(sys.executable, "-m", "aps_exporter", "serve", "--config", str(config)),
        *("--listen", "127.0.0.1:0", "--web.config.file", str(folder / "web.yml")),
    )
    try:
        yield exporter.wait_for(r"listening on (https://\S+)")[1]
    finally:
        code = exporter.end()
    assert code == 0, "\n".join(exporter.log())


def test_prometheus_discovers_and_scrapes(
    folder: Path, url: str, require: Callable[[str], str]
) -> None:
    """With certificate and password it finds and reads all ECUs; without either, nothing."""
    jobs = [
        JOB.format(name="known", password=PASSWORD, client=CLIENT, url=url),
        JOB.format(name="guessing", password="wrong", client=CLIENT, url=url),
        JOB.format(name="unknown", password=PASSWORD, client="min_version: TLS12", url=url),
    ]
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:" + "".join(jobs)
    )
    prometheus = Program(
        require("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
    )
    try:
        address = prometheus.wait_for(r"component=web .*address=(127\.0\.0\.1:[1-9]\d*)")[1]
        prometheus.wait_for("Server is ready to receive web requests")
        seen: dict[str, str] = {}

        def scraped() -> bool:
            targets = json.loads(ask(f"http://{address}/api/v1/targets").text)["data"]
            for target in targets["activeTargets"]:
                seen[target["scrapeUrl"]] = target["health"]
            return len(seen) == len(NAMES) and set(seen.values()) == {"up"}

        wait_until(scraped)
        prometheus.wait_for("discovery=http.*config=guessing.*401")
        prometheus.wait_for("discovery=http.*config=unknown.*certificate required")
    finally:
        prometheus.end()

    assert sorted(seen) == [f"{url}/probe?target={name}" for name in NAMES]
