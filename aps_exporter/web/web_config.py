"""The web configuration file: TLS, passwords, headers, rate limit, as exporter-toolkit has them."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from aps_exporter.config_problems import dotted, one_line
from aps_exporter.errors import ConfigError
from aps_exporter.web.go_values import CURVES, SUITES, duration_s

__all__ = [
    "HttpConfig",
    "RateLimit",
    "TlsConfig",
    "WebConfig",
    "parse_tls",
    "parse_web_config",
    "read_yaml",
]

EXTRA: Final = "pip install 'aps-exporter[web-config]'"

_HASH = re.compile(r"\$2[abxy]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}", re.ASCII)
_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that may be set, and the values that they may have where these are few."""


def _bcrypt_hash(text: object) -> object:
    if not isinstance(text, str) or not _HASH.fullmatch(text):
        raise ValueError("must be a bcrypt hash, such as htpasswd -nB prints")
    return text.encode()


def _headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if name not in _HEADERS:
            raise ValueError(f"{name} can't be set; these can: {', '.join(_HEADERS)}")
        if _HEADERS[name] and value not in _HEADERS[name]:
            raise ValueError(f"{name} must be {' or '.join(_HEADERS[name])}")
        if not (value.isascii() and (value.isprintable() or not value)):
            raise ValueError(f"{name} must be one line of ASCII text")
    return headers


def _client_auth(kind: str) -> str:
    kinds = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
    if kind in ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert"):
        raise ValueError(
            f"{kind} takes certificates that nobody vouches for, which Python's TLS can't;"
            f" one of {', '.join(kinds)} can be had"
        )
    if kind and kind not in kinds:
        raise ValueError(f"must be one of {', '.join(kinds)}")
    return kind


def _tls_version(version: object) -> object:
    if version in ("TLS10", "TLS11"):
        raise ValueError("TLS 1.2 is the lowest that is spoken here: must be TLS12 or TLS13")
    return version


def _known(names: Mapping[str, str], what: str) -> AfterValidator:
    def check(given: tuple[str, ...]) -> tuple[str, ...]:
        for name in given:
            if name not in names:
                guess = difflib.get_close_matches(name, names, n=1)
                hint = f"; did you mean {guess[0]}?" if guess else ""
                raise ValueError(f"{name} is no {what} that is known{hint}")
        return given

    return AfterValidator(check)


def _one_curve(curves: tuple[str, ...]) -> tuple[str, ...]:
    if len(curves) > 1:
        raise ValueError("Python's TLS can prefer one curve only: name one, or leave this out")
    return curves


