"""The web configuration file: what it may say, as in exporter-toolkit, and what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from aps_exporter.errors import ConfigError
from aps_exporter.web.live_config import load_web_config
from tests.web.secured import HASH, PASSWORD, TLS, Authority


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A file, and what is wrong with it."""

    text: str
    problems: tuple[str, ...] = ()
    """Each a pattern for one of the lines, in their order."""
    differs: str = ""
    """Why promtool judges otherwise, or some versions of it do."""


def tls(more: str, *problems: str, differs: str = "") -> Case:
    """Make a case of a section on TLS that goes on after certificate and key."""
    return section(f"{TLS}, {more}", *problems, differs=differs)


def section(text: str, *problems: str, differs: str = "") -> Case:
    """Make a case of a section on TLS."""
    return Case(text=f"tls_server_config: {{{text}}}", problems=problems, differs=differs)


def plain(text: str, *problems: str, differs: str = "") -> Case:
    """Make a case of a whole file."""
    return Case(text=text, problems=problems, differs=differs)


NEWER = "the toolkit has learned this only lately"
LENIENT = "the toolkit takes what then can't work, or what Python can't do"

CASES = {
    # The file as a whole.
    "empty": plain(""),
    "only a comment": plain("# nothing yet\n"),
    "null": plain("~"),
    "all sections empty": plain("tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n"),
    "unknown section": plain("tls_server_confg: {}", "tls_server_confg: unknown key; did you mean"),
    "section of nobody": plain("zz: {}", "^zz: unknown key$"),
    "list": plain("- a", "must be keys with values"),
    "text": plain("text", "must be keys with values"),
    "section is a list": plain("tls_server_config: [a]", "tls_server_config: must be keys"),
    "section twice": plain(
        "http_server_config: {}\nhttp_server_config: {}", r"line 2, column 1: .* is given twice"
    ),
    "key twice": tls("cert_file: a", r"column \d+: cert_file is given twice"),
    "no YAML": plain("a: [", "line 1, column 5: "),
    "tab": plain("tls_server_config:\n\tcert_file: a", "line 2, column 1: "),
    "two documents": plain(  # Go's parser stops reading after the first
        "basic_auth_users: {}\n---\nbasic_auth_users: {}",
        "line 2, column 1: .* another document",
        differs=LENIENT,
    ),
    "anchors": plain(f"basic_auth_users: {{alice: &same '{HASH}', bob: *same}}"),
    "merge": plain(
        f"basic_auth_users: &all {{alice: '{HASH}'}}\nhttp_server_config: {{<<: {{http2: true}}}}"
    ),
    "Python object": plain("a: !!python/object:os.system x", "constructor"),
    "key that is a list": plain("? [a]\n: b", "line 1, column 3: keys must be text"),
    "nested too deeply": plain("a: " + "[" * 1000, "is nested too deeply"),
    # Certificate and key.
    "certificate and key": section(TLS),
    "certificate alone": section("cert_file: server.pem", "key_file or key is missing"),
    "key alone": section("key_file: server.key", "cert_file or cert is missing"),
    "empty section on TLS": section(""),
    "certificate is not there": section(
        "cert_file: none.pem, key_file: server.key",
        "tls_server_config.cert_file: .*none.pem can't be read: No such file",
    ),
    "both are not there": section(
        "cert_file: none.pem, key_file: none.key",
        "cert_file: .*none.pem can't be read",
        "key_file: .*none.key can't be read",
    ),
    "key is a folder": section(
        "cert_file: server.pem, key_file: .", "key_file: .* can't be read: Is a directory"
    ),
    "switched": section(
        "cert_file: server.key, key_file: server.pem",
        "cert_file: holds no certificate",
        "key_file: holds no private key",
    ),
    "key of another": section(
        "cert_file: server.pem, key_file: other.key", "cert_file and key_file: don't belong"
    ),
    "damaged certificate": section(
        "cert_file: damaged.pem, key_file: server.key", "one of them is damaged"
    ),
    "encrypted key": section(
        "cert_file: server.pem, key_file: locked.key", "key_file: is encrypted"
    ),
    "NUL in a path": section(
        'cert_file: "a\\0b", key_file: server.key', "can't be read: is no path"
    ),
    "misspelled key": tls("cert_fil: x", "cert_fil: unknown key; did you mean cert_file?"),
    "certificate is a list": section(
        "cert_file: [server.pem], key_file: server.key", "cert_file: must be text"
    ),
    # What asks for TLS without a certificate: promtool takes some for an exporter without TLS.
    "version alone": section(
        "min_version: TLS13", "cert_file or cert is", "key_file or key is", differs=LENIENT
    ),
    "client certificates alone": section(
        "client_auth_type: NoClientCert", "cert_file or cert is", "key_file or key is"
    ),
    # Client certificates.
    "client certificates": tls(
        "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"
    ),
    "client certificates of the system's authorities": tls(
        "client_auth_type: RequireAndVerifyClientCert"
    ),
    "client certificates if given": tls(
        "client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem"
    ),
    "no client certificates": tls("client_auth_type: NoClientCert"),
    "blank": tls('client_auth_type: ""'),
    "requested, never verified": tls(
        "client_auth_type: RequestClientCert", "which Python's TLS can't", differs=LENIENT
    ),
    "required, never verified": tls(
        "client_auth_type: RequireAnyClientCert", "which Python's TLS can't", differs=LENIENT
    ),
    "required, never verified, by its old name": tls(
        "client_auth_type: RequireClientCert", "which Python's TLS can't", differs=LENIENT
    ),
    "another kind": tls("client_auth_type: Maybe", "must be one of NoClientCert, Verify"),
    "another case": tls(
        "client_auth_type: requireandverifyclientcert", "must be one of NoClientCert, Verify"
    ),
    "authority without a kind": tls(
        "client_ca_file: ca.pem", "client_ca_file and client_ca need a client_auth_type"
    ),
    "authority for nothing": tls(
        "client_ca_file: ca.pem, client_auth_type: NoClientCert", "need a client_auth_type"
    ),
    "authority is not there": tls(
        "client_ca_file: none.pem, client_auth_type: RequireAndVerifyClientCert",
        "client_ca_file: .*none.pem can't be read",
    ),
    "authority without a certificate": tls(
        "client_ca_file: empty.pem, client_auth_type: RequireAndVerifyClientCert",
        "client_ca_file: holds no certificate",
        differs=LENIENT,  # later ones refuse it
    ),
    "damaged authority": tls(
        "client_ca_file: damaged.pem, client_auth_type: RequireAndVerifyClientCert",
        "client_ca_file: holds a certificate that is damaged",
        differs=LENIENT,
    ),
    "names": tls(
        "client_allowed_sans: [prometheus.example], client_ca_file: ca.pem,"
        " client_auth_type: RequireAndVerifyClientCert",
        differs=NEWER,
    ),
    "names, but clients may have none": tls(
        "client_allowed_sans: [prometheus.example], client_ca_file: ca.pem,"
        " client_auth_type: VerifyClientCertIfGiven",
        "client_allowed_sans needs the client_auth_type RequireAndVerifyClientCert",
    ),
    "names are text": tls("client_allowed_sans: name", "client_allowed_sans: must be a list"),
    # Versions, suites, curves.
    "versions": tls("min_version: TLS12, max_version: TLS13"),
    "one version": tls("min_version: TLS13, max_version: TLS13"),
    "no such version": tls("min_version: TLS14", "min_version: must be TLS12 or TLS13"),
    "version as OpenSSL writes it": tls(
        "max_version: '1.3'", "max_version: must be TLS12 or TLS13"
    ),
    "TLS 1.0": tls("min_version: TLS10", "TLS 1.2 is the lowest", differs=LENIENT),
    "TLS 1.1": tls("max_version: TLS11", "TLS 1.2 is the lowest", differs=LENIENT),
    "versions the wrong way round": tls(
        "min_version: TLS13, max_version: TLS12",
        "min_version is above max_version",
        differs=LENIENT,
    ),
    "suites": tls("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"),
    "suites of TLS 1.3 alone": tls("cipher_suites: [TLS_AES_128_GCM_SHA256]"),
    "suites of TLS 1.3 for TLS 1.2": tls(
        "cipher_suites: [TLS_AES_128_GCM_SHA256], max_version: TLS12",
        "cipher_suites has none for TLS 1.2",
        differs=LENIENT,
    ),
    "no suites": tls("cipher_suites: []"),
    "suite as OpenSSL writes it": tls(
        "cipher_suites: [ECDHE-ECDSA-AES256-GCM-SHA384]", "is no cipher suite that is known"
    ),
    "misspelled suite": tls(
        "cipher_suites: [TLS_AES_128_GCM_SHA25]", "did you mean TLS_AES_128_GCM_SHA256?"
    ),
    "suites are text": tls("cipher_suites: TLS_AES_128_GCM_SHA256", "must be a list"),
    "the client's order": tls("prefer_server_cipher_suites: false"),
    "order is no boolean": tls("prefer_server_cipher_suites: 1", "must be true or false"),
    "a curve": tls("curve_preferences: [CurveP384]"),
    "another curve": tls("curve_preferences: [X25519]"),
    "curves": tls("curve_preferences: [X25519, CurveP256]", "one curve only", differs=LENIENT),
    "no such curve": tls("curve_preferences: [CurveP111]", "is no curve that is known"),
    # HTTP.
    "HTTP/2": plain("http_server_config: {http2: true}"),
    "no HTTP/2": plain("http_server_config: {http2: no}"),
    "HTTP/2 is a number": plain("http_server_config: {http2: 1}", "http2: must be true or false"),
    "HTTP/2 is text": plain("http_server_config: {http2: 'true'}", "must be true or false"),
    "headers": plain(
        """http_server_config:
  headers:
    Content-Security-Policy: default-src 'none'
    Strict-Transport-Security: max-age=31536000
    X-Content-Type-Options: nosniff
    X-Frame-Options: deny
    X-XSS-Protection: 1; mode=block
"""
    ),
    "blank header": plain("http_server_config: {headers: {Content-Security-Policy: ''}}"),
    "header that is a number": plain("http_server_config: {headers: {X-XSS-Protection: 0}}"),
    "another header": plain("http_server_config: {headers: {X-Mine: a}}", "X-Mine can't be set"),
    "header in lower case": plain(
        "http_server_config: {headers: {x-frame-options: deny}}", "x-frame-options can't be set"
    ),
    "value of X-Frame-Options": plain(
        "http_server_config: {headers: {X-Frame-Options: never}}",
        "X-Frame-Options must be deny or sameorigin",
    ),
    "value of X-Content-Type-Options": plain(
        "http_server_config: {headers: {X-Content-Type-Options: sniff}}", "must be nosniff"
    ),
    "header of two lines": plain(
        'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nSet-Cookie: b"}}',
        "must be one line",
        differs=LENIENT,
    ),
    # Users.
    "user": plain(f"basic_auth_users: {{alice: '{HASH}'}}"),
    "hash of PHP and Apache": plain(f"basic_auth_users: {{alice: '{HASH.replace('2b', '2y')}'}}"),
    "user who is a number": plain(f"basic_auth_users: {{123: '{HASH}', yes: '{HASH}'}}"),
    "password in clear": plain(
        f"basic_auth_users: {{alice: {PASSWORD}}}", "alice: must be a bcryp"
    ),
    "user without a hash": plain("basic_auth_users: {alice: }", "alice: must be a bcrypt hash"),
    "another kind of hash": plain(
        "basic_auth_users: {alice: '$apr1$c2FsdA$T5hQdDCFjKzQY7hT8zNkq.'}", "must be a bcrypt hash"
    ),
    "hash that is too dear": plain(
        f"basic_auth_users: {{alice: '{HASH.replace('$04$', '$32$')}'}}", "must be a bcrypt hash"
    ),
    "hash that is cut off": plain(
        f"basic_auth_users: {{alice: '{HASH[:50]}'}}", "must be a bcrypt hash"
    ),
    "users are a list": plain("basic_auth_users: [alice]", "basic_auth_users: must be keys"),
    # Rate limit.
    "rate limit": plain("rate_limit: {interval: 100ms, burst: 20}", differs=NEWER),
    "rate limit of long intervals": plain(
        "rate_limit: {interval: 1m0.5s, burst: 1}", differs=NEWER
    ),
    "no rate limit": plain("rate_limit: {interval: 0, burst: 0}", differs=NEWER),
    "interval without a unit": plain(
        "rate_limit: {interval: 5, burst: 1}",
        "interval: must be a duration such as 100ms",
        differs=LENIENT,
    ),
    "interval in days": plain("rate_limit: {interval: 1d, burst: 1}", "must be a duration"),
    "negative interval": plain(
        "rate_limit: {interval: -1s, burst: 1}", "must be a duration", differs=LENIENT
    ),
    "rate limit that lets nobody in": plain(
        "rate_limit: {interval: 1s}", "burst must be at least 1", differs=LENIENT
    ),
    "burst is negative": plain(
        "rate_limit: {interval: 1s, burst: -1}", "burst: must be at least 0", differs=LENIENT
    ),
    "burst is no number": plain("rate_limit: {interval: 1s, burst: x}", "burst: must be a whole"),
    # All at once.
    "file and other": plain(
        "tls_server_config: {cert_file: none.pem, key_file: server.key}\nrate_limits: {}",
        "cert_file: .*none.pem can't be read",
        "rate_limits: unknown key",
    ),
    "everything": plain(
        """tls_server_config: {cert_file: none.pem, key: x, min_version: TLS9}
http_server_config: {http2: maybe}
basic_auth_users: {alice: x}
rate_limits: {}
""",
        "min_version: must be TLS12 or TLS13",
        "http2: must be true or false",
        "alice: must be a bcrypt hash",
        "rate_limits: unknown key; did you mean rate_limit?",
    ),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with certificates and keys, good and bad."""
    folder = tmp_path_factory.mktemp("web")
    authority = Authority(folder)
    authority.issue("other")
    key = authority.own.issue_cert("127.0.0.1").private_key_pem.bytes()
    locked = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    (folder / "locked.key").write_bytes(locked)
    (folder / "empty.pem").write_text("")
    frame = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    (folder / "damaged.pem").write_text(frame)
    return folder


def problems_of(folder: Path, text: str) -> list[str]:
    """Say what is wrong with a file."""
    file = folder / "web.yml"
    file.write_text(text)
    try:
        load_web_config(file)
    except ConfigError as error:
        return [problem.partition(f"{file}: ")[2] for problem in error.problems]
    return []


@each_case
def test_file_is_taken_or_refused(folder: Path, case: Case) -> None:
    """A file is taken, or refused with one line for each thing that is wrong with it."""
    found = problems_of(folder, case.text)

    assert len(found) == len(case.problems), found
    for problem, pattern in zip(found, case.problems, strict=True):
        assert re.search(pattern, problem), problem
        assert "\n" not in problem


def test_promtool_agrees(folder: Path, require: Callable[[str], str]) -> None:
    """The judge of the Prometheus family takes and refuses the same files."""
    cases = {name: case for name, case in CASES.items() if not case.differs}
    files = {name: folder / f"case-{number}.yml" for number, name in enumerate(cases)}
    for name, file in files.items():
        file.write_text(cases[name].text)
    command = [require("promtool"), "check", "web-config", *map(str, files.values())]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    taken = [name for name, file in files.items() if f"{file} SUCCESS" in run.stderr]

    assert taken == [name for name, case in cases.items() if not case.problems]


@pytest.mark.parametrize("file", ["none.yml", "."])
def test_file_that_cannot_be_read(folder: Path, file: str) -> None:
    """A file that isn't there is told by its name."""
    with pytest.raises(ConfigError, match=re.escape(f"{folder / file}: can't be read: ")):
        load_web_config(folder / file)


def test_file_that_is_no_text(folder: Path) -> None:
    """Bytes that are no text are refused like other mistakes."""
    file = folder / "bytes.yml"
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="isn't YAML text in UTF-8"):
        load_web_config(file)


