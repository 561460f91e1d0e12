"""The section `tls_server_config` → a context for handshakes, by way of the files that it names."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never

from aps_exporter.errors import ConfigError
from aps_exporter.web.go_values import CURVES
from aps_exporter.web.web_config import TlsConfig

__all__ = ["files_of", "make_context"]

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY: Final = {
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


def files_of(config: TlsConfig, folder: Path) -> list[Path]:
    """Name the files that a context is made of; relative paths start at the folder."""
    names = (config.cert_file, config.key_file, config.client_ca_file)
    return [folder / name for name in names if name]


def make_context(config: TlsConfig, folder: Path) -> ssl.SSLContext:
    """Make the context; raises `ConfigError` with everything that is wrong with the files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.min_version]
    context.maximum_version = _VERSIONS[config.max_version]
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not config.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if config.tls12_suites:
        context.set_ciphers(":".join(config.tls12_suites))
    elif config.cipher_suites:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    for curve in config.curve_preferences:
        context.set_ecdh_curve(CURVES[curve])
    context.set_alpn_protocols(["http/1.1"])
    problems = [*_load_certificate(context, config, folder), *_load_ca(context, config, folder)]
    if problems:
        raise ConfigError(*(f"tls_server_config.{problem}" for problem in problems))
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pem:
    """Text in PEM form that stands in a file, or in the configuration itself."""

    key: str
    path: Path | None
    inline: str

    def read(self) -> bytes:
        """Give the text; raises `ValueError` when the file can't be read."""
        if self.path is None:
            return self.inline.encode()
        try:
            return self.path.read_bytes()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is no path"
            raise ValueError(f"{self.key}: {self.path} can't be read: {reason}") from error

    def problems(self, wanted: bytes, what: str) -> Iterator[str]:
        """Say what is wrong with the text, as far as this can be seen."""
        try:
            if wanted not in self.read():
                yield f"{self.key}: holds no {what} in PEM form"
        except ValueError as error:
            yield str(error)

    @contextlib.contextmanager
    def as_file(self) -> Iterator[Path]:
        """Give a file with the text, for OpenSSL takes nothing else; never one on a disk."""
        if self.path is not None:
            yield self.path
        elif sys.platform == "linux":
            file = os.memfd_create(self.key)
            try:
                os.write(file, self.read())
                yield Path(f"/proc/self/fd/{file}")
            finally:
                os.close(file)
        else:
            raise ValueError(f"{self.key}: needs Linux; elsewhere say {self.key}_file")


def _pem(config: TlsConfig, key: str, folder: Path) -> _Pem:
    """Find where a text stands; as in the toolkit a file goes before what stands inline."""
    file: str = getattr(config, f"{key}_file")
    if file:
        return _Pem(key=f"{key}_file", path=folder / file, inline="")
    return _Pem(key=key, path=None, inline=getattr(config, key))


def _load_certificate(context: ssl.SSLContext, config: TlsConfig, folder: Path) -> Iterator[str]:
    """Give the context its certificate and key; yield what is wrong with them."""
    cert, key = _pem(config, "cert", folder), _pem(config, "key", folder)
    problems = [
        *cert.problems(b"-----BEGIN CERTIFICATE-----", "certificate"),
        *key.problems(b"PRIVATE KEY-----", "private key"),
    ]
    if problems:
        yield from problems
        return
    try:
        with cert.as_file() as cert_path, key.as_file() as key_path:
            # Without a function to ask, OpenSSL would ask for a password on the terminal.
            context.load_cert_chain(cert_path, key_path, password=_no_password)
    except _EncryptedError:
        yield f"{key.key}: is encrypted; it has to be a key without a password"
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        what = "don't belong together" if mismatch else "can't be used: one of them is damaged"
        yield f"{cert.key} and {key.key}: {what}"
    except (OSError, ValueError) as error:
        yield str(error)


class _EncryptedError(Exception):
    """OpenSSL wants a password."""


def _no_password() -> Never:
    raise _EncryptedError


def _load_ca(context: ssl.SSLContext, config: TlsConfig, folder: Path) -> Iterator[str]:
    """Tell the context whose clients to let in; yield what is wrong."""
    if config.client_auth_type not in _VERIFY:
        return
    context.verify_mode = _VERIFY[config.client_auth_type]
    # As in Go, whatever stands in the file is trusted, be it a root or not.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if config.client_allowed_sans is not None:
        context.sslobject_class = _only(frozenset(config.client_allowed_sans))
    ca = _pem(config, "client_ca", folder)
    if ca.path is None and not ca.inline:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    problems = [*ca.problems(b"-----BEGIN CERTIFICATE-----", "certificate")]
    yield from problems
    if not problems:
        try:
            context.load_verify_locations(cadata=ca.read().decode("ascii", "replace"))
        except (ssl.SSLError, ValueError):
            yield f"{ca.key}: holds a certificate that is damaged"


def _only(allowed: frozenset[str]) -> type[ssl.SSLObject]:
    """Make connections that let in clients with one of these names in their certificate alone."""

    class Checked(ssl.SSLObject):
        """A connection whose handshake looks at the client's names, too."""

        def do_handshake(self) -> None:
            """Shake hands; raises `ssl.SSLError` for a client of another name."""
            super().do_handshake()
            if not allowed.intersection(_names(self)):
                raise ssl.SSLCertVerificationError("the client's certificate has no allowed name")

    return Checked


def _names(connection: ssl.SSLObject) -> Iterator[str]:
    """Give the alternative names in the client's certificate, as Go writes them."""
    certificate = connection.getpeercert() or {}
    for entry in certificate.get("subjectAltName", ()):
        match entry:
            case ("DNS" | "email" | "URI", str(name)):
                yield name
            case ("IP Address", str(name)):
                with contextlib.suppress(ValueError):  # "<invalid>", says Python of odd ones
                    yield str(ipaddress.ip_address(name.strip()))