class _Section(BaseModel):
    """Strict: no unknown keys, and what stands there as null is not there."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None}


_Version = Annotated[Literal["TLS12", "TLS13"], BeforeValidator(_tls_version)]


class TlsConfig(_Section):
    """The section `tls_server_config`; empty text is as good as none."""

    cert: str = ""
    key: str = Field(default="", repr=False)
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_auth_type: Annotated[str, AfterValidator(_client_auth)] = ""
    client_allowed_sans: tuple[str, ...] | None = None
    min_version: _Version = "TLS12"
    max_version: _Version = "TLS13"
    cipher_suites: Annotated[tuple[str, ...], _known(SUITES, "cipher suite")] = ()
    prefer_server_cipher_suites: bool = Field(default=True, strict=True)
    curve_preferences: Annotated[
        tuple[str, ...], _known(CURVES, "curve"), AfterValidator(_one_curve)
    ] = ()

    @model_validator(mode="after")
    def _complete(self) -> TlsConfig:
        """Find what is missing, or can't go together."""
        problems = [*self._contradictions()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _contradictions(self) -> Iterator[str]:
        if self.model_fields_set and not (self.cert or self.cert_file):
            yield "cert_file or cert is missing"
        if self.model_fields_set and not (self.key or self.key_file):
            yield "key_file or key is missing"
        auth = self.client_auth_type or "NoClientCert"
        if (self.client_ca or self.client_ca_file) and auth == "NoClientCert":
            yield "client_ca_file and client_ca need a client_auth_type"
        if self.client_allowed_sans is not None and auth != "RequireAndVerifyClientCert":
            yield "client_allowed_sans needs the client_auth_type RequireAndVerifyClientCert"
        if self.min_version > self.max_version:
            yield "min_version is above max_version"
        if self.max_version == "TLS12" and self.cipher_suites and not self.tls12_suites:
            yield "cipher_suites has none for TLS 1.2, and max_version allows no other"

    @property
    def tls12_suites(self) -> list[str]:
        """Name the chosen suites for TLS 1.2 as OpenSSL does."""
        return [SUITES[name] for name in self.cipher_suites if SUITES[name]]


class HttpConfig(_Section):
    """The section `http_server_config`."""

    http2: bool = Field(default=True, strict=True)
    """What is spoken is HTTP/1.1; whoever would rather speak HTTP/2 falls back to it."""
    headers: Annotated[Mapping[str, str], AfterValidator(_headers)] = {}


class RateLimit(_Section):
    """The section `rate_limit`: a bucket of `burst` requests that gets one more per interval."""

    interval: Annotated[float, BeforeValidator(duration_s)] = 0.0
    """Seconds; 0 is no limit."""
    burst: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _lets_somebody_in(self) -> RateLimit:
        if self.interval and not self.burst:
            raise ValueError("burst must be at least 1, or no request would ever be answered")
        return self


class WebConfig(_Section):
    """The whole file."""

    tls_server_config: TlsConfig = TlsConfig()
    http_server_config: HttpConfig = HttpConfig()
    basic_auth_users: Mapping[str, Annotated[bytes, BeforeValidator(_bcrypt_hash)]] = Field(
        default={}, repr=False
    )
    rate_limit: RateLimit = RateLimit()


_SECTIONS: Final[Mapping[str, type[_Section]]] = {
    "": WebConfig,
    "tls_server_config": TlsConfig,
    "http_server_config": HttpConfig,
    "rate_limit": RateLimit,
}
_WORDS: Final = {
    "extra_forbidden": "unknown key",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "greater_than_equal": "must be at least 0",
    "literal_error": "must be TLS12 or TLS13",
    "tuple_type": "must be a list",
    "model_type": "must be keys with values",
    "dict_type": "must be keys with values",
    "mapping_type": "must be keys with values",
}


def read_yaml(content: bytes) -> object:
    """Parse the file's bytes as YAML; raises `ConfigError`."""
    try:
        from aps_exporter.web.strict_yaml import parse_yaml  # noqa: PLC0415 - needs PyYAML
    except ImportError as error:
        raise ConfigError(f"reading this file needs PyYAML: {EXTRA}") from error
    try:
        data = parse_yaml(content)
    except ValueError as error:
        raise ConfigError(one_line(str(error))) from error
    return {} if data is None else data


def parse_web_config(data: object) -> WebConfig:
    """Check what the file says; raises `ConfigError` with everything that is wrong with it."""
    try:
        config = WebConfig.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise ConfigError(*(line for details in found for line in _lines(details))) from error
    if config.basic_auth_users:
        try:
            importlib.import_module("bcrypt")
        except ImportError as error:
            raise ConfigError(f"basic_auth_users needs bcrypt: {EXTRA}") from error
    return config


def parse_tls(data: object) -> TlsConfig | None:
    """Give the section on TLS; ``None`` where it is empty, or wrong, as `parse_web_config` says."""
    section = data.get("tls_server_config") if isinstance(data, dict) else None
    try:
        config = TlsConfig.model_validate(section or {})
    except ValidationError:
        return None
    return config if config.model_fields_set else None


def _lines(details: ErrorDetails) -> Iterator[str]:
    """Say what is wrong with a key; never what it says, which may be a secret."""
    path = tuple(str(part) for part in details["loc"] if part != "[key]")
    text = _WORDS.get(details["type"], details["msg"])
    if details["type"] == "extra_forbidden":
        known = _SECTIONS[".".join(path[:-1])].model_fields
        guess = difflib.get_close_matches(path[-1].casefold(), known, n=1)
        text += f"; did you mean {guess[0]}?" if guess else ""
    for line in text.removeprefix("Value error, ").split("\n"):
        yield one_line(f"{dotted(path)}: {line}" if path else line)