def test_secrets_stay_secret(folder: Path) -> None:
    """Neither errors nor the configuration's text show keys, passwords or hashes."""
    (folder / "web.yml").write_text(f"basic_auth_users: {{alice: '{HASH}'}}")
    config = load_web_config(folder / "web.yml").config
    key = (folder / "server.key").read_text().splitlines()[1]
    lines = problems_of(folder, f"basic_auth_users: {{alice: {PASSWORD}}}")
    lines += problems_of(folder, f"tls_server_config: {{key: [{key}], cert: {key}}}")

    assert HASH not in repr(config)
    assert len(lines) == 2
    assert not [line for line in lines if PASSWORD in line or key in line]


def indented(pem: str) -> str:
    """Make a text fit for YAML."""
    return "|\n" + "".join(f"    {line}\n" for line in pem.splitlines())


@pytest.mark.parametrize("inline", [{"cert"}, {"key"}, {"cert", "key", "client_ca"}])
def test_texts_may_stand_inline(folder: Path, inline: set[str]) -> None:
    """Certificate, key and authority may be files or stand in the file itself, in any mix."""
    files = {"cert": "server.pem", "key": "server.key", "client_ca": "ca.pem"}
    lines = [
        f"  {name}: {indented((folder / file).read_text())}"
        if name in inline
        else f"  {name}_file: {file}\n"
        for name, file in files.items()
    ]
    text = "tls_server_config:\n  client_auth_type: VerifyClientCertIfGiven\n" + "".join(lines)

    assert problems_of(folder, text) == []


