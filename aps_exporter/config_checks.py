"""Is this text a host, a path, a zone …: checks that return the value or raise `ValueError`."""

from __future__ import annotations

import difflib
import ipaddress
import re
import zoneinfo
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

__all__ = [
    "RESERVED_LABELS",
    "api_key",
    "auto_or_boolean",
    "digits_as_number",
    "digits_as_text",
    "host",
    "label_name",
    "label_value",
    "not_a_boolean",
    "number_as_text",
    "panel_id",
    "path",
    "pvoutput_url",
    "read_key",
    "system_id",
    "timezone",
]

_LABEL = r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
# A last label of digits only is a mistyped address: no such top-level domain can exist (RFC 3696).
_NAME = re.compile(rf"(?!(?:.*\.)?[0-9]+\.?$)(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*\.?")
_HOST_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:]*)(?::(?P<port>[0-9]{1,5}))?")
_PANEL_ID = re.compile(r"[0-9A-Za-z-]+-[0-9A-Za-z]|[0-9]{12}")
_KEY_FILE_LIMIT = 4096

RESERVED_LABELS = frozenset(
    (
        *("job", "instance", "le", "quantile"),
        *("inverter", "channel", "phase", "name", "group", "status", "page", "kind", "result"),
        *("ecu_id", "firmware", "timezone", "interface", "version", "python_version"),
    )
)
"""Labels that Prometheus or the metrics themselves have."""


def host(text: str) -> str:
    """Check the ECU's address; an IPv6 address comes back in brackets, as in a URL."""
    if "/" in text or "?" in text or "@" in text:
        raise ValueError(_host_from_url(text))
    if _is_ipv6(text):
        return f"[{text}]"
    match = _HOST_PORT.fullmatch(text)
    if not match or not _is_host(match["host"]):
        raise ValueError(
            "must be an IP address or a name, with :port where needed, "
            "such as 192.168.1.102, ecu.local:8080 or [fd00::102]:80"
        )
    if match["port"] and not 1 <= int(match["port"]) <= 65_535:  # noqa: PLR2004 - the last port
        raise ValueError("has a port outside 1 to 65535")
    return text


def path(text: str) -> str:
    """Check the path of the page with the inverters."""
    if "://" in text:
        raise ValueError(f'must be a path, not a URL: write "{urlsplit(text).path or "/"}"')
    if not text.startswith("/"):
        raise ValueError(f'must start with a slash: write "/{text}"')
    if not re.fullmatch(r"[!-~]+", text) or "#" in text:
        raise ValueError("must be a plain path, without blanks, accents or #")
    return text


def timezone(name: str) -> str:
    """Check that this machine knows the time zone."""
    try:
        zoneinfo.ZoneInfo(name)
    # A folder such as "Europe" and a path such as "../x" fail in ways of their own.
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        zones = {zone.casefold(): zone for zone in zoneinfo.available_timezones()}
        close = difflib.get_close_matches(name.casefold(), zones, n=1, cutoff=0.75)
        hint = f"; did you mean {zones[close[0]]}?" if close else ""
        raise ValueError(f"must be a time zone such as Europe/Amsterdam{hint}") from error
    return name


def panel_id(text: str) -> str:
    """Check a panel's id; the one panel of a YC250 has no channel."""
    if not _PANEL_ID.fullmatch(text):
        raise ValueError("must be a panel's id as the ECU prints it, such as 408000012345-A")
    return text


def pvoutput_url(text: str) -> str:
    """Check the address of PVOutput's service; the key must not travel in clear."""
    url = _split(text)
    if url is None or not url.hostname or url.scheme not in {"http", "https"}:
        message = "must be a URL such as https://pvoutput.org/service/r2"
    elif url.username is not None or url.query or url.fragment:
        message = "must be a URL without user, ? and #"
    elif url.scheme == "http" and not _is_loopback(url.hostname):
        message = "must begin with https:// (the API key would travel in clear)"
    else:
        return text.rstrip("/")
    raise ValueError(message)


def system_id(text: str) -> str:
    """Check the number of a system."""
    if not text:
        raise ValueError("required when publish is true")
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise ValueError("must be the system's number, digits only, not its name")
    return text


def api_key(text: str) -> str:
    """Check that the key can stand in a header, without a word about what it is."""
    key = text.strip()
    if not re.fullmatch(r"[!-~]+", key):
        raise ValueError("must be one word of plain letters and digits")
    return key


def read_key(file: Path) -> str:
    """Read the key from its file."""
    try:
        with file.open("rb") as stream:
            content = stream.read(_KEY_FILE_LIMIT)
    except OSError as error:
        if re.fullmatch(r"[0-9A-Za-z]{20,}", file.name):
            raise ValueError(
                "must name a file, not be the key, which belongs in api_key"
            ) from error
        raise ValueError(f"can't be read: {error.strerror}") from error
    if not content.strip():
        raise ValueError("is empty")
    try:
        return api_key(content.decode("ascii"))
    except ValueError as error:
        raise ValueError("must hold the key and nothing else") from error


def not_a_boolean(value: object) -> object:
    """Refuse `true` where a number belongs, though Python takes it for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - the one pydantic reports
    return value


def digits_as_text(value: object) -> object:
    """Take an id that was written as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def digits_as_number(value: object) -> object:
    """Take a number that was written as text, as the environment does."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else value


def label_name(text: str) -> str:
    """Check the name of a label that an ECU's series shall have."""
    if not re.fullmatch(r"(?!__)[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueError("must be a label: letters, digits and _, no digit or __ in front")
    if text in RESERVED_LABELS:
        raise ValueError("is a label that Prometheus or the metrics have already")
    return text


def label_value(text: str) -> str:
    """Check the value of a label."""
    if not text.isprintable():
        raise ValueError("must be one line of text")
    return text


def number_as_text(value: object) -> object:
    """Take a number, such as a roof's kWp, as it is written."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


def auto_or_boolean(value: object) -> object:
    """Take `auto` or anything that means true or false."""
    words = {"auto": "auto"} | dict.fromkeys(("true", "yes", "on", "y", "t", "1"), True)
    words |= dict.fromkeys(("false", "no", "off", "n", "f", "0"), False)
    word = str(value).strip().casefold()
    if word not in words:
        raise ValueError("must be auto, true or false")
    return words[word]


def _split(url: str) -> SplitResult | None:
    """Take a URL apart, or say that it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is none
    except ValueError:
        return None
    return parts


def _host_from_url(text: str) -> str:
    """Say what to write instead of a URL."""
    message = "must be the address alone, not a URL"
    url = _split(text if "://" in text else f"//{text}")
    if url is None or not url.hostname or not _is_host(url.hostname.strip("[]")):
        return message
    name = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    advice = f'{message}: write "host": "{name}{f":{url.port}" if url.port else ""}"'
    return f'{advice} and "path": "{url.path}"' if url.path.strip("/") else advice


def _is_host(text: str) -> bool:
    if text.startswith("["):
        return _is_ipv6(text.strip("[]"))
    if _is_ipv6(text):
        return True
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return bool(_NAME.fullmatch(text))
    return True


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