def test_inline_text_is_checked(folder: Path) -> None:
    """What stands inline is refused like files, by the names of its own keys."""
    text = "tls_server_config: {cert: x, key: y}"

    assert problems_of(folder, text) == [
        "tls_server_config.cert: holds no certificate in PEM form",
        "tls_server_config.key: holds no private key in PEM form",
    ]


@pytest.mark.parametrize(
    ("module", "text", "needs"),
    [
        ("yaml", "{}", "reading this file needs PyYAML"),
        ("bcrypt", f"basic_auth_users: {{alice: '{HASH}'}}", "basic_auth_users needs bcrypt"),
    ],
    ids=["yaml", "bcrypt"],
)
def test_missing_library_is_named(folder: Path, module: str, text: str, needs: str) -> None:
    """Without an optional library the error says which one, and how to get it."""
    file = folder / "web.yml"
    file.write_text(text)
    script = f"""
import sys, pathlib
sys.modules[{module!r}] = None
from aps_exporter.errors import ConfigError
from aps_exporter.web.live_config import load_web_config
try:
    load_web_config(pathlib.Path({str(file)!r}))
except ConfigError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert run.stdout == f"{file}: {needs}: pip install 'aps-exporter[web-config]'\n"


def test_inline_text_needs_linux(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a key can't be handed over but on a disk, only files will do."""
    pem, key = ((folder / name).read_text() for name in ("server.pem", "server.key"))
    text = f"tls_server_config:\n  cert: {indented(pem)}\n  key: {indented(key)}"
    monkeypatch.setattr(sys, "platform", "darwin")

    assert problems_of(folder, text) == [
        "tls_server_config.cert: needs Linux; elsewhere say cert_file"
    ]
